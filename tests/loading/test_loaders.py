"""Loaders of other packages, and libraries that are there but broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rmm_widgets.errors import LoadError, MissingDependencyError
from rmm_widgets.loading.dependencies import require
from rmm_widgets.loading.loaders import ENTRY_POINT_GROUP, open_servable
from rmm_widgets.types import ModelType

PLUGIN = """
from rmm_widgets.loading.loader import Match, MemoryEstimate
from rmm_widgets.loading.servable import Loaded, ProbeAnswer

class EchoServable:
    def __init__(self, **given):
        self.given = given
    def load(self, config, device, cancelled):
        return Loaded(device=device or "cpu")
    def call(self, method, args, kwargs):
        return self.given
    def probe(self):
        return ProbeAnswer(True)
    def update_config(self, config): ...
    def unload(self): ...

class EchoLoader:
    name, library, preload = "echo", "rmm-echo", ()
    def match(self, evidence, identity):
        return Match(model_type=identity.model_type, detail="*.echo files") if evidence.has(".echo") else None
    def estimate(self, folder, model_type, config):
        return MemoryEstimate(weights=1)
    def open(self, *, model_id, model_type, path, trusted):
        return EchoServable(model_id=model_id, model_type=model_type, path=path, trusted=trusted)

ECHO = EchoLoader()
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with an installed package that registers two loaders, one of them broken."""
    info = tmp_path / "rmm_echo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rmm-echo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\necho = rmm_echo_plugin:ECHO\nbroken = rmm_echo_plugin:Nothing\n"
    )
    (tmp_path / "rmm_echo_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("rmm_echo_plugin", None)
    return tmp_path


def test_loaders_of_other_packages_are_found_by_name(site: Path) -> None:
    servable = open_servable("echo", model_id="m", model_type="embedding_model", path="/x")
    assert servable.call("__call__", (), {}) == {
        "model_id": "m",
        "model_type": ModelType.EMBEDDING_MODEL,
        "path": Path("/x"),
        "trusted": False,
    }
    with pytest.raises(LoadError, match="'broken' cannot be imported") as caught:
        open_servable("broken", model_id="m", model_type="embedding_model", path="/x")
    assert "rmm_echo_plugin:Nothing" in caught.value.hint
    sys.modules.pop("rmm_echo_plugin")


def test_a_broken_library_is_not_called_missing(site: Path) -> None:
    (site / "rmm_broken_library.py").write_text("raise ImportError('libcudart.so.12 is missing')")
    (site / "rmm_needy_library.py").write_text("import rmm_no_such_library")
    for module, words in (("rmm_broken_library", "libcudart"), ("rmm_needy_library", "rmm_no_such_library")):
        with pytest.raises(LoadError, match=words) as caught:
            require(module)
        assert not isinstance(caught.value, MissingDependencyError)
    with pytest.raises(MissingDependencyError, match="rmm_a and rmm_b") as missing:
        require("rmm_a", "sys", "rmm_b")
    assert "pip install rmm_a rmm_b" in missing.value.hint
