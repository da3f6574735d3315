"""What commands say of memory, and the time for which a model may be idle."""

from __future__ import annotations

import math

import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.render import Table
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.views import info_table, models_table
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidCommandError, InvalidConfigError
from rmm_widgets.manager import ModelManager

from .custom import Echo


def test_load_takes_a_time_for_which_the_model_may_be_idle(context: Context, echo: Echo) -> None:
    echo.on_disk = True
    for text, seconds, said in (
        ("10m", 600.0, "unloaded when idle for 10 min"),
        ("forever", math.inf, "kept when idle"),
    ):
        execute_line(context, f"load echo --keep-alive {text} --wait")
        description = context.manager.describe("echo")
        assert description.keep_alive == seconds
        assert said in str(info_table(description).rows)
    for text, error in (("soon", InvalidCommandError), ("0", InvalidConfigError)):
        with pytest.raises(error, match=r"keep.alive") as caught:
            execute_line(context, f"load echo --keep-alive {text}")
        assert caught.value.hint
    assert context.manager.describe("echo").keep_alive == math.inf


def test_the_tables_show_memory_and_budget(context: Context, manager: ModelManager, hub: DemoHub) -> None:
    del hub
    assert "memory budget" not in dict(_rows(context, "stats"))
    manager.memory_budget = "2GB"
    assert manager.memory_budget == 2_000_000_000
    manager.register_from_hub("rmm-demo/vit-digits").result(30)
    execute_line(context, "load vit-digits --wait")
    description = manager.describe("vit-digits")
    assert description.memory_bytes > 10_000_000
    memory = next(value for name, value in info_table(description).rows if name == "memory")
    assert memory.split()[1] == "MB,"
    assert "expected" in memory
    table = models_table([description])
    place = [column.title for column in table.columns].index("memory")
    assert table.rows[0][place].endswith("MB")
    assert ("memory budget", "2.0 GB") in _rows(context, "stats")
    status = execute_line(context, "status").document
    assert isinstance(status, Table)
    assert " MB of 2.0 GB)" in status.caption


def _rows(context: Context, line: str) -> list[tuple[str, ...]]:
    document = execute_line(context, line).document
    assert isinstance(document, Table)
    return list(document.rows)
