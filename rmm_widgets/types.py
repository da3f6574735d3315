"""Public records and enums: what the manager knows and hands out.

Records are frozen and hold no live objects, except `ModelInstance`, a read-only handle on a model
in memory. Times are aware UTC datetimes, durations seconds, sizes bytes, progress percent (0-100).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NoReturn, Protocol, Self

import msgspec

from . import names
from .errors import InvalidModelInfoError

__all__ = [
    "DownloadPhase",
    "Fits",
    "FrozenDict",
    "HubModel",
    "ManagerState",
    "ModelCapabilities",
    "ModelDownloadProgress",
    "ModelEvent",
    "ModelEventType",
    "ModelHealth",
    "ModelInfo",
    "ModelInstance",
    "ModelStatus",
    "ModelType",
    "QueueEntry",
    "Statistics",
    "UpdateOffer",
    "freeze",
    "thaw",
]


class ModelType(StrEnum):
    """What a model does; decides what calling its instance means."""

    CAPTION_GENERATOR = "caption_generator"
    DETECTION_MODEL = "detection_model"
    EMBEDDING_MODEL = "embedding_model"
    DIFFUSION_LM = "diffusion_lm"
    CLASSIFICATION_MODEL = "classification_model"


class ModelStatus(StrEnum):
    """Where a model stands, in six words."""

    NOT_DOWNLOADED = "not_downloaded"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    LOADING = "loading"
    LOADED = "loaded"
    ERROR = "error"


class ModelHealth(StrEnum):
    """How a loaded model answers its probes."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class ModelEventType(StrEnum):
    """What happened."""

    DOWNLOAD_START = "download_start"
    DOWNLOAD_PROGRESS = "download_progress"
    DOWNLOAD_COMPLETE = "download_complete"
    DOWNLOAD_ERROR = "download_error"
    LOAD_START = "load_start"
    LOAD_COMPLETE = "load_complete"
    LOAD_ERROR = "load_error"
    UNLOAD = "unload"
    HEALTH_CHANGE = "health_change"
    CONFIG_UPDATE = "config_update"


DownloadPhase = Literal[
    "queued", "resolving", "downloading", "verifying", "finishing", "paused", "waiting_for_other", "done"
]


Fits = Literal["yes", "tight", "no", "unknown"]
"""Whether a model would find memory here: at once, only if others leave, not at all."""


class FrozenDict(dict[str, Any]):
    """A dict that refuses changes, so that a record can hand it out."""

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("this mapping belongs to a record and cannot be changed; copy it with dict(...)")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        return (FrozenDict, (dict(self),))

    def __deepcopy__(self, _memo: object) -> FrozenDict:
        return self


def freeze(value: Any) -> Any:
    """A copy of plain data that nobody can change: dicts become `FrozenDict`, sequences tuples."""
    if isinstance(value, Mapping):
        return FrozenDict({str(k): freeze(v) for k, v in value.items()})  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return tuple(freeze(v) for v in value)  # pyright: ignore[reportUnknownVariableType]
    return value


