"""How a manager begins and ends, how its settings reach the runtime, and how its methods do."""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from .errors import ManagerClosedError, ModelAlreadyRegisteredError, RegistryError, RMMError
from .lifecycle.effects import Decision
from .lifecycle.machine import Lifecycle
from .lifecycle.restarts import RestartPolicy
from .manager_settings import ManagerSettings
from .runtime.engine import Engine
from .runtime.job import Job, JobKind
from .runtime.loop import RuntimeLoop
from .runtime.registrar import Registrar
from .runtime.settings import Settings, default_data_dir
from .runtime.shutdown import shut_down
from .runtime.threads import run_uninterrupted

__all__ = ["ManagerLifetime", "check_callable"]

T = TypeVar("T")


class ManagerLifetime(ManagerSettings):
    """The part of a `ModelManager` that owns the runtime's thread."""

    def __init__(self, **settings: Any) -> None:
        self.refuse_unknown(settings)
        super().__init__(**settings)
        self._closed = False
        self._close_lock = threading.Lock()
        folder = Path(self.data_dir).expanduser().absolute() if self.data_dir else default_data_dir()
        self._loop = RuntimeLoop()
        try:
            self._engine, self._registrar = self._loop.call(self._wire, folder)
        except BaseException:
            self._loop.close()
            raise
        try:
            self._loop.run(self._registrar.open())
        except BaseException:
            run_uninterrupted(self._end, name="rmm-close")
            raise
        self.observe(self._setting_changed, names=[*self.trait_names(config=True), "token"])
        self._watches = [
            self._loop.submit(self._registrar.watch()),
            self._loop.submit(self._engine.residents.probing.watch()),
            self._loop.submit(self._engine.memory.watch()),
        ]
        _open_managers.add(self)

    def _wire(self, folder: Path) -> tuple[Engine, Registrar]:
        machine = Lifecycle(
            self.max_concurrent_downloads,
            self.max_concurrent_loads,
            auto_download=self.enable_auto_download,
            auto_load=self.enable_auto_load,
        )
        engine = Engine(self._loop, machine, Settings(), folder)
        self._apply_settings(engine)
        engine.owner = weakref.ref(self)
        return engine, Registrar(engine)

    # Settings

    def _setting_changed(self, change: Any) -> None:
        if not self._closed and change["name"] != "data_dir":
            self._loop.call(self._apply_settings, self._engine)
            if change["name"] in {"cache_dir", "endpoint"}:
                self._loop.submit(self._registrar.look_again())

    def _apply_settings(self, engine: Engine) -> None:
        to = engine.settings
        to.download_timeout, to.load_timeout = self.download_timeout, self.load_timeout
        to.stall_timeout, to.health_interval = self.stall_timeout, self.health_interval
        to.cleanup_interval, to.endpoint, to.token = self.cleanup_interval, self.endpoint, self.token
        to.memory_budget, to.keep_alive = self.memory_budget, self.keep_alive
        to.restart = "on-crash" if self.restart == "on-crash" else "never"
        to.restart_policy = RestartPolicy(waits=tuple(self.restart_waits))
        to.isolation = "kernel" if self.isolation == "kernel" else "process"
        to.cache_dir = Path(self.cache_dir).expanduser().absolute() if self.cache_dir else None
        engine.machine.auto_download, engine.machine.auto_load = self.enable_auto_download, self.enable_auto_load
        engine.machine.set_limits(downloads=self.max_concurrent_downloads, loads=self.max_concurrent_loads)
        engine.settle()
        engine.memory.look_again()

    # The end

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    @property
    def registry_on_disk(self) -> bool:
        """False where the registry's files cannot be used: what is registered then ends with the manager."""
        return self._registrar.keeper.on_disk

    def close(self) -> None:
        """Cancel downloads, unload all models, end all processes and threads. Closing twice does no harm.

        It goes on past failures and interrupts.

        Raises:
            RMMError: Some models could not be unloaded properly; it names them. All is ended nevertheless.
        """
        if self._loop.here:
            raise RuntimeError("a manager cannot be closed on the runtime's own thread")
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        _open_managers.discard(self)
        self.unobserve_all()
        for watch in self._watches:
            watch.cancel()
        failures = run_uninterrupted(self._end, name="rmm-close")
        if failures:
            names = ", ".join(str(error.model_id) for error in failures)
            error = RMMError(f"The manager is closed, but some models could not be unloaded properly: {names}")
            for failure in failures:
                error.add_note(f"{failure.model_id}: {failure}")
            raise error

    def _end_services(self) -> None:
        """End what serves others, such as metrics; before anything else ends."""

    def _end(self) -> list[RMMError]:
        try:
            self._end_services()
            return self._loop.run(shut_down(self._engine, self._registrar))
        finally:
            self._engine.bus.close()
            self._registrar.keeper.end_thread()
            self._loop.close()

    async def aclose(self) -> None:
        """Like `close`, without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.aclose()

    # Into the runtime

    def _call(self, work: Callable[[], T]) -> T:
        """Run a short request on the runtime's thread."""

        def in_time() -> T:
            self._check_open()  # again: nothing may begin once the end has begun
            return work()

        self._check_open()
        return self._loop.call(in_time)

    def _run(self, coroutine: Any, *, cancel_on_interrupt: bool = False) -> Any:
        if self._closed:
            coroutine.close()
            self._check_open()
        work = self._engine.delivered(coroutine, self._engine.bus.current_listener())
        try:
            return self._loop.run(work, cancel_on_interrupt=cancel_on_interrupt)
        except RegistryError:
            self._check_open()  # it was closed meanwhile
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise ManagerClosedError(
                "This manager is closed.", hint="Make a new one, or call rmm_widgets.get_manager()."
            )

    def _ask(self, model_id: str, request: Callable[[str], bool]) -> bool:
        def ask() -> bool:
            self._engine.entry(model_id)
            changed = request(model_id)
            self._engine.settle(model_id)
            return changed

        return self._call(ask)

    def _background(self, kind: JobKind, model_id: str | None, work: Callable[[Job[Any]], Any]) -> Job[Any]:
        return self._call(lambda: self._engine.background(kind, model_id, work))

    def _job(self, decision: Decision, kind: JobKind, model_id: str) -> Job[Any]:
        """The job of a decision, already ended where there is nothing to do."""
        engine, machine = self._engine, self._engine.machine
        if decision.refused == "removing":
            raise ModelAlreadyRegisteredError(
                f"Model {model_id} is being deleted", model_id=model_id, hint="Register it again when that is done."
            )
        cancels: dict[str, Callable[[str], bool]] = {
            "download": machine.cancel_download,
            "load": machine.cancel_load,
        }

        def cancel() -> bool:
            request = cancels.get(kind)
            if request is None or model_id not in machine.models:
                return False
            changed = request(model_id)
            engine.settle(model_id)
            return changed

        if decision.ticket:
            job = engine.job(decision.ticket, kind, model_id, cancel)
        else:
            job = engine.new_job(kind, model_id, lambda: False)
            engine.finish_job(job, engine.result(kind, engine.entry(model_id)))
        engine.settle(model_id)
        return job


def check_callable(what: str, value: object) -> None:
    """Raise `TypeError` for what cannot be called."""
    if not callable(value):
        raise TypeError(f"{what} must be callable, not {type(value).__name__}")


_open_managers: weakref.WeakSet[ManagerLifetime] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for manager in list(_open_managers):
        try:
            manager.close()
        except Exception:  # the interpreter is going; the others must be closed too
            manager.log.warning("closing at exit failed", exc_info=True)
