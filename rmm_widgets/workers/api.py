"""What the manager sees of a worker: its order, its reports, and the protocol every placement keeps.

Records only. `process` and `thread` make workers; `handle` is what they have in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import asyncio

    from .steps import Steps

__all__ = ["Exit", "ExitKind", "LoadReport", "Probe", "Worker", "WorkerSpec"]

ExitKind = Literal["stopped", "exited", "signal", "killed", "abandoned"]


class WorkerSpec(msgspec.Struct, frozen=True):
    """What a worker is made for.

    Attributes:
        generation: Number of this worker among those the model had; answers of another one are dropped.
        path: The model's folder on disk.
        loader: Name of the loader that opens it.
        config: The model's configuration, plain data.
        device: Where to run, or None for the loader's choice.
        log_path: File for what the worker prints, or None to drop it.
        trusted: The user allowed this very commit to bring code or pickles.
        preload: Modules that the loader needs anyway; a placement may have them imported beforehand.
    """

    model_id: str
    model_type: str
    generation: int
    path: str
    loader: str
    config: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    device: str | None = None
    log_path: str | None = None
    trusted: bool = False
    preload: tuple[str, ...] = ()


class LoadReport(msgspec.Struct, frozen=True):
    """What came of a load: the device, the worker's measured bytes (0 in the kernel), the loader's own words."""

    device: str
    memory_bytes: int
    detail: dict[str, Any]


class Probe(msgspec.Struct, frozen=True):
    """How a worker answered a probe.

    Attributes:
        healthy: What the model said; None where it could not be asked because it is busy.
        busy_for: Seconds that the work which keeps it from answering has taken, 0.0 where it answered.
        latency: Seconds until the answer came.
        answered: Whether the model answered; where it did not, `healthy` tells a silent one from a busy one.
    """

    healthy: bool | None
    degraded: bool = False
    busy_for: float = 0.0
    latency: float = 0.0
    memory_bytes: int = 0
    detail: str = ""
    answered: bool = True


class Exit(msgspec.Struct, frozen=True):
    """How a worker ended.

    Attributes:
        kind: "stopped" (asked to, and did), "exited" (ended itself), "signal" (killed by somebody else),
            "killed" (ended by us), "abandoned" (a thread that would not end; its results are dropped).
        detail: The last output of the worker, at most 2 KiB, without control sequences.
        reason: How it ended in words, to follow the worker's name: "was killed by signal 9 (SIGKILL)".
        error: What `unload` raised on the way out, empty where it raised nothing.
    """

    kind: ExitKind
    exitcode: int | None = None
    signal: int | None = None
    detail: str = ""
    reason: str = "was stopped"
    error: str = ""


class Worker(Protocol):
    """One model's place to live. Use it on the event loop that started it; one load, then calls one at a time.

    Every operation that waits when the worker ends raises `WorkerDiedError`, as do later ones.
    """

    @property
    def spec(self) -> WorkerSpec:
        """What the worker was made for."""
        ...

    @property
    def placement(self) -> str:
        """ "process" or "kernel"."""
        ...

    @property
    def pid(self) -> int | None:
        """The worker's process, None in the kernel."""
        ...

    @property
    def model(self) -> Any:
        """The loaded object itself where it lives in the kernel and its loader hands it out, else None."""
        ...

    @property
    def exited(self) -> asyncio.Future[Exit]:
        """Done once the worker is gone; never fails."""
        ...

    async def load(self, timeout: float | None) -> LoadReport:
        """Bring the model into memory, within `timeout` seconds.

        A load over its time is asked to give up, and 2 s later the worker is killed. Where this task is
        cancelled, the worker is killed too; in both cases it is gone when the exception arrives.

        Raises:
            LoadTimeoutError: It took longer; the worker is gone.
            LoadError: The loader failed; the error of ours it raised, or `LoadError` with its text.
            InvalidConfigError: The configuration is wrong, or holds what cannot be sent to a process.
            WorkerDiedError: The worker ended.
        """
        ...

    async def call(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None = None,
        steps: Steps | None = None,
    ) -> Any:
        """Run a public method of the model; "__call__" is its main function.

        A keyword argument that can be called becomes a callback: the model's calls of it run here, in their
        order, on a helper thread; what they return is dropped, and an exception in one is logged once.
        Where this task is cancelled, the call is asked to stop and its result dropped. With `steps`, the model's
        steps go there, all of them before this returns, and the model waits for whoever takes them.

        Raises:
            CallError: The model raised.
            ModelNotLoadedError: There is no model in this worker.
            TypeError: An argument cannot be sent to another process.
            TimeoutError: The call was over its time and stopped within 2 s of being asked; the model stays.
            WorkerDiedError: The worker ended; also where a call over its time did not stop and it was killed.
        """
        ...

    async def probe(self, timeout: float) -> Probe:
        """Ask the model whether it is well, for at most `timeout` seconds; never disturbs a running call."""
        ...

    async def update_config(self, config: dict[str, Any]) -> None:
        """Hand the loaded model a complete configuration, used from the next call on.

        Raises:
            InvalidConfigError: The model refuses it and keeps the old one.
            LoadError: Its loader failed otherwise.
        """
        ...

    async def cancel(self) -> None:
        """Ask what runs now to stop; returns at once."""
        ...

    async def unload(self, timeout: float | None = None) -> None:
        """Drop the model and keep the worker, within `timeout` seconds; calls with steps are asked to stop.

        Raises:
            LoadError: `unload` failed, and the model is still there.
            LoadTimeoutError: It took longer; the worker was killed.
        """
        ...

    async def stop(self, grace: float = 2.0, *, unload: bool = True) -> Exit:
        """End the worker: ask what runs to stop, unload, and kill it after `grace` seconds.

        Returns only when the process is gone. May be called any number of times. What `unload` raised is in
        `Exit.error`; a thread that does not end is "abandoned".
        """
        ...

    def memory_bytes(self) -> int:
        """Bytes that would come back if the worker's process ended now; 0 in the kernel and after the end."""
        ...
