"""What a kernel answers to the questions of a panel, for pages without one: records of the protocol, as they travel."""

from __future__ import annotations

from typing import Any

import msgspec

from rmm_widgets.notebook.protocol import (
    Details,
    DiskModel,
    FileLine,
    LogEntry,
    ProbePoint,
    SearchResult,
    Setting,
    Usage,
)
from rmm_widgets.types import ModelHealth, ModelType

_NOON = "2026-03-04T12:00:00Z"
_SETTING = Setting(
    key="",
    kind="text",
    value=None,
    default=None,
    optional=False,
    minimum=None,
    maximum=None,
    choices=(),
    note="What it does.",
    at_load=True,
)


def details(model_id: str) -> Any:
    """Everything about a loaded model, in every kind that there is."""
    replace = msgspec.structs.replace
    settings = (
        replace(_SETTING, key="normalize", kind="flag", value=True, default=True),
        replace(_SETTING, key="batch_size", kind="whole", value=8, default=32, minimum=1, maximum=512),
        replace(_SETTING, key="threshold", kind="number", value=0.5, default=0.0, at_load=False),
        replace(_SETTING, key="file", optional=True),
        replace(_SETTING, key="dtype", kind="choice", value="auto", default="auto", choices=("auto", "float16")),
        replace(_SETTING, key="input_size", kind="size", value=[224, 224], optional=True),
    )
    outcomes = [("ok", ModelHealth.HEALTHY), ("degraded", ModelHealth.DEGRADED), ("missed", ModelHealth.UNHEALTHY)]
    return msgspec.to_builtins(
        Details(
            id=model_id,
            revision="main",
            commit="0123456789abcdef0123456789abcdef01234567",
            licence="apache-2.0",
            tags=("onnx", "sentence-similarity"),
            card="What it is good for.",
            page=f"https://hub.invalid/demo/{model_id}",
            files=(
                FileLine(path="config.json", size=700, done=700, state="done", note=""),
                FileLine(path="model.safetensors", size=90_000_000, done=45_000_000, state="downloading", note=""),
                FileLine(path="model.bin", size=90_000_000, done=0, state="left_out", note="the same in safetensors"),
            ),
            size_on_disk=90_000_700,
            unfinished=45_000_000,
            freeable=90_000_700,
            loader="onnx-embedding",
            device="cpu",
            placement="process",
            memory=120_000_000,
            need=110_000_000,
            keep_alive=300.0,
            loaded_at=_NOON,
            last_used=_NOON,
            probes=tuple(
                ProbePoint(time=_NOON, latency=0.01 * (at + 1), outcome=outcome, health=health, detail="")
                for at, (outcome, health) in enumerate(outcomes * 4)
            ),
            settings=settings,
            story=(f"{_NOON} Registered.", "It is loaded and slower than usual.", "Unload others."),
            events=(LogEntry(seq=1, time=_NOON, type="load_complete", id=model_id, action="", text="in 1.2 s"),),
        )
    )


def found() -> Any:
    """What a search of the Hub found: something that fits, and something that does not."""
    small = SearchResult(
        repo="demo/small",
        type=ModelType.EMBEDDING_MODEL,
        size=90_000_000,
        downloads=1000,
        likes=10,
        licence="mit",
        safety="safetensors",
        gated=False,
        need=110_000_000,
        fits="yes",
        registered="",
    )
    replace = msgspec.structs.replace
    big = replace(small, repo="demo/big", size=90_000_000_000, gated=True, need=99_000_000_000, fits="no")
    there = replace(small, repo="demo/there", size=None, need=None, fits="unknown", registered="there")
    return msgspec.to_builtins([small, big, there])


def usage() -> Any:
    """The disk, with something unfinished on it."""
    models = (
        DiskModel(id="healthy", bytes=90_000_000, freeable=80_000_000, unfinished=0),
        DiskModel(id="partial", bytes=0, freeable=0, unfinished=45_000_000),
    )
    return msgspec.to_builtins(Usage(models=models, unfinished=45_000_000, total=200_000_000, free=9_000_000_000))
