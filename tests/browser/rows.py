"""Rows as a kernel sends them, in every state a model can be in."""

from __future__ import annotations

from typing import Any

import msgspec

from rmm_widgets.notebook.protocol import Progress, Row, Summary
from rmm_widgets.types import ModelHealth, ModelStatus, ModelType


def make_row(model_id: str, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": model_id,
        "type": ModelType.EMBEDDING_MODEL,
        "repo": f"rmm-demo/{model_id}"[:90],
        "description": f"About {model_id}",
        "size": 1_250_000,
        "status": ModelStatus.NOT_DOWNLOADED,
        "stage": "registered",
        "health": ModelHealth.UNKNOWN,
        "health_reason": "",
        "error": "",
        "hint": "",
        "fix": "",
        "guide": "",
        "memory": 0,
        "device": "",
        "placement": "",
        "allowed": False,
        "pinned": False,
        "need": 4_000_000,
        "actions": ("download",),
    }
    return msgspec.to_builtins(Row(**(fields | changes)))


def make_progress(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "phase": "downloading",
        "percent": 42.7,
        "done": 4_270_000,
        "total": 10_000_000,
        "rate": 1_100_000,
        "eta": 5.0,
        "file": "model.safetensors",
        "files_done": 1,
        "files_total": 3,
        "note": "",
        "place": 0,
    }
    return msgspec.to_builtins(Progress(**(fields | changes)))


def make_summary(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "revision": 1,
        "models": 7,
        "downloaded": 3,
        "loaded": 2,
        "downloads": 1,
        "queued": 1,
        "memory": 240_000_000,
        "budget": 8_000_000_000,
        "rate": 1_100_000,
    }
    return msgspec.to_builtins(Summary(**(fields | changes)))


def every_state() -> dict[str, Any]:
    """The traits of a panel whose seven models are in seven different states."""
    loaded = {"status": ModelStatus.LOADED, "stage": "loaded", "memory": 120_000_000, "device": "cpu"}
    rows = [
        make_row("registered"),
        make_row(
            "moving", status=ModelStatus.DOWNLOADING, stage="downloading", actions=("pause", "cancel"), size=10_000_000
        ),
        make_row("partial", stage="partial", actions=("resume", "discard"), type=ModelType.DETECTION_MODEL),
        make_row("on-disk", status=ModelStatus.DOWNLOADED, stage="downloaded", actions=("load",), pinned=True),
        make_row("healthy", **loaded, health=ModelHealth.HEALTHY, actions=("unload", "health")),
        make_row(
            "slow",
            **loaded,
            health=ModelHealth.DEGRADED,
            health_reason="slower than usual",
            actions=("unload", "health"),
            type=ModelType.CAPTION_GENERATOR,
        ),
        make_row(
            "broken",
            status=ModelStatus.ERROR,
            stage="error",
            health=ModelHealth.UNHEALTHY,
            error="The disk is full: 1.25 MB more are needed.",
            hint="Free some space.",
            fix="free-space",
            guide="DiskFullError",
            actions=("download", "discard"),
        ),
    ]
    partial = make_progress(phase="paused", rate=0, eta=None, file="")
    return {
        "rows": rows,
        "progress": {"moving": make_progress(), "partial": partial},
        "summary": make_summary(),
    }
