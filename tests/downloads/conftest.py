"""Fixtures of the download tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher import persistence

from .fetching import MIB, REPO, content
from .fronts import Authority, make_authority


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of tries, with short waits."""
    quick = msgspec.structs.replace(persistence.POLICY, first=0.005, longest=1.0)
    monkeypatch.setattr(persistence, "POLICY", quick)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where a cache will be."""
    return tmp_path / "cache"


@pytest.fixture
def hub_with_model(no_leaks: None, empty_hub: DemoHub) -> DemoHub:
    """A hub with one model of 8 MiB."""
    empty_hub.add(REPO, {"model.safetensors": content(8 * MIB), "config.json": b"{}"})
    return empty_hub


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that only these tests know."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program makes the certificates")
    return make_authority(tmp_path_factory.mktemp("authority"))
