"""`BaseModel`: the contract of a custom model, written by a user, often in a notebook cell.

A custom model lives in the kernel's process, because a class written in a cell exists nowhere else. Its
methods may block: the manager runs them in threads of their own. What is not here: when they are called.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .errors import ModelNotAvailableError
from .types import (
    InstanceState,
    ModelCapabilities,
    ModelHealth,
    ModelInstance,
    ModelStatus,
    ModelStream,
    ModelType,
    freeze,
)

__all__ = ["BaseModel"]

ProgressReport = Callable[[int, int, str | None], None]


class BaseModel(ABC):
    """A model with a life of its own: download, load, health, unload.

    Subclasses implement the five abstract methods and usually `__call__`, the model's main function, which
    may be a coroutine function. They keep what they load in attributes of their own.

    Args:
        model_id: The id under which it is registered.
        model_type: A `ModelType` or its string value.
        config: Initial configuration; copied.
    """

    def __init__(self, model_id: str, model_type: ModelType | str, config: Mapping[str, Any] | None = None) -> None:
        self._model_id = model_id
        self._model_type = ModelType(model_type)
        self._config: dict[str, Any] = copy.deepcopy(dict(config or {}))
        self._metadata: dict[str, Any] = {}
        self._status = ModelStatus.NOT_DOWNLOADED
        self._health = ModelHealth.UNKNOWN
        self._loaded_at: datetime | None = None
        self._last_used: datetime | None = None
        self._error: str | None = None
        self._initialized = False
        self._report: ProgressReport | None = None

    # What a subclass provides

    @abstractmethod
    async def download(self) -> None:
        """Fetch what the model needs; call `report_progress` while doing so."""

    @abstractmethod
    async def load(self, config: Mapping[str, Any] | None = None) -> None:
        """Bring the model into memory."""

    @abstractmethod
    async def unload(self) -> None:
        """Let the memory go."""

    @abstractmethod
    async def health_check(self) -> ModelHealth:
        """How the loaded model is; raising means unhealthy."""

    @abstractmethod
    async def is_available(self) -> bool:
        """True when everything that `load` needs is on disk."""

    def get_capabilities(self) -> ModelCapabilities:
        """What the model can do; informative only."""
        return ModelCapabilities()

    def validate_config(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002 - for subclasses
        """False refuses a configuration before it is applied; the default takes any."""
        return True

    # What it can use

    def report_progress(self, done: int, total: int, current_file: str | None = None) -> None:
        """Say how far `download` is, in bytes (or any other unit, the same for both numbers)."""
        if self._report is not None:
            self._report(done, total, current_file)

    # Its life, driven by the manager

    async def initialize(self) -> None:
        """Load it once: asks `is_available`, then `load`, then `health_check`.

        A second call does nothing. After a failure everything is undone, and it may be called again.

        Raises:
            ModelNotAvailableError: `is_available` said no.
            Exception: Whatever `load` or `health_check` raised.
        """
        if self._initialized:
            return
        self._status = ModelStatus.LOADING
        self._error = None
        loaded = False
        try:
            if not await self.is_available():
                raise ModelNotAvailableError(
                    f"Model {self._model_id} is not available",
                    model_id=self._model_id,
                    hint="Download it first, or make is_available() return True.",
                )
            await self.load(copy.deepcopy(self._config))
            loaded = True
            self._health = ModelHealth(await self.health_check())
        except BaseException as error:
            self._status = ModelStatus.ERROR
            self._health = ModelHealth.UNHEALTHY
            self._error = str(error) or type(error).__name__
            if loaded:
                await self._unload_after_failure()
            raise
        self._status = ModelStatus.LOADED
        self._loaded_at = self._last_used = datetime.now(UTC)
        self._initialized = True

    async def _unload_after_failure(self) -> None:
        try:
            await self.unload()
        except Exception as error:  # noqa: BLE001 - the first error is the one to report
            self._error = f"{self._error} (and unloading it again failed: {error})"

    async def destroy(self) -> None:
        """Unload it; does nothing where it is not loaded. After a failure it stays loaded, as ERROR."""
        if not self._initialized:
            return
        try:
            await self.unload()
        except BaseException as error:
            self._status = ModelStatus.ERROR
            self._error = str(error) or type(error).__name__
            raise
        self._status = ModelStatus.DOWNLOADED
        self._health = ModelHealth.UNKNOWN
        self._loaded_at = None
        self._initialized = False
        self._error = None

    async def check_health(self) -> ModelHealth:
        """Run `health_check` and keep its answer; where it raises, UNHEALTHY with the text as `error`."""
        try:
            self._health = ModelHealth(await self.health_check())
            self._error = None
        except Exception as error:  # noqa: BLE001 - a check that raises is an answer
            self._health = ModelHealth.UNHEALTHY
            self._error = str(error) or type(error).__name__
        return self._health

    def reports_to(self, report: ProgressReport | None) -> None:
        """Where `report_progress` goes while a download runs; set by the manager."""
        self._report = report

    def mark_used(self) -> None:
        """Note that it was used just now."""
        self._last_used = datetime.now(UTC)

    def update_config(self, config: Mapping[str, Any]) -> None:
        """Merge `config` into the configuration, one level deep; override it to react."""
        self._config = {**self._config, **copy.deepcopy(dict(config))}

    def get_instance(self) -> ModelInstance:
        """A read-only view of this object, independent of any manager."""
        return ModelInstance(_OwnView(self))

    # What it shows

    @property
    def model_id(self) -> str:
        """The id under which it is registered."""
        return self._model_id

    @property
    def model_type(self) -> ModelType:
        """What it does."""
        return self._model_type

    @property
    def status(self) -> ModelStatus:
        """Where it stands by its own account."""
        return self._status

    @property
    def health(self) -> ModelHealth:
        """What the last health check said; UNKNOWN while not loaded."""
        return self._health

    @property
    def config(self) -> dict[str, Any]:
        """A copy of the configuration."""
        return copy.deepcopy(self._config)

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the metadata."""
        return copy.deepcopy(self._metadata)

    def set_metadata(self, key: str, value: Any) -> None:
        """Keep a piece of plain data beside the model."""
        self._metadata[key] = copy.deepcopy(value)

    @property
    def loaded_at(self) -> datetime | None:
        """When it was loaded, None while it is not."""
        return self._loaded_at

    @property
    def last_used(self) -> datetime | None:
        """When it was last loaded or used."""
        return self._last_used

    @property
    def error(self) -> str | None:
        """What went wrong last, None after a success."""
        return self._error

    @property
    def is_initialized(self) -> bool:
        """True between a successful `initialize` and `destroy`."""
        return self._initialized


class _OwnView:
    """Backend of `BaseModel.get_instance`: the model seen without a manager."""

    def __init__(self, model: BaseModel) -> None:
        self._model = model

    def state(self) -> InstanceState:
        model = self._model
        return InstanceState(
            model_id=model.model_id,
            model_type=model.model_type,
            status=model.status,
            health=model.health,
            config=freeze(model.config),
            loaded_at=model.loaded_at,
            last_used=model.last_used,
            error=model.error,
            metadata=freeze(model.metadata),
            placement="kernel",
        )

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any:
        del timeout  # code in the caller's own thread cannot be ended
        return getattr(self._model, method)(*args, **kwargs)

    async def acall(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any:
        result = self.call(method, args, kwargs, timeout)
        return await result if hasattr(result, "__await__") else result

    def stream(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], callback: str | None, timeout: float | None
    ) -> ModelStream:
        del method, args, kwargs, callback, timeout
        raise TypeError("a view of a model without a manager has no streams; load the model through a manager")

    @property
    def model(self) -> Any:
        return self._model
