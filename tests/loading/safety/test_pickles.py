"""S1: hostile pickles are refused under every name, before anything is unpickled."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rmm_widgets.loading.safety.contents import Sample as Ends
from rmm_widgets.loading.safety.contents import recognize
from rmm_widgets.loading.safety.folder import inspect_folder

from . import hostile
from .audit import watched

ROOT = Path(__file__).parents[3]

ENDINGS = [
    *("", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz", ".h5", ".keras"),
    *(".safetensors", ".gguf", ".onnx", ".onnx_data", ".model", ".msgpack", ".nemo", ".mar", ".pt2", ".tar", ".zip"),
    *(".json", ".txt", ".md", ".png", ".jpg", ".csv", ".yaml", ".dat", ".weird", ".BIN", ".tmp"),
]


def marker(folder: Path) -> Callable[[str], Path]:
    return lambda name: folder / name.replace(" ", "-")


def left_behind(folder: Path, names: list[str]) -> set[str]:
    return {name for name in names if os.path.lexists(marker(folder)(name))}


def test_S1_the_corpus_does_what_it_says(tmp_path: Path) -> None:
    names = list(hostile.samples(marker(tmp_path)))
    subprocess.run([sys.executable, "-m", hostile.__name__, str(tmp_path)], cwd=ROOT, check=True, timeout=100)
    assert left_behind(tmp_path, names) == set(names), "a sample that does nothing proves nothing"
    assert len(names) >= 40


def test_S1_hostile_pickles_are_refused_under_every_name(tmp_path: Path) -> None:
    markers, repository = tmp_path / "markers", tmp_path / "repository"
    samples = hostile.samples(marker(markers))
    paths: set[str] = set()
    for number, sample in enumerate(samples.values()):
        folder = repository / f"{number}"
        folder.mkdir(parents=True)
        for ending in ENDINGS:
            (folder / f"model{ending}").write_bytes(sample.data)
            paths.add(f"{number}/model{ending}")
    markers.mkdir()
    with watched(repository) as seen:
        report = inspect_folder(repository)
    assert not report.safe
    assert paths - {finding.path for finding in report.findings} == set()
    assert seen == []
    assert left_behind(markers, list(samples)) == set()


def test_S1_the_reason_names_what_would_be_called(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(hostile.samples(marker(tmp_path))["STACK_GLOBAL"].data)
    (finding,) = inspect_folder(tmp_path).findings
    assert (finding.path, finding.kind) == ("model.safetensors", "pickle")
    assert "posix system" in finding.reason


def test_S1_a_sound_safetensors_file_is_one_under_its_own_name_only(tmp_path: Path) -> None:
    """Its bytes are a pickle too, further on than is read."""
    done = tmp_path / "done"
    data = hostile.as_safetensors(b"touch " + bytes(done), skip=1000)
    (tmp_path / "pytorch_model.bin").write_bytes(data)
    (finding,) = inspect_folder(tmp_path).findings
    assert "opened as a pickle" in finding.reason
    assert not done.exists()
    pickle.loads(data)  # it really is one
    assert done.exists()
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "model.safetensors")
    assert inspect_folder(tmp_path).safe, "there is no unpickler for that name"


@pytest.mark.parametrize(
    "text",
    [
        "cat\nsat\nmat\n",
        "(in English) see below\nThe model\n",
        "c1\nc2\nc3\n",
        "the\nof\nand\n" * 1000,
        "I am a card. It names os.system and\ncos\nsystem\n(S'x'\ntR.\n",
        "." * 5000,
        "",
        "{}",
        "# Title\n\n```python\nimport pickle\n```\n",
    ],
)
def test_text_is_no_pickle(text: str) -> None:
    data = text.encode()
    assert recognize(Ends(data, b"", len(data))).format in {"text", "empty"}


def test_raw_numbers_are_no_pickle() -> None:
    random = np.random.default_rng(7)
    for dtype in (np.float32, np.float16, np.float64):
        for _ in range(200):
            data = random.normal(size=2000).astype(dtype).tobytes()
            assert recognize(Ends(data, data[-100:], len(data))).format == "unknown"
