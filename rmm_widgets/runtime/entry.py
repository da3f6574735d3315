"""What the runtime keeps about one model beside its lifecycle state, and the frozen picture it shows of it."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from .. import errors
from ..base_model import BaseModel
from ..errors import IntegrityError, InvalidModelInfoError, ModelNotAvailableError, RMMError
from ..file_records import FileListing
from ..health import HealthTracker, ProbeRecord
from ..lifecycle.restarts import Restarts
from ..lifecycle.states import ModelState, Stage, public_status
from ..safety_records import SafetyReport
from ..types import FrozenDict, ModelDownloadProgress, ModelHealth, ModelInfo, ModelInstance, ModelStatus, freeze
from ..workers.api import Worker
from .layered import LayeredMap
from .residency import Residency

if TYPE_CHECKING:
    from ..downloads.resumable import Unfinished
    from ..loading.detect import Detection

__all__ = [
    "CustomSource",
    "Damage",
    "Entry",
    "Isolation",
    "LoadOptions",
    "ModelDescription",
    "Picture",
    "RestartMode",
    "restart_text",
]

PROBES = 60
"""Probes of a loaded model that are remembered."""

_AT_REST = frozenset({Stage.REGISTERED, Stage.ERROR})
"""Stages in which what is kept of a download is worth telling: elsewhere its progress does."""

Isolation = Literal["process", "kernel"]
RestartMode = Literal["never", "on-crash"]
CustomSource = BaseModel | Callable[[ModelInfo], BaseModel]


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a load was asked for; of several askers the first decides."""

    isolation: Isolation | None = None
    device: str | None = None
    loader: str | None = None
    config: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)
    restart: RestartMode | None = None


def restart_text(model_id: str, attempt: int) -> str:
    """What to say while the reload of a crashed model is waited for."""
    return f"It is loaded again in a moment, attempt {attempt}; %rmm unload {model_id} calls that off."


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to show about one model at one moment.

    Attributes:
        files: The files of its repository, only where they were asked for (`list_files`).
        detection: How it would be loaded, only where that was asked for (`find_loader`).
        not_loadable: Why it cannot be, only where that was asked for.
        allowed_commit: The commit that the user allowed to run code, None where there is none.
        safety: What its files might do, only where that was asked for (`check_safety`).
    """

    info: ModelInfo
    stage: Stage
    status: ModelStatus
    on_disk: bool
    health: ModelHealth
    health_reason: str
    error: str
    hint: str
    error_type: str
    """The class of the error, such as "DiskFullError"; empty where there is none."""
    size_on_disk: int
    partial_bytes: int
    """Bytes that are kept of a download that has not ended and does not run."""
    given_up: bool
    """The download that they are of was cancelled, not cut off."""
    memory_bytes: int
    device: str
    placement: str
    loader: str
    """Which one loaded it, empty where it is not in memory, and for custom models."""
    commit: str | None
    config: Mapping[str, Any]
    pinned: bool
    custom: bool
    loaded_at: datetime | None
    last_used: datetime | None
    progress: ModelDownloadProgress | None
    instance: ModelInstance | None
    generation: int
    weak_files: tuple[str, ...] = ()
    probes: tuple[ProbeRecord, ...] = ()
    """The last probes since it was loaded, the newest last."""
    files: FileListing | None = None
    detection: Detection | None = None
    not_loadable: str = ""
    allowed_commit: str | None = None
    safety: SafetyReport | None = None
    estimated_bytes: int = 0
    """What the load was expected to take, 0 where nothing was known."""
    keep_alive: float | None = None
    """Seconds for which it may be idle, given for this load; None: the manager's setting."""

    @property
    def stage_word(self) -> str:
        """Where it stands, in the word that people see: "partial" for a download that can be resumed."""
        return "partial" if self.stage is Stage.REGISTERED and self.partial_bytes else self.stage.value

    @property
    def guide_name(self) -> str:
        """The name under which `%rmm help` explains the error; empty where there is none."""
        if not self.error or self.error_type in errors.__all__:
            return self.error_type if self.error else ""
        return errors.RMMError.__name__


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """All models at one moment; the runtime replaces it with every change, anybody may keep one."""

    revision: int
    changed_at: datetime
    models: LayeredMap[str, ModelDescription]
    active_downloads: int
    queued_downloads: int
    download_queue: tuple[str, ...]
    """The models that wait for a download slot, the next one first."""
    active_loads: int
    queued_loads: int
    failed_downloads: int
    bytes_downloaded: int


class Damage(NamedTuple):
    """Files of a model that were found damaged or missing.

    Attributes:
        files: By path what tells a file that is still the damaged one; None where it is not there any more.
    """

    error: IntegrityError
    files: Mapping[str, object | None]