def thaw(value: Any) -> Any:
    """A copy of what `freeze` gave that its owner may change: dicts and lists."""
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [thaw(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value


class ModelInfo(msgspec.Struct, frozen=True, dict=False):
    """What is known about a model before it is on disk.

    Args:
        model_id: The name a user types; unique in the registry.
        model_type: A `ModelType` or its string value.
        repo_id: Repository on the Hub, `owner/name`.
        description: One or two sentences.
        total_size_estimate: Bytes to download, 0 where unknown.
        file_count_estimate: Files to download, 0 where unknown.
        version: Branch, tag or commit to use; None is the repository's default branch.
        tags: Free words.
        metadata: Plain data (JSON types) with anything else worth keeping. Lists of globs under
            `"allow_patterns"` and `"ignore_patterns"` take the place of the automatic choice of files.

    Raises:
        InvalidModelInfoError: A field is missing or malformed.
    """

    model_id: str
    model_type: ModelType
    repo_id: str
    description: str = ""
    total_size_estimate: int = 0
    file_count_estimate: int = 0
    version: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        given = self.model_id if isinstance(self.model_id, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        try:
            names.check_model_id(self.model_id)
            names.check_repo_id(self.repo_id)
            if self.version is not None:
                names.check_revision(self.version)
            _set(self, "model_type", _model_type(self.model_type))
            for name in ("total_size_estimate", "file_count_estimate"):
                value = getattr(self, name)
                if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                    raise ValueError(f"{name} is {value!r}; it must be a whole number, 0 or more")
            if not isinstance(self.description, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"description must be text, not {type(self.description).__name__}")
            _set(self, "tags", _tags(self.tags))
            _set(self, "metadata", _metadata(self.metadata))
            for name in ("allow_patterns", "ignore_patterns"):
                if name in self.metadata:
                    names.check_patterns(self.metadata[name], name)
        except ValueError as error:
            raise InvalidModelInfoError(
                str(error), model_id=given, hint="See help(rmm_widgets.ModelInfo) for the fields."
            ) from None

    @property
    def allow_patterns(self) -> tuple[str, ...] | None:
        """Globs of the files to download; None where the automatic choice holds."""
        return self.metadata.get("allow_patterns")

    @property
    def ignore_patterns(self) -> tuple[str, ...] | None:
        """Globs of files never to download, None for none."""
        return self.metadata.get("ignore_patterns")


_set = msgspec.structs.force_setattr


def _model_type(value: object) -> ModelType:
    try:
        return ModelType(value)  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(t.value for t in ModelType)
        raise ValueError(f"Invalid model type {value!r}; one of: {known}") from None


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("tags must be a sequence of strings")
    tags = tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if not all(isinstance(tag, str) for tag in tags):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("tags must be a sequence of strings")
    return tags  # pyright: ignore[reportUnknownVariableType]


def _metadata(value: object) -> FrozenDict:
    if not isinstance(value, Mapping):
        raise ValueError("metadata must be a mapping")
    try:
        msgspec.json.encode(value)
    except (TypeError, msgspec.MsgspecError, OverflowError, RecursionError) as error:
        raise ValueError(f"metadata must be plain data that JSON can hold: {error}") from None
    return freeze(value)


class ModelDownloadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a download is.

    Attributes:
        progress: Percent, 0 to 100; never falls while one download runs.
        downloaded_bytes, total_bytes: Bytes on disk and bytes wanted; total is 0 until the plan is known.
        bytes_per_second: Smoothed rate, 0 while nothing moves.
        estimated_time_remaining: Seconds, or None where it cannot be told.
        note: What is special about the file that is fetched now, for people; mostly empty.
    """

    model_id: str
    status: ModelStatus = ModelStatus.DOWNLOADING
    progress: float = 0.0
    downloaded_bytes: int = 0
    total_bytes: int = 0
    current_file: str | None = None
    error: str | None = None
    start_time: datetime | None = None
    estimated_time_remaining: float | None = None
    bytes_per_second: float = 0.0
    files_done: int = 0
    files_total: int = 0
    phase: DownloadPhase = "queued"
    note: str = ""


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A download that runs or waits. `position` is 0 while it runs, 1 for the next to start, and so on."""

    model_id: str
    position: int
    progress: ModelDownloadProgress | None = None


class ModelEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a model.

    Attributes:
        type: A `ModelEventType` (it compares equal to its string value).
        seq: Number of the event in its manager: 1, 2, 3, ... without gaps.
        timestamp: Aware UTC datetime.
        data: Plain data; `data["action"]` says what exactly happened.
    """

    type: ModelEventType
    model_id: str
    timestamp: datetime
    data: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)
    seq: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and sums over all models.

    Attributes:
        total_memory_usage: Bytes that the models' processes take, measured now; what they share counts once.
            Models in the kernel cannot be told apart from it and count nothing.
    """

    total_models: int = 0
    downloaded_models: int = 0
    loaded_models: int = 0
    active_downloads: int = 0
    active_loads: int = 0
    total_memory_usage: int = 0
    queued_downloads: int = 0
    queued_loads: int = 0
    failed_downloads: int = 0
    total_bytes_downloaded: int = 0


class HubModel(msgspec.Struct, frozen=True, kw_only=True):
    """A search result.

    Attributes:
        model_type: None where the Hub does not tell.
        size: Bytes of the weights, or of everything in the repository; None where the Hub does not tell.
        weights: Bytes of the weights, None where the Hub tells those of no format.
        need: Bytes of main memory that it would take about, from its weights alone; None where these are not told.
        fits: Whether that would be found here now.
        formats: What its weights come as, of the files that a download would take: "safetensors", "onnx", "gguf",
            "pickle", "tensorflow" or "flax"; empty where the Hub tells of no weights.
        needs_code: It brings Python code, so that loading it would be refused.
    """

    repo_id: str
    model_type: ModelType | None = None
    downloads: int = 0
    likes: int = 0
    size: int | None = None
    licence: str | None = None
    gated: bool = False
    last_modified: datetime | None = None
    tags: tuple[str, ...] = ()
    weights: int | None = None
    need: int | None = None
    fits: Fits = "unknown"
    formats: tuple[str, ...] = ()
    needs_code: bool = False


class UpdateOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A branch or tag has moved on since a model was downloaded; `update_model` accepts the newer commit."""

    model_id: str
    repo_id: str
    revision: str
    commit: str
    newer_commit: str


class ModelCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a custom model says it can do; informative only."""

    batch_processing: bool = False
    gpu_acceleration: bool = False
    streaming: bool = False
    real_time: bool = False
    multilingual: bool = False
    custom_weights: bool = False


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """What a `ModelInstance` shows at one moment."""

    model_id: str
    model_type: ModelType
    status: ModelStatus = ModelStatus.LOADED
    health: ModelHealth = ModelHealth.UNKNOWN
    config: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)
    loaded_at: datetime | None = None
    last_used: datetime | None = None
    error: str | None = None
    metadata: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)
    memory_bytes: int = 0
    placement: str = "process"
    device: str = "cpu"


class InstanceBackend(Protocol):
    """What a `ModelInstance` needs of the manager that made it."""

    def state(self) -> InstanceState: ...
    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any: ...
    async def acall(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any: ...
    def stream(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], callback: str | None, timeout: float | None
    ) -> ModelStream: ...
    @property
    def model(self) -> Any: ...


class ModelStream(Protocol):
    """The steps of a call under way: iterate over it with `for` or `async for`; then ask for the result.

    The model waits where it is far ahead. Leaving early ends the call: `close()`, the end of a `with` block, an
    interrupt, or letting go of the stream.
    """

    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def __aiter__(self) -> AsyncIterator[Any]: ...
    async def __anext__(self) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_exception: object) -> None: ...
    def result(self, timeout: float | None = None) -> Any: ...
    async def aresult(self) -> Any: ...
    def done(self) -> bool: ...
    def close(self) -> None: ...


