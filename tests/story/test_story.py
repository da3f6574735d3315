"""What is told of a model: a table of events and their sentences, every action of the source, and hostile text."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeGuard

import pytest

import rmm_widgets
from rmm_widgets.commands.render import to_html, to_text
from rmm_widgets.commands.views import story_table
from rmm_widgets.story.facts import LONGEST, lasting
from rmm_widgets.story.records import Story
from rmm_widgets.story.sentences import Teller
from rmm_widgets.story.telling import tell
from rmm_widgets.types import ModelEvent, ModelEventType

START = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"

Given = tuple[Any, ...]
"""Type, action, seconds after the one before, data."""


def event(kind: str, data: dict[str, Any], seconds: float = 0.0, seq: int = 1) -> ModelEvent:
    moment = START + timedelta(seconds=seconds)
    return ModelEvent(type=ModelEventType(kind), model_id="m", timestamp=moment, data=data, seq=seq)


def story_of(*given: Given, limit: int = 100) -> Story:
    """The story of events that came one after another."""
    at = 0.0
    events: list[ModelEvent] = []
    for number, (kind, action, seconds, data) in enumerate(given, 1):
        at += seconds
        fields = dict(data) if action is None else {"action": action, **data}
        events.append(event(kind, fields, at, fields.pop("seq", number)))
    return tell("m", events, None, limit=limit)


def told(*given: Given) -> list[str]:
    return [line.text for line in story_of(*given).lines]


REGISTERED = (
    "config_update",
    "registered",
    0,
    {
        "model_info": {
            "model_type": "embedding_model",
            "repo_id": "org/name",
            "version": "main",
            "total_size_estimate": 12_300_000,
            "metadata": {"commit": COMMIT},
        }
    },
)
LOADED = {"device": "cpu", "placement": "process", "memory_bytes": 75_000_000, "loader": "onnxruntime", "seconds": 0.31}
LOADED_TEXT = "in 0.3 s on cpu, in a process of its own, by onnxruntime, 75.0 MB of memory."
DEATH = "The process of model m was killed by signal 9 (SIGKILL)"

TABLE: list[tuple[str, list[Given], list[str]]] = [
    (
        "registered, and again",
        [REGISTERED, ("config_update", "registered", 1, {"model_info": {"model_type": "diffusion_lm"}})],
        [
            "Registered: an embedding model from org/name@main, commit 0123456789ab, 12.3 MB to download.",
            "Its registration was changed: a diffusion lm.",
        ],
    ),
    (
        "a newer commit",
        [("config_update", "registered", 0, {"model_info": {"repo_id": "a/b"}, "newer_commit": "f" * 40})],
        ["Registered: a model from a/b. A newer commit is ffffffffffff."],
    ),
    (
        "a download without trouble",
        [
            ("download_start", "download_started", 0, {}),
            ("download_progress", None, 1, {"progress": 50.0, "phase": "downloading"}),
            ("download_complete", "download_completed", 2, {"bytes": 12_300_000, "commit": COMMIT}),
        ],
        ["Downloaded 12.3 MB in 3.0 s, 4.1 MB a second, commit 0123456789ab."],
    ),
    (
        "a download with pauses, which do not count",
        [
            ("download_start", "download_started", 0, {}),
            ("download_progress", "download_moved", 0, {"position": 2}),
            ("download_progress", "download_paused", 10, {"progress": 43.7}),
            ("download_progress", "download_resumed", 3600, {"progress": 43.7}),
            ("download_progress", "download_paused", 10, {"progress": 50.0}),
            ("download_progress", "download_resumed", 60, {"progress": 50.0}),
            ("download_complete", "download_completed", 80, {"bytes": 100_000_000, "commit": None}),
        ],
        [
            "A download began.",
            "The download was moved to place 2 of those that wait.",
            "The download was paused at 43 %.",
            "The download was resumed.",
            "The download was paused at 50 %.",
            "Downloaded 100 MB in 2 min, 1.0 MB a second, resumed twice.",
        ],
    ),
    (
        "a download that failed, was cancelled, and came after all: no rate, as not all of it came now",
        [
            ("download_start", "download_started", 0, {}),
            ("download_error", "download_failed", 5, {"error": "The Hub is gone", "hint": "Try again."}),
            ("download_start", "download_started", 1, {}),
            ("download_error", "download_cancelled", 5, {"error": "Download cancelled"}),
            ("download_start", "download_started", 1, {}),
            ("download_complete", "download_completed", 5, {"bytes": 1000, "commit": COMMIT}),
        ],
        [
            "A download began.",
            "The download failed: The Hub is gone. Try again.",
            "A download began.",
            "The download was cancelled.",
            "Downloaded 1.0 kB in 5.0 s, commit 0123456789ab.",
        ],
    ),
    (
        "what was fetched is removed",
        [
            ("download_progress", "download_discarded", 0, {"freed_bytes": 3_000_000}),
            ("download_error", "discard_failed", 0, {"error": "Permission denied"}),
            ("download_error", "files_damaged", 0, {"error": "1 file is damaged", "hint": "Download it again."}),
        ],
        [
            "What was fetched was removed: 3.0 MB freed.",
            "What was fetched could not be removed: Permission denied.",
            "Its files turned out to be damaged: 1 file is damaged. Download it again.",
        ],
    ),
    (
        "a load, with its estimate, and the end of it",
        [
            ("load_start", "load_started", 0, {"config": {}}),
            ("health_change", "health_changed", 0, {"health": "unknown", "previous": "unhealthy", "reason": ""}),
            ("load_complete", "load_completed", 5, {**LOADED, "estimated_bytes": 60_000_000}),
            ("health_change", "health_changed", 0, {"health": "healthy", "previous": "unknown", "reason": "fast"}),
            ("unload", "unloaded", 60, {}),
            ("health_change", "health_changed", 0, {"health": "unknown", "previous": "healthy", "reason": "gone"}),
        ],
        [
            "Loaded in 0.3 s on cpu, in a process of its own, by onnxruntime, 75.0 MB of memory (60.0 MB estimated).",
            "Unloaded.",
        ],
    ),
    (
        "a load of an earlier version, which told less",
        [
            ("load_start", "load_started", 0, {}),
            ("load_complete", "load_completed", 1.25, {"device": "cuda:0", "placement": "kernel", "memory_bytes": 0}),
        ],
        ["Loaded in 1.2 s on cuda:0, in the kernel."],
    ),
    (
        "loads that came to nothing",
        [
            ("load_start", "load_started", 0, {}),
            ("load_error", "load_cancelled", 1, {"error": "Load cancelled"}),
            ("load_start", "load_started", 0, {}),
            ("load_error", "load_failed", 1, {"error": "It needs numpy", "hint": "pip install numpy"}),
            ("health_change", "health_changed", 0, {"health": "unhealthy", "reason": "It needs numpy"}),
            ("unload", "error_cleared", 1, {}),
        ],
        [
            "A load began.",
            "The load was cancelled.",
            "A load began.",
            "The load failed: It needs numpy. pip install numpy.",
            "The error was cleared by an unload.",
        ],
    ),
    (
        "health",
        [
            ("health_change", "health_changed", 0, {"health": "unhealthy", "reason": "no answer to the last 3 probes"}),
            ("health_change", "health_changed", 0, {"health": "healthy", "reason": "it answers again, in 0.02 s"}),
            ("health_change", "health_changed", 0, {"health": "degraded", "reason": "unstable: 4 changes"}),
            ("health_change", "health_changed", 0, {"health": "healthy", "reason": ""}),
        ],
        [
            "It became unhealthy: no answer to the last 3 probes.",
            "It became healthy again: it answers again, in 0.02 s.",
            "It became degraded: unstable: 4 changes.",
            "It became healthy again.",
        ],
    ),
    (
        "a crash loop",
        [
            ("load_complete", "load_completed", 0, LOADED),
            ("load_error", "worker_died", 9, {"error": DEATH, "attempt": 1, "attempts": 3, "restart_in": 1.0}),
            ("health_change", "health_changed", 0, {"health": "unhealthy", "previous": "healthy", "reason": DEATH}),
            ("load_start", "restart_started", 1, {"attempt": 1, "attempts": 3}),
            ("load_error", "load_failed", 0, {"error": DEATH, "attempt": 2, "attempts": 3, "restart_in": 2.0}),
            ("load_start", "restart_started", 2, {"attempt": 2, "attempts": 3}),
            ("load_complete", "load_completed", 1, LOADED),
            ("load_error", "worker_died", 0, {"error": DEATH, "hint": "Load it again."}),
            ("load_error", "crash_loop", 0, {"error": "Model m is in a crash loop"}),
            ("load_error", "restart_cancelled", 0, {}),
        ],
        [
            f"Loaded {LOADED_TEXT}",
            f"It crashed: {DEATH}. It is loaded again in 1.0 s, attempt 1 of 3.",
            "It is loaded again after the crash, attempt 1 of 3.",
            f"The load failed: {DEATH}. It is loaded again in 2.0 s, attempt 2 of 3.",
            f"Loaded again (attempt 2 of 3) {LOADED_TEXT}",
            f"It crashed: {DEATH}.",
            "Model m is in a crash loop.",
            "The reload after the crash was called off.",
        ],
    ),
    (
        "ends that nobody asked for, and such that did not come",
        [
            ("unload", "evicted", 0, {"evicted_for": "z", "memory_bytes": 75_000_000, "idle_seconds": 130.0}),
            ("unload", "idle", 0, {"idle_seconds": 300.0, "held_by": ["x in cell 3", "y"]}),
            ("load_error", "unload_failed", 0, {"error": "stuck", "hint": "Unload it again."}),
            ("load_error", "delete_failed", 0, {"error": "stuck"}),
        ],
        [
            "Evicted to make room for z, 75.0 MB given back, it was idle for 2 min.",
            "Unloaded because nobody used it for 5 min; its memory is still held by x in cell 3, y.",
            "It could not be unloaded: stuck. Unload it again.",
            "It could not be deleted: stuck.",
        ],
    ),
    (
        "configuration, consent, deletion",
        [
            ("config_update", "config_updated", 0, {"config": {"a": 1}}),
            ("config_update", "config_updated", 0, {"config": {"a": 1, "b": "x"}}),
            ("config_update", "config_updated", 0, {"config": {}}),
            ("config_update", "unsafe_allowed", 0, {"commit": COMMIT}),
            ("config_update", "unsafe_revoked", 0, {"commit": COMMIT}),
            ("config_update", "deleted", 0, {"freed_bytes": 2000}),
            REGISTERED,
            ("config_update", "deleted", 0, {"freed_bytes": 0}),
        ],
        [
            "Configuration changed: a=1.",
            "Configuration changed: b='x'.",
            "Configuration changed: nothing is set.",
            "The user allowed the code and pickles of commit 0123456789ab.",
            "The code and pickles of commit 0123456789ab are no longer allowed.",
            "Deleted from the registry; 2.0 kB freed on disk.",
            "Registered: an embedding model from org/name@main, commit 0123456789ab, 12.3 MB to download.",
            "Deleted from the registry.",
        ],
    ),
    (
        "kernels that ended, properly and not",
        [
            ("load_complete", "load_completed", 0, LOADED),
            ("load_start", "load_started", 9, {"seq": 1}),
            ("download_start", "download_started", 0, {"seq": 2}),
            ("unload", "error_cleared", 9, {"seq": 1}),
            ("unload", "error_cleared", 9, {"seq": 1}),
        ],
        [
            f"Loaded {LOADED_TEXT}",
            "A session ended with the model in memory; another one went on.",
            "A load began.",
            "A download began.",
            "A session ended in the middle of a download and in the middle of a load; another one went on.",
            "The error was cleared by an unload.",
            "Another session went on.",
            "The error was cleared by an unload.",
        ],
    ),
    (
        "sessions that ended with a download under way, and with a paused one",
        [
            ("download_start", "download_started", 0, {}),
            ("download_error", "download_cancelled", 9, {"error": "Download cancelled", "closing": True}),
            ("download_start", "download_started", 20, {"seq": 1}),
            ("download_progress", "download_paused", 25, {"progress": 40.0}),
            ("download_error", "download_cancelled", 29, {"error": "Download cancelled", "closing": True}),
        ],
        [
            "A download began.",
            "The session ended, and its download with it.",
            "Another session went on.",
            "A download began.",
            "The download was paused at 40 %.",
        ],
    ),
    (
        "what nobody here knows",
        [("unload", "teleported", 0, {"to": "Mars", "at": 7}), ("unload", None, 0, {"x": [1]}), ("unload", "", 0, {})],
        ["Noted: teleported (to=Mars, at=7).", "Noted: unload (x=[1]).", "Noted: unload."],
    ),
]


@pytest.mark.parametrize(("events", "sentences"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_events_and_their_sentences(events: list[Given], sentences: list[str]) -> None:
    assert told(*events) == sentences


# -- every action


def actions_in_the_source() -> set[str]:
    """Every constant action that something in the package announces or publishes."""
    found: set[str] = set()
    for path in sorted(Path(rmm_widgets.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= set(_actions_of_call(node))
            elif isinstance(node, ast.FunctionDef) and node.name == "_open_load":
                found |= {str(each.value) for each in node.args.defaults if _is_text(each)}
    return found


def _actions_of_call(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = {"_announce": 2, "_open_load": 1, "announce": 1}.get(name)
    if place is not None:
        # A choice between two actions is an expression that holds both.
        for argument in call.args[place : place + 1]:
            yield from (str(each.value) for each in ast.walk(argument) if _is_text(each))
    if name in {"publish", "unload"}:
        for keyword in call.keywords:
            if keyword.arg == "action":
                yield from (str(each.value) for each in ast.walk(keyword.value) if _is_text(each))


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier()


def test_every_action_of_the_source_has_a_sentence() -> None:
    actions = actions_in_the_source()
    assert len(actions) > 25, "the search finds them"
    assert actions >= {"registered", "download_started", "load_failed", "restart_started", "crash_loop"}
    assert actions - set(Teller().actions) == set()


def test_every_sentence_stands_for_itself_without_data() -> None:
    for action in Teller().actions:
        for kind in ModelEventType:
            for line in told((kind, action, 0, {})):
                assert line[0].isupper()
                assert line[-1] == "."


# -- bounds and hostile text

HOSTILE = "<script>alert(1)</script>\n\x1b[31m\u202eevil\x00 %rmm rm x"


@pytest.mark.parametrize("action", sorted(Teller().actions))
def test_S13_hostile_text_stays_text_of_one_bounded_line(action: str) -> None:
    names = ["error", "hint", "reason", "health", "previous", "commit", "device", "placement", "loader", "evicted_for"]
    data: dict[str, Any] = dict.fromkeys(names, HOSTILE * 1000)
    data |= {
        "model_info": {"repo_id": HOSTILE, "model_type": HOSTILE, "version": HOSTILE, "metadata": {"commit": HOSTILE}}
    }
    data |= {"config": {HOSTILE: HOSTILE * 1000}, "held_by": [HOSTILE * 100] * 100, "warning": HOSTILE * 100}
    story = story_of(("load_error", "worker_died", 0, {}), ("load_error", action, 0, data))
    for line in story.lines:
        assert line.text.replace("\N{REPLACEMENT CHARACTER}", "").isprintable()
        assert len(line.text) < 6 * LONGEST
    assert "<script>" not in to_html(story_table(story))
    assert "\x1b" not in str(story) + to_text(story_table(story))


ODD: list[Any] = [None, True, -1, 2.5, float("nan"), 10**400, "", "x", [], [None], {}, {"commit": 7}, {"a": {}}]


def test_whatever_a_history_holds_something_is_told() -> None:
    numbers = random.Random(7)
    names = [
        *("action", "model_info", "config", "error", "hint", "bytes", "progress", "position", "attempt", "attempts"),
        *("restart_in", "seconds", "memory_bytes", "health", "previous", "reason", "held_by", "idle_seconds", "commit"),
    ]
    for _ in range(300):
        events: list[ModelEvent] = []
        for number in range(10):
            data = {name: numbers.choice(ODD) for name in names if numbers.random() < 0.6}
            action = numbers.choice([*Teller().actions, numbers.choice(ODD)])
            kind = numbers.choice(list(ModelEventType))
            data["action"] = action
            events.append(event(kind, data, numbers.uniform(-5, 5), numbers.choice([number, 1])))
        assert str(tell("m", events, None, limit=5))


def test_a_long_story_is_cut_and_repetition_is_counted() -> None:
    flapping: list[Given] = []
    for _ in range(50):
        flapping.append(("health_change", "health_changed", 1, {"health": "unhealthy", "reason": "gone"}))
        flapping.append(("health_change", "health_changed", 1, {"health": "healthy", "reason": ""}))
    story = story_of(*flapping, limit=7)
    assert (len(story.lines), story.left_out) == (7, 93)
    assert "93 earlier lines are left out." in str(story)
    cancelled: Given = ("load_error", "load_cancelled", 1, {})
    same = story_of(*[cancelled] * 5)
    (line,) = same.lines
    assert (line.times, line.timestamp) == (5, START + timedelta(seconds=5))
    assert "(5 times in a row)" in str(same)


def test_a_story_without_events() -> None:
    story = tell("m", [], None, limit=5)
    assert story == Story(model_id="m", lines=(), left_out=0, now=story.now, advice=story.advice)
    assert "Nothing is known to have happened" in str(story)
    assert "It is not registered." in to_text(story_table(story))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (179, "3 min"), (7500, "2 h 5 min")],
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