@dataclasses.dataclass(eq=False)
class Entry:
    """One model, on the runtime's thread only."""

    info: ModelInfo
    config: Mapping[str, Any] = dataclasses.field(default_factory=FrozenDict)
    pinned: bool = False
    custom: bool = False
    source: CustomSource | None = None
    commit: str | None = None
    allowed_commit: str | None = None
    """The commit whose files the user allowed to run code; `Gate.follow` ends it with the commit."""
    registered_at: datetime | None = None

    updating: bool = False
    """A download of a newer commit was asked for and has not ended; `commit` is the older one until it has."""
    old_on_disk: bool = False
    """Whether the files of the older commit were all there when the update began."""

    snapshot: str | None = None
    size_on_disk: int = 0
    weak_files: tuple[str, ...] = ()
    """Files on disk for which the Hub publishes no sha256."""
    damage: Damage | None = None
    """What is wrong with the files, until they were fetched again."""
    unfinished: Unfinished | None = None
    given_up: bool = False
    """Its last download was cancelled, so that going on with it is a new one."""
    freed_bytes: int = 0
    """What the last discard of a download freed."""
    progress: ModelDownloadProgress | None = None

    options: LoadOptions = dataclasses.field(default_factory=LoadOptions)
    worker: Worker | None = None
    model: BaseModel | None = None
    """The custom model in use, made from `source`."""
    instance: ModelInstance | None = None
    live_config: Mapping[str, Any] = dataclasses.field(default_factory=FrozenDict)
    device: str = ""
    placement: str = ""
    loader: str = ""
    other_loaders: tuple[str, ...] = ()
    """Those that fit and are installed, beside `loader`."""
    memory_bytes: int = 0
    load_seconds: float = 0.0
    """What the last load took, without the wait for its turn."""
    loaded_at: datetime | None = None
    last_used: datetime | None = None
    residency: Residency = dataclasses.field(default_factory=Residency)
    measured: tuple[Mapping[str, Any], ...] = ()
    """What its last loads took beside what was expected, plain data, the newest last."""

    tracker: HealthTracker | None = None
    health: ModelHealth = ModelHealth.UNKNOWN
    health_reason: str = ""
    health_change: str = ""
    """Why the health last changed, also where it is well again."""
    probes: deque[ProbeRecord] = dataclasses.field(default_factory=lambda: deque(maxlen=PROBES))
    watched: bool = False
    """The probe of the interval is under way."""
    error: RMMError | None = None
    """What the last failed job raised; the lifecycle's failure is its record."""
    restarts: Restarts = dataclasses.field(default_factory=Restarts)
    """The reloads after crashes since a user last loaded it."""
    configuring: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    """Held while its configuration is changed: what one change takes back must not be what another has set."""
    turn: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    """Held while the custom model's `download` or `load` runs: one that was given up may still be at work."""
    _making: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _made_from: CustomSource | None = None

    @property
    def commit_on_disk(self) -> str | None:
        """The commit of which it has files, all or some; None where none is known."""
        return self.unfinished.commit if self.unfinished else self.commit

    def custom_model(self) -> BaseModel:
        """The custom model, made on first use where a callable was registered; may block, so call it off the loop.

        Raises:
            ModelNotAvailableError: It was registered by an earlier kernel.
            InvalidModelInfoError: The callable made something else.
        """
        with self._making:
            source = self.source
            if source is not None and source is not self._made_from:
                self.model = self._checked(source if isinstance(source, BaseModel) else source(self.info))
                self._made_from = source
            if self.model is None:
                raise ModelNotAvailableError(
                    f"Model {self.info.model_id} is a custom model of an earlier session",
                    model_id=self.info.model_id,
                    hint="Run the cell that defines and registers it again.",
                )
            return self.model

    def _checked(self, made: object) -> BaseModel:
        if not isinstance(made, BaseModel):
            raise InvalidModelInfoError(
                f"What was registered for model {self.info.model_id} made a {type(made).__name__}, not a BaseModel",
                model_id=self.info.model_id,
                hint="Register it again with a BaseModel, or with a callable that returns one.",
            )
        return made

    def describe(self, state: ModelState) -> ModelDescription:
        """The picture of this model."""
        failure = state.failure
        hint = failure.hint if failure else ""
        if failure and state.restart:
            hint = restart_text(self.info.model_id, state.restart)
        alive = state.worker and state.stage in {Stage.LOADED, Stage.UNLOADING, Stage.ERROR}
        return ModelDescription(
            info=self.info,
            stage=state.stage,
            status=public_status(state.stage),
            on_disk=state.on_disk,
            health=self.health,
            health_reason=self.health_reason,
            error=failure.reason if failure else "",
            hint=hint,
            error_type=failure.error if failure else "",
            size_on_disk=self.size_on_disk,
            given_up=self.given_up,
            partial_bytes=self.unfinished.downloaded_bytes if self.unfinished and state.stage in _AT_REST else 0,
            memory_bytes=self.memory_bytes if alive else 0,
            device=self.device if alive else "",
            placement=self.placement if alive else "",
            loader=self.loader if alive else "",
            commit=self.commit,
            config=self.live_config if alive else freeze(self.config),
            pinned=self.pinned,
            custom=self.custom,
            loaded_at=self.loaded_at,
            last_used=self.last_used,
            progress=self.progress,
            instance=self.instance,
            generation=state.generation,
            weak_files=self.weak_files,
            allowed_commit=self.allowed_commit,
            estimated_bytes=self.residency.estimated if alive else 0,
            keep_alive=self.residency.keep_alive if alive else None,
            probes=tuple(self.probes),
        )