class ModelInstance:
    """A model in memory: call it to use it.

    `instance(*args, **kwargs)` runs the main function of its type:

    * caption_generator: `(image)` -> list of `{"generated_text": str}`
    * detection_model: `(image)` -> list of `{"label", "score", "box": {xmin, ymin, xmax, ymax}}`, pixels
    * embedding_model: `(texts)` -> float32 array of shape (n, dim)
    * classification_model: `(text, image or bytes)` -> list of `{"label", "score"}`, best first
    * diffusion_lm: `(prompt, max_new_tokens=..., steps=...)` -> str

    The handle is read-only and always shows the current state. `CallError` is raised where the model
    raised, `WorkerDiedError` where its process ended, `ModelNotLoadedError` after an unload.
    """

    __slots__ = ("__weakref__", "_backend")

    def __init__(self, backend: InstanceBackend) -> None:
        self._backend = backend

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._backend.call("__call__", args, kwargs, None)

    def call(self, method: str, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Call a public method of the model and wait; `timeout` in seconds."""
        return self._backend.call(method, args, kwargs, timeout)

    async def acall(self, method: str, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Like `call`, without blocking the event loop."""
        return await self._backend.acall(method, args, kwargs, timeout)

    def stream(
        self,
        method: str = "__call__",
        *args: Any,
        callback: str | None = "on_step",
        timeout: float | None = None,
        **kwargs: Any,
    ) -> ModelStream:
        """Call a method and iterate over its steps while it runs.

        A step is what the model gives to its argument `callback` (a tuple where that is several values). With
        `callback=None` the method is a generator, and its items are the steps.

            for number, text in instance.stream("__call__", "Once upon a time"):
                print(number, text)

        Args:
            method: A public method; "__call__" is the main function.
            callback: The argument of the method that takes a function to call with each step.
            timeout: Seconds for the whole call, waits for whoever iterates included.
        """
        return self._backend.stream(method, args, kwargs, callback, timeout)

    @property
    def model(self) -> Any:
        """The loaded object itself; where it lives in a worker, a proxy whose methods call it."""
        return self._backend.model

    @property
    def model_id(self) -> str:
        return self._backend.state().model_id

    @property
    def model_type(self) -> ModelType:
        return self._backend.state().model_type

    @property
    def status(self) -> ModelStatus:
        return self._backend.state().status

    @property
    def health(self) -> ModelHealth:
        return self._backend.state().health

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration in force; read-only, change it with `manager.update_model_config`."""
        return self._backend.state().config

    @property
    def loaded_at(self) -> datetime | None:
        return self._backend.state().loaded_at

    @property
    def last_used(self) -> datetime | None:
        return self._backend.state().last_used

    @property
    def error(self) -> str | None:
        return self._backend.state().error

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self._backend.state().metadata

    @property
    def memory_bytes(self) -> int:
        """Memory of the model's process, measured (bytes); 0 where it cannot be told apart."""
        return self._backend.state().memory_bytes

    @property
    def placement(self) -> str:
        """Where it runs: "process", "kernel" or "ray"."""
        return self._backend.state().placement

    @property
    def device(self) -> str:
        return self._backend.state().device

    def __repr__(self) -> str:
        state = self._backend.state()
        return f"<ModelInstance {state.model_id!r} {state.status.value}, {state.health.value}>"


class ManagerState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment. `revision` grows by at least one with every change."""

    models: dict[str, ModelInfo]
    instances: dict[str, ModelInstance]
    download_progress: dict[str, ModelDownloadProgress]
    is_downloading: bool
    is_loading: bool
    last_update: datetime
    revision: int
