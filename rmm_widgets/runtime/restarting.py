"""Loading a model again whose worker died by itself, where the user wants that.

How often and after which waits is `lifecycle.restarts`' judgement; this carries it out. A reload keeps the config,
device and isolation of the load it repeats, and the handle that users have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import LoadTimeoutError, RMMError, WorkerDiedError
from ..lifecycle.restarts import Restarts
from ..lifecycle.states import Failure, FailurePhase, Stage
from ..workers.api import Exit
from .entry import Entry, restart_text

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Restarting"]

BY_ITSELF = frozenset({"exited", "signal"})
"""Ends of a worker that nobody here asked for; one that was ended by us, as after a call over its time, stays so."""


class Restarting:
    """The reloads of one engine; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def user_loads(self, entry: Entry) -> None:
        """A user asked for a load: what was counted before does not matter any more."""
        entry.restarts = Restarts()

    def died(self, entry: Entry, generation: int, exit_: Exit, error: RMMError) -> None:
        """Report that a loaded model's worker is gone, and what follows."""
        report = self._engine.machine.worker_died
        loaded = self._engine.state(entry.info.model_id).stage is Stage.LOADED  # else an unload had failed
        if loaded and exit_.kind in BY_ITSELF and self._mode(entry) == "on-crash":
            self._crashed(entry, generation, "crash", error, report)
        else:
            report(entry.info.model_id, generation, self._engine.fail(entry, "crash", error))

    def load_failed(self, entry: Entry, generation: int, phase: FailurePhase, error: Exception) -> Failure:
        """Report that a load failed, and what follows: a reload that crashes or hangs is a crash like any other."""
        engine, model_id = self._engine, entry.info.model_id
        is_reload = engine.state(model_id).restart > 0
        if is_reload and isinstance(error, WorkerDiedError | LoadTimeoutError) and self._mode(entry) == "on-crash":
            return self._crashed(entry, generation, phase, error, engine.machine.load_failed)
        failure = engine.fail(entry, phase, error)
        engine.machine.load_failed(model_id, generation, failure)
        return failure

    def wait(self, model_id: str, generation: int, attempt: int) -> None:
        """Begin the wait for a reload."""
        self._engine.loop.spawn(self._wait(model_id, generation, self._seconds(attempt)), name=f"reload {model_id}")

    def numbers(self, entry: Entry) -> dict[str, Any]:
        """What an event tells of the reload that is awaited or under way; nothing where there is none."""
        state = self._engine.machine.models.get(entry.info.model_id)
        if state is None or not state.restart:
            return {}
        numbers = {"attempt": state.restart, "attempts": len(self._engine.settings.restart_policy.waits)}
        if state.failure is None:
            return numbers
        seconds = self._seconds(state.restart)
        return {**numbers, "restart_in": seconds, "hint": restart_text(entry.info.model_id, state.restart)}

    def _mode(self, entry: Entry) -> str:
        return entry.options.restart or self._engine.settings.restart

    def _seconds(self, attempt: int) -> float:
        waits = self._engine.settings.restart_policy.waits
        return waits[min(attempt, len(waits)) - 1]

    def _crashed(
        self, entry: Entry, generation: int, phase: FailurePhase, error: Exception, report: Callable[..., None]
    ) -> Failure:
        engine, model_id = self._engine, entry.info.model_id
        entry.restarts, attempt = entry.restarts.crashed(engine.settings.restart_policy, time.monotonic())
        failure = engine.fail(entry, phase, error)
        report(model_id, generation, failure, restart=attempt)
        if not attempt:
            engine.machine.crash_loop(model_id, generation, self._loop(entry, error))
        return failure

    def _loop(self, entry: Entry, last: Exception) -> Failure:
        policy, model_id = self._engine.settings.restart_policy, entry.info.model_id
        reloads, minutes = len(policy.waits), policy.window / 60
        error = WorkerDiedError(
            f"Model {model_id} is in a crash loop: it was loaded again {reloads} times within {minutes:g} minutes and "
            f"crashed each time. The last time: {last}",
            model_id=model_id,
            hint=f"It is not loaded again by itself. %rmm why {model_id} tells what happened; %rmm load {model_id} "
            "tries once more.",
            signal=getattr(last, "signal", None),
            exitcode=getattr(last, "exitcode", None),
        )
        failure = self._engine.fail(entry, "crash_loop", error)
        return msgspec.structs.replace(failure, retryable=False, attempts=reloads + 1)

    async def _wait(self, model_id: str, generation: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        engine = self._engine
        ticket = engine.machine.restart_due(model_id, generation)
        if ticket:
            # Whoever asks for the model now joins this job, and with it the options of the load that is repeated.
            engine.job(ticket, "load", model_id, lambda: self._cancel(model_id))
        engine.settle(model_id)

    def _cancel(self, model_id: str) -> bool:
        engine = self._engine
        changed = model_id in engine.machine.models and engine.machine.cancel_load(model_id)
        engine.settle(model_id)
        return changed
