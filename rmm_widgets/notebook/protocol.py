"""What travels between the kernel and its views: the one schema of traits and messages.

State goes to the views in traits (replayed after a page reload), commands come back as custom
messages. The TypeScript types in `js/src/protocol` are generated from these records by
`python -m rmm_widgets.notebook.protocol`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..types import DownloadPhase, Fits, ModelHealth, ModelStatus, ModelType

PROTOCOL_VERSION = 2
COMMAND_KIND = "rmm/cmd"
REPLY_KIND = "rmm/reply"

Action = Literal["download", "pause", "resume", "cancel", "discard", "load", "unload", "health", "repair"]
"""What a row's button asks for; also the name of the command it sends."""

Fix = Literal["", "retry", "free-space", "free-memory", "log-in", "install", "repair", "allow"]
"""What would help where something failed: asking again, deleting models, unloading models, a token of the Hub, a
library that is missing, fetching damaged files again, or the user's consent, which only a cell can give."""


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
    fix: Fix
    """What a button beside the error should offer."""
    guide: str
    """The name under which `explain` tells more of the error, empty where there is none."""
    memory: int
    """Measured bytes of the loaded model, 0 where not loaded."""
    device: str
    placement: str
    allowed: bool
    """The user allowed its files to run code."""
    pinned: bool
    """Never evicted to make room."""
    need: int
    """Bytes of memory that a load is expected to take, 0 where unknown."""
    actions: tuple[Action, ...]
    """The buttons that fit now, in order."""


class RowChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the rows and of their downloads since the last time. A view that has not seen number `seq - 1`
    asks for all (`rows`). Changes of rows come first: `moved` and `paced` count in the rows as they are after them."""

    seq: int
    changed: tuple[Row, ...] = ()
    """New rows, and those of which anything is new."""
    removed: tuple[str, ...] = ()
    order: tuple[str, ...] | None = None
    """All ids in their order, where that changed other than by new ones at the end."""
    progress: dict[str, Progress] = {}
    """New downloads, and those of which more is new than their figures."""
    moved: tuple[float, ...] = ()
    """Downloads that went on, two numbers each: how many rows it is further down than the one before (at first: than
    the first row), and the kilobytes that were added."""
    paced: tuple[float, ...] = ()
    """Downloads that became faster or slower, three numbers each: how many rows further down, then `rate` and `eta`,
    which is -1 where it is null."""
    ended: tuple[str, ...] = ()
    """Ids of which there is no progress any more."""


class AllRows(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `rows`: all of them and all downloads, as they are after the changes of that number."""

    seq: int
    rows: tuple[Row, ...]
    progress: dict[str, Progress]


