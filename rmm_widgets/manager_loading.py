"""What a manager does to have models in memory: loading, unloading, using, configuring, pinning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Literal

from .errors import InvalidConfigError, ManagerClosedError, ModelNotAvailableError
from .loading.config import ModelConfig, as_mapping
from .manager_downloads import ManagerDownloads
from .manager_settings import check_isolation, check_keep_alive, check_restart
from .runtime.entry import Entry, Isolation, LoadOptions
from .runtime.job import Job
from .runtime.loader_choice import check_loader
from .types import ModelInstance, freeze

__all__ = ["ManagerLoading"]


class ManagerLoading(ManagerDownloads):
    """The part of a `ModelManager` about models in memory."""

    def load_model(
        self,
        model_id: str,
        config: Mapping[str, Any] | ModelConfig | None = None,
        *,
        isolation: Literal["process", "kernel", "ray"] | None = None,
        device: str | None = None,
        loader: str | None = None,
        keep_alive: float | None = None,
        restart: Literal["never", "on-crash"] | None = None,
    ) -> Job[ModelInstance]:
        """Bring a model into memory, downloading it first where `enable_auto_download` allows.

        Where there is no room, idle models that are not pinned are unloaded, least recently used first; none is
        for a model that would not fit even then.

        A loaded model gives the same instance, whatever the config and loader; calls at the same time share one load.

        Args:
            config: Merged over the remembered configuration, for this load; a record such as
                `EmbeddingModelConfig` states every setting.
            isolation: "process" or "kernel"; None is the manager's setting. Custom models live in the kernel.
            device: Where to run, for example "cpu" or "cuda"; None is the loader's choice. The setting `force_cpu`
                wins.
            loader: Which of the loaders that fit to use, for example "transformers"; `find_loader` names them. None
                is the best one that is installed.
            keep_alive: Seconds after its last use for which it stays loaded, `math.inf` for ever, from now until
                it is unloaded, also where it is loaded already; None is the manager's setting.
            restart: "on-crash": where its process dies by itself, it is loaded again, as here, after 1, 2 and 4 s;
                at most three times in 10 minutes. None is the manager's setting. The instance stays the same.

        Raises:
            ModelNotRegisteredError: The id is unknown.
            ModelNotAvailableError: It is not on disk and must not be downloaded.
            InvalidConfigError: A key is unknown or a value wrong; nothing is loaded.
            UnsupportedModelError: There is no such loader, or it does not fit.
            MissingDependencyError: The library of the loader that was asked for is not installed.
            LoadError: A custom model cannot live in a process of its own, nor be loaded by a loader.

        The job raises `UnsafeModelError` where the files may run code and `allow_unsafe` was not called, and
        `InsufficientMemoryError` where there is not enough memory.
        """
        chosen: Isolation | None = None if isolation is None else check_isolation(isolation)
        after_crash = None if restart is None else check_restart(restart)
        given = _checked_config({} if config is None else config, model_id)
        if device is not None and not (isinstance(device, str) and device):
            raise InvalidConfigError(
                f"device is {device!r}", model_id=model_id, hint='Give a name such as "cpu", or leave it out.'
            )

        if loader is not None:
            check_loader(self._engine.entry(model_id), loader)
        seconds = None if keep_alive is None else check_keep_alive(keep_alive)

        def start() -> Job[ModelInstance]:
            engine = self._engine
            entry = engine.entry(model_id)
            self._registrar.check_config(entry, {**entry.config, **given})
            engine.residents.check_isolation(entry, chosen)
            decision = engine.machine.load(model_id)
            if decision.refused == "not_available":
                raise ModelNotAvailableError(
                    f"Model {model_id} is not available", model_id=model_id, hint="Download it first."
                )
            if not decision.ticket:
                engine.residents.used(model_id)
            elif decision.ticket not in engine.jobs:
                entry.options = LoadOptions(
                    isolation=chosen, device=device, loader=loader, config=given, restart=after_crash
                )
                engine.residents.restarting.user_loads(entry)
                engine.memory.keep(entry, seconds)
            if seconds is not None:
                engine.memory.keep(entry, seconds)
            return self._job(decision, "load", model_id)

        try:
            return self._call(start)
        except ModelNotAvailableError as error:
            # Here, in the caller's own thread: it reads the disk.
            told = self._engine.disk.missing_text(self._engine.entry(model_id))
            error.add_hint(told)
            raise

    def cancel_load(self, model_id: str) -> bool:
        """End a load that waits or runs; False where there is none."""
        return self._ask(model_id, self._engine.machine.cancel_load)

    def unload_model(self, model_id: str) -> Job[None]:
        """Give a model's memory back; the job ends when it is. Ends a load under way. Not loaded: no error."""

        def start() -> Job[None]:
            self._engine.entry(model_id)
            return self._job(self._engine.machine.unload(model_id), "unload", model_id)

        return self._call(start)

    def use(self, model_id: str) -> _Use:
        """`with manager.use(id) as model:` loads the model if needed and keeps it from being evicted in the block.

        Works with `async with` too.
        """
        return _Use(lambda: self._hold(model_id), lambda: self.load_model(model_id))

    def _hold(self, model_id: str) -> Callable[[], None]:
        """Keep a model from being evicted until what this gives is called; loading it is another matter."""

        def hold() -> Entry:
            entry = self._engine.entry(model_id)
            self._engine.memory.hold(entry)
            return entry

        def release() -> None:
            try:
                self._call(lambda: self._engine.memory.release(entry))
            except ManagerClosedError:
                pass  # nothing is in memory any more

        entry = self._call(hold)
        return release

    def update_model_config(self, model_id: str, config: Mapping[str, Any] | ModelConfig) -> None:
        """Merge a configuration, one level deep; remembered for later loads, and used at once by a loaded model.

        Raises:
            InvalidConfigError: A key is unknown or a value wrong; nothing is changed.
        """
        given = _checked_config(config, model_id)
        self._engine.entry(model_id)
        self._run(self._registrar.configure(model_id, given))

    def pin(self, model_id: str) -> None:
        """Never evict this model from memory."""
        self._engine.entry(model_id)
        self._run(self._registrar.pin(model_id, True))

    def unpin(self, model_id: str) -> None:
        """Take the pin away."""
        self._engine.entry(model_id)
        self._run(self._registrar.pin(model_id, False))


