"""A real manager with custom models, against a real hub on the loopback address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.manager import ModelManager

from .custom import Echo, info


@pytest.fixture
def manager(no_leaks: None, hub: DemoHub, tmp_path: Path) -> Iterator[ModelManager]:
    with ModelManager(endpoint=hub.url, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data") as manager:
        yield manager
    close_session()  # huggingface_hub keeps its connections otherwise


@pytest.fixture
def echo(manager: ModelManager) -> Echo:
    """A registered custom model named `echo`."""
    model = Echo(info("echo", description="says it again", tags=("test",)))
    manager.register_model(info("echo", description="says it again", tags=("test",)), model=model)
    return model


@pytest.fixture
def context(manager: ModelManager) -> Context:
    return Context(manager=manager, table=TABLE, namespace={})
