"""Weights in files beside the ONNX file: followed in the Hub's cache, never out of the folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import LoadError, UnsafeModelError
from rmm_widgets.loading.loaders.onnx.external_data import check_external_data, external_files
from rmm_widgets.loading.loaders.onnx.session import Session

from . import onnx_files

WEIGHTS = np.array([[1, 2]], np.float32).tobytes()


def result(path: Path) -> list[float]:
    return Session.open(path, "cpu").run({"pixel_values": np.zeros((1, 2))})[0].ravel().tolist()


def test_weights_beside_the_file(tmp_path: Path) -> None:
    path = onnx_files.write(tmp_path / "model.onnx", onnx_files.with_external_table("model.onnx_data"))
    assert external_files(path) == {"model.onnx_data"}
    with pytest.raises(LoadError, match=r"model\.onnx_data"):
        Session.open(path, "cpu")
    onnx_files.write(tmp_path / "model.onnx_data", WEIGHTS)
    assert result(path) == [1, 2]


def test_weights_in_the_layout_of_the_hub_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / ("c" * 40) / "onnx"
    snapshot.mkdir(parents=True)
    files = {"model.onnx": onnx_files.with_external_table("model.onnx_data"), "model.onnx_data": WEIGHTS}
    for name, content in files.items():
        blob = onnx_files.write(tmp_path / "blobs" / (name.encode().hex().ljust(64, "0")), content)
        (snapshot / name).symlink_to(Path("../../../blobs") / blob.name)
    assert result(snapshot / "model.onnx") == [1, 2]


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "C:\\secret", "", "a\nb", "./secret"]
)
def test_weights_from_outside_are_refused(tmp_path: Path, location: str) -> None:
    onnx_files.write(tmp_path / "secret", WEIGHTS)
    path = onnx_files.write(tmp_path / "model" / "model.onnx", onnx_files.with_external_table(location))
    assert external_files(path) == {location}
    with pytest.raises(UnsafeModelError, match="outside"):
        Session.open(path, "cpu")


def nested(tensor: bytes, where: str) -> bytes:
    """A file with the tensor at one of the places where onnx.proto allows one."""
    field = onnx_files.field
    attribute = {
        "attribute": field(5, tensor),
        "attribute list": field(10, tensor),
        "sparse attribute": field(22, field(1, tensor)),
        "subgraph": field(6, field(5, tensor)),
        "subgraph list": field(11, field(1, field(5, field(5, tensor)))),
    }.get(where, b"")
    return {
        "sparse": field(7, field(15, field(2, tensor))),
        "function": field(25, field(7, field(5, field(5, tensor)))),
        "training": field(20, field(1, field(5, tensor))),
    }.get(where) or field(7, field(1, field(5, attribute)))


@pytest.mark.parametrize(
    "where",
    [
        "attribute",
        "attribute list",
        "sparse attribute",
        "subgraph",
        "subgraph list",
        "sparse",
        "function",
        "training",
    ],
)
def test_no_place_is_overlooked(tmp_path: Path, where: str) -> None:
    tensor = onnx_files.tensor("w", np.zeros(1, np.float32), external="../secret")
    path = onnx_files.write(tmp_path / "model.onnx", nested(tensor, where))
    assert external_files(path) == {"../secret"}
    with pytest.raises(UnsafeModelError):
        check_external_data(path)


def test_the_demo_models_keep_their_weights_inside() -> None:
    files = sorted(MODELS_DIR.rglob("*.onnx"))
    assert len(files) == 6
    assert all(external_files(path) == frozenset() for path in files)


def test_random_damage_is_an_error_or_harmless(tmp_path: Path) -> None:
    whole = onnx_files.with_external_table("model.onnx_data")
    random = np.random.default_rng(20_261_123)
    for _ in range(500):
        damaged = bytearray(whole)
        for at in random.integers(len(whole), size=random.integers(1, 6)):
            damaged[at] = random.integers(256)
        path = onnx_files.write(tmp_path / "model.onnx", bytes(damaged[: random.integers(1, len(whole) + 1)]))
        # Nothing but ValueError may come of it.
        with contextlib.suppress(ValueError):
            assert all(isinstance(name, str) for name in external_files(path))