def _checked_config(config: object, model_id: str) -> Mapping[str, Any]:
    """A copy of a configuration, once it is a mapping with names for keys."""
    config = as_mapping(config)
    if not isinstance(config, Mapping):
        raise InvalidConfigError(
            f"config must be a mapping, not {type(config).__name__}",
            model_id=model_id,
            hint='Give a dict, such as {"batch_size": 8}.',
        )
    wrong = [key for key in config if not isinstance(key, str)]  # pyright: ignore[reportUnknownVariableType]
    if wrong:
        raise InvalidConfigError(
            f"a configuration's keys are names, not {wrong[0]!r}", model_id=model_id, hint="Nothing was changed."
        )
    return freeze(config)


class _Use(AbstractContextManager[ModelInstance], AbstractAsyncContextManager[ModelInstance]):
    """Gives the loaded model for the length of a block; may be entered again inside of it."""

    def __init__(self, hold: Callable[[], Callable[[], None]], load: Callable[[], Job[ModelInstance]]) -> None:
        self._hold = hold
        self._load = load
        self._releases: list[Callable[[], None]] = []

    def __enter__(self) -> ModelInstance:
        self._releases.append(self._hold())
        try:
            return self._load().result()
        except BaseException:
            self._release()
            raise

    def __exit__(self, *_exception: object) -> None:
        self._release()

    async def __aenter__(self) -> ModelInstance:
        self._releases.append(self._hold())
        try:
            return await self._load()
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *_exception: object) -> None:
        self._release()

    def _release(self) -> None:
        self._releases.pop()()
