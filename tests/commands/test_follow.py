"""`events --follow`: lines as things happen, until an interrupt ends it cleanly."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable

import msgspec
import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import CommandResult, Context
from rmm_widgets.errors import InvalidCommandError
from rmm_widgets.manager import ModelManager

from .custom import Echo, info


def follow(context: Context, line: str, work: Callable[[], object], enough: Callable[[list[str]], bool]) -> list[str]:
    """What a line says while `work` goes on in another thread; interrupted once that is enough."""
    lines: list[str] = []
    began = threading.Event()

    def say(text: str) -> None:
        lines.append(text)
        began.set()
        if enough(lines):
            os.kill(os.getpid(), signal.SIGINT)

    def worker() -> None:
        began.wait(60)
        work()

    thread = threading.Thread(target=worker)
    thread.start()
    result: CommandResult = execute_line(msgspec.structs.replace(context, say=say), line)
    thread.join()
    assert result.value is None
    assert result.text in {"", "Followed no further."}
    return lines


def test_each_event_is_a_line_until_the_interrupt(context: Context, echo: Echo, manager: ModelManager) -> None:
    def work() -> None:
        for number in range(20):
            manager.register_model(info(f"model-{number}"), model=Echo(info(f"model-{number}")))
        manager.load_model("echo").result(60)

    lines = follow(context, "events --follow", work, lambda lines: " load_complete" in lines[-1])
    assert [line.split()[2] for line in lines if "model-" in line] == [f"model-{number}" for number in range(20)]
    assert " load_complete" in lines[-1]
    assert len(set(lines)) == len(lines)
    for thread in threading.enumerate():
        if thread.name == "rmm-listener-put":  # of this one, or of another manager before
            thread.join(60)
            assert not thread.is_alive(), "nobody listens any more"


def test_one_model_as_lines_of_json(context: Context, echo: Echo, manager: ModelManager) -> None:
    def work() -> None:
        manager.register_model(info("other"), model=Echo(info("other")))
        manager.load_model("echo").result(60)

    lines = follow(context, "events echo --follow --json", work, lambda lines: '"load_complete"' in lines[-1])
    events = [json.loads(line) for line in lines]
    assert {event["model_id"] for event in events} == {"echo"}
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))
    assert events[-1]["type"] == "load_complete"


def test_so_many_earlier_ones_come_first(context: Context, echo: Echo, manager: ModelManager) -> None:
    for number in range(5):
        manager.register_model(info(f"model-{number}"))
    lines = follow(context, "events --follow --limit 2", lambda: None, lambda lines: len(lines) == 2)
    assert ["model-3" in lines[0], "model-4" in lines[1]] == [True, True]


def test_hostile_text_stays_one_line(context: Context, manager: ModelManager) -> None:
    manager.register_model(info("x", description="a\x1b[2J\nb\x07"))
    (line,) = follow(context, "events --follow", lambda: None, lambda lines: True)
    assert line.isprintable()


def test_it_is_not_for_views(context: Context) -> None:
    with pytest.raises(InvalidCommandError, match="views"):
        execute_line(msgspec.structs.replace(context, may_wait=False), "events --follow")