class PackedRows(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, as `_rows` and a StateUpdate hold them in the form of JSON text. A row is the values of `fields`; where
    it is shorter, what is missing at its end is `usual`, the values of the last fields."""

    fields: tuple[str, ...]
    usual: tuple[Any, ...]
    rows: tuple[tuple[Any, ...], ...]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one model's download is, in figures as fine as a bar shows them."""

    phase: DownloadPhase
    percent: float
    """In tenths, rounded down. Where it moves on, a view works it out from `done` and `total`; it never falls."""
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
    """Bytes that the loaded models take, measured."""
    budget: int
    """Bytes that they may take, of the user's `memory_budget` or of what the machine has."""
    rate: float
    """Bytes a second of all downloads."""


class Many(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command for several models: what was begun, and what was refused."""

    begun: tuple[str, ...]
    refused: dict[str, CommandError]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request from a view: untrusted input. `rid` comes back in the reply."""

    kind: Literal["rmm/cmd"]
    rid: str
    name: str
    args: dict[str, Any] = {}


class CommandError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a command was refused or failed."""

    type: str
    message: str
    hint: str
    fix: Fix = ""
    """What a button beside it should offer."""
    guide: str = ""
    """The name under which `explain` tells more of it, empty for a bug."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command: exactly one, at once where it only begins something, else when it is known."""

    kind: Literal["rmm/reply"]
    rid: str
    ok: bool
    value: Any = None
    error: CommandError | None = None


class StateUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the kernel pushes to the side panel: all rows and downloads at first, then their changes."""

    type: Literal["state"]
    revision: int
    """Grows with every push that changes something; older ones can be ignored."""
    seq: int = 0
    """The number of the rows that come with it."""
    rows: str | None = None
    """The text of a PackedRows."""
    progress: dict[str, Progress] | None = None
    """Comes with `rows`."""
    changes: RowChanges | None = None
    summary: Summary | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last that the kernel pushes to a side panel: it has let go of it."""

    type: Literal["ended"]
    reason: Literal["closed", "failed", "forgotten", "version"]
    """The manager was closed; the panel could not be served, as `error` says; nothing was heard of it for long; it
    speaks another version of the protocol."""
    error: CommandError | None = None


class Greeting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a side panel says with each comm that it opens. Other versions may say more, or less."""

    client: str = ""
    """The same for both of its comms."""
    version: str = ""
    protocol: int = 0
    """0 where it does not say."""
    brief: bool = False
    """It wants the head line only, as a status bar does."""
    former: list[str] = []
    """Panels of the page that was in its tab before: they are gone, although they may not have said so."""


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
    need: int | None
    """Bytes of memory that it would take, None where that cannot be told from its size."""
    fits: Fits
    safety: str
    """What its weights come as, or why loading them would be refused; empty where nothing tells."""
    registered: str
    """The id under which it is registered already, empty where it is not."""


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


class FileLine(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a model: at rest, or in a download (`files`). Where there are very many, the last line stands for
    the rest."""

    path: str
    size: int
    done: int
    """Bytes of it that are on disk."""
    state: Literal["waiting", "downloading", "waiting_for_other", "verifying", "done", "left_out"]
    note: str
    """Why it is left out, or that no sha256 was published for it; mostly empty."""


class ProbePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One probe of a loaded model, for a sparkline."""

    time: str
    """ISO 8601, UTC."""
    latency: float
    """Seconds."""
    outcome: str
    health: ModelHealth
    detail: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a model's configuration, and what may stand there."""

    key: str
    kind: Literal["flag", "whole", "number", "text", "choice", "size"]
    """A "size" is two whole numbers, height and width."""
    value: Any
    """The value in force."""
    default: Any
    optional: bool
    """None is allowed: the model's own choice."""
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    note: str
    at_load: bool
    """It takes effect at the next load only."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `details`: everything about one model that its row does not tell."""

    id: str
    revision: str
    """The branch, tag or commit that was asked for, empty for the default branch."""
    commit: str
    """What is on disk, empty where nothing is."""
    licence: str
    tags: tuple[str, ...]
    card: str
    """The card's first sentence, or the user's description."""
    page: str
    """The model's page on its Hub; an http(s) address."""
    files: tuple[FileLine, ...]
    """Of what is on disk or being fetched; empty where nothing is known without the Hub."""
    size_on_disk: int
    unfinished: int
    freeable: int
    """Bytes that deleting it with its files would free; what other models share stays."""
    loader: str
    device: str
    placement: str
    memory: int
    need: int
    keep_alive: float | None
    """Seconds of idleness after which it is unloaded, None where it stays."""
    loaded_at: str
    last_used: str
    """ISO 8601, UTC; empty where it was never."""
    probes: tuple[ProbePoint, ...]
    settings: tuple[Setting, ...]
    story: tuple[str, ...]
    """What happened to it, a line each that begins with the time, oldest first; then how it is and what to do."""
    events: tuple[LogEntry, ...]


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `configure`. Where `problems` is empty the configuration is in force, else nothing changed."""

    problems: dict[str, str]
    """What is wrong, by the key; "" for what concerns several."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `explain`: what an error means and what to do about it. Code stands in backticks."""

    name: str
    meaning: str
    steps: tuple[str, ...]
    example: str
    """Python that shows it, often empty."""


class DiskModel(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `usage`: what a model takes, what deleting it would free. Sizes are bytes."""

    id: str
    bytes: int
    freeable: int
    unfinished: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `usage`: the disk, largest models first."""

    models: tuple[DiskModel, ...]
    unfinished: int
    """Bytes of all unfinished files, those of other programs included."""
    total: int
    """Bytes of the whole cache."""
    free: int
    """Bytes of the disk that are free."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `remove` and `prune`: the bytes that came free. To `removal`: those that would."""

    freed: int


class ScoredLabel(msgspec.Struct, frozen=True, kw_only=True):
    """One label that a model gave."""

    label: str
    score: float


class LabelledBox(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a model found, and where, in pixels of the picture."""

    label: str
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float


class TrialResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to `try`: what a model made of its input, by the kind of it."""

    kind: Literal["labels", "boxes", "text", "similarity", "stopped"]
    seconds: float = 0.0
    """How long the call took."""
    labels: tuple[ScoredLabel, ...] = ()
    """The best first."""
    boxes: tuple[LabelledBox, ...] = ()
    more: int = 0
    """How many labels, boxes or steps there were beside those that are told."""
    text: str = ""
    steps: tuple[str, ...] = ()
    """The text as it was after some of the steps, masks included."""
    similarity: float = 0.0
    """The cosine of the angle between two texts' vectors."""


if __name__ == "__main__":
    import sys

    from rmm_widgets.notebook.typescript import main

    sys.exit(main(sys.argv[1:]))
