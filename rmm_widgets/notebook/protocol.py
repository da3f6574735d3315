"""What travels between the kernel and its views: the one schema of traits and messages.

State goes to the views in traits (replayed after a page reload), commands come back as custom
messages. The TypeScript types in `js/src/protocol` are generated from these records by
`python -m rmm_widgets.notebook.protocol`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..types import DownloadPhase, ModelHealth, ModelStatus, ModelType

PROTOCOL_VERSION = 1
COMMAND_KIND = "rmm/cmd"
REPLY_KIND = "rmm/reply"

Action = Literal["download", "pause", "resume", "cancel", "discard", "load", "unload", "health"]
"""What a row's button asks for; also the name of the command it sends."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One model in the table. Progress is not here: it changes far more often."""

    id: str
    type: ModelType
    repo: str
    description: str
    size: int
    """Bytes on disk where downloaded, else the estimate; 0 where unknown."""
    status: ModelStatus
    stage: str
    """The fine state in words, for example "queued", "partial", "unloading"."""
    health: ModelHealth
    health_reason: str
    error: str
    """What went wrong, empty where nothing did; `hint` says what to do."""
    hint: str
    memory: int
    """Measured bytes of the loaded model, 0 where not loaded."""
    device: str
    placement: str
    allowed: bool
    """The user allowed its files to run code."""
    actions: tuple[Action, ...]
    """The buttons that fit now, in order."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one model's download is; sent at most ten times a second."""

    phase: DownloadPhase
    percent: float
    done: int
    total: int
    rate: float
    eta: float | None
    file: str
    files_done: int
    files_total: int
    note: str
    place: int
    """Its place among the downloads that wait, 1 being the next; 0 where it does not wait."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The panel's head line."""

    version: str
    revision: int
    models: int
    downloaded: int
    loaded: int
    downloads: int
    queued: int
    memory: int


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request from a view: untrusted input. `rid` comes back in the reply."""

    kind: Literal["rmm/cmd"]
    rid: str
    name: str
    args: dict[str, Any] = {}


class CommandError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command was refused or failed."""

    type: str
    message: str
    hint: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command: exactly one, at once. Only `search` and `add` answer when the Hub has."""

    kind: Literal["rmm/reply"]
    rid: str
    ok: bool
    value: Any = None
    error: CommandError | None = None


class StateUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the kernel pushes to the side panel: everything at first, then the parts that changed."""

    type: Literal["state"]
    revision: int
    """Grows with every push that changes something; older ones can be ignored."""
    rows: tuple[Row, ...] | None = None
    progress: dict[str, Progress] | None = None
    summary: Summary | None = None


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `hello` and `ping`: who is there."""

    version: str
    protocol: int


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One repository that `search` found; `type` and `size` (bytes) are null where the Hub does not tell."""

    repo: str
    type: ModelType | None
    size: int | None
    downloads: int
    likes: int
    licence: str
    gated: bool


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as `log` gives them, oldest first."""

    seq: int
    time: str
    """ISO 8601, UTC."""
    type: str
    id: str
    action: str
    text: str
    """The rest of the event in one line, empty where there is none."""


if __name__ == "__main__":
    import sys

    from rmm_widgets.notebook.typescript import main

    sys.exit(main(sys.argv[1:]))
