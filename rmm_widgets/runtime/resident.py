"""What a user holds of a model in memory: the handle's backend, and the proxy for a model that lives elsewhere.

Its life is the business of `residents`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..errors import ModelNotLoadedError
from ..lifecycle.states import Stage
from ..types import InstanceState, ModelHealth, ModelStatus
from ..workers.steps import Steps
from .entry import Entry, ModelDescription
from .stream import CallStream

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Resident"]


class Resident:
    """Backend of a `ModelInstance`: one generation of one model, usable from any thread."""

    def __init__(self, engine: Engine, entry: Entry, generation: int) -> None:
        self._engine = engine
        self._entry = entry
        self._generation = generation
        self._model_id = entry.info.model_id

    def move_to(self, generation: int) -> None:
        """Stand for the worker that takes the place of a crashed one."""
        self._generation = generation

    def state(self) -> InstanceState:
        """What the handle shows now."""
        description = self._engine.picture.models.get(self._model_id)
        info = self._entry.info
        if description is None or description.generation != self._generation or description.instance is None:
            return InstanceState(
                model_id=self._model_id,
                model_type=info.model_type,
                status=description.status if description else ModelStatus.NOT_DOWNLOADED,
            )
        worker = self._entry.worker
        return InstanceState(
            model_id=self._model_id,
            model_type=info.model_type,
            status=description.status,
            health=description.health,
            config=description.config,
            loaded_at=description.loaded_at,
            last_used=self._entry.last_used,
            error=description.error or self._sickness(description) or None,
            metadata=info.metadata,  # frozen already
            memory_bytes=worker.memory_bytes() if worker else 0,
            placement=description.placement,
            device=description.device,
        )

    def _sickness(self, description: ModelDescription) -> str:
        return description.health_reason if description.health is ModelHealth.UNHEALTHY else ""

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any:
        """Call and wait, from any thread but the runtime's."""
        _check_call(method, timeout)
        return self._engine.loop.run(self._call(method, args, kwargs, timeout))

    async def acall(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Any:
        """Call from a coroutine on any loop."""
        _check_call(method, timeout)
        return await asyncio.wrap_future(self._engine.loop.submit(self._call(method, args, kwargs, timeout)))

    def stream(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], callback: str | None, timeout: float | None
    ) -> CallStream:
        """Begin a call whose steps can be iterated over, from any thread."""
        _check_call(method, timeout)
        _check_callback(callback, kwargs)
        steps = Steps(callback or "")
        call = self._call(method, args, kwargs, timeout, steps)
        return CallStream(self._engine.loop, steps, call, self._model_id)

    async def _call(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None,
        steps: Steps | None = None,
    ) -> Any:
        entry, state = self._entry, self._engine.machine.models.get(self._model_id)
        worker = entry.worker
        if state is None or state.worker != self._generation or state.stage is not Stage.LOADED or worker is None:
            restarts = state is not None and state.restart and state.generation == self._generation
            raise ModelNotLoadedError(
                f"Model {self._model_id} is not loaded",
                model_id=self._model_id,
                hint="It crashed and is being loaded again; call it a little later."
                if restarts
                else "Load it again: manager.load_model(...) gives a new instance.",
            )
        with self._engine.memory.calling(entry):
            return await worker.call(method, args, kwargs, timeout, steps)

    @property
    def model(self) -> Any:
        """The object itself in the kernel, a proxy for it elsewhere."""
        if self._entry.placement == "kernel" and self._entry.model is not None:
            return self._entry.model  # a custom model is the user's own object, whatever it is doing
        worker = self._entry.worker
        own = worker.model if worker is not None and worker.spec.generation == self._generation else None
        return RemoteModel(self) if own is None else own


def _check_call(method: object, timeout: object) -> None:
    if not isinstance(method, str):
        raise TypeError(f"a method's name is text, not {type(method).__name__}")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise ValueError(f"timeout is {timeout!r}; it must be a number of seconds greater than 0, or None")


def _check_callback(callback: object, kwargs: dict[str, Any]) -> None:
    if callback is not None and not (isinstance(callback, str) and callback.isidentifier()):
        raise TypeError(f"callback is {callback!r}; it must be the name of an argument, or None")
    if callback in kwargs:
        raise TypeError(f"{callback!r} is what the stream gives to the model; leave it out, or name another callback")


class RemoteModel:
    """Stands for a model that lives in a worker: its public methods can be called."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._resident.call(name, args, kwargs, None)

        return method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._resident.call("__call__", args, kwargs, None)

    def __repr__(self) -> str:
        return f"<RemoteModel {self._resident.state().model_id!r}>"
