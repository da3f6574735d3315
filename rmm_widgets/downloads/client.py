"""The kernel's side of downloads: one fetch process, several jobs, and no trouble for the caller.

The process is started when it is first needed. Where it dies, or has to be killed because it does not
let go of a cancelled job, another one takes the jobs over and goes on with what is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path

import msgspec

from .. import errors, names
from ..errors import (
    DownloadCancelledError,
    DownloadError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from ..file_records import FileProgress
from .messages import (
    Cancel,
    Done,
    Failed,
    Files,
    ListFiles,
    Progressed,
    Reply,
    Request,
    Start,
    decode_reply,
    encode_line,
)
from .precautions import usable_endpoint
from .spec import FetchProgress, FetchResult, FetchSpec

CANCEL_TIME = 1.0
"""Seconds for the process to let go of a cancelled job; after that it is killed."""
EXIT_TIME = 3.0
"""Seconds for the process to end by itself when the client closes."""
FILES_TIME = 5.0
"""Seconds for the process to tell of a job's files."""
MAX_CRASHES = 5
"""Crashes in a row during which a job got no further."""
_LINE_LIMIT = 64 << 20
_TOKEN_VARIABLES = frozenset(["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
_ERRORS = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DownloadError)
}
_log = logging.getLogger(__name__)


class _Job:
    """A fetch under way.

    Attributes:
        process: The process that has it now.
        released: Set when nothing is written for it any more.
        crashes: Deaths of the process since the job last got further.
    """

    def __init__(self, number: int, spec: FetchSpec, on_progress: Callable[[FetchProgress], None]) -> None:
        self.number = number
        self.spec = spec
        self.outcome: asyncio.Future[FetchResult] = asyncio.get_running_loop().create_future()
        self.process: Process | None = None
        self.released = asyncio.Event()
        self.crashes = 0
        self.askers: list[asyncio.Future[list[FileProgress] | None]] = []
        self._on_progress = on_progress
        self._last = FetchProgress("resolving")
        self._began = asyncio.get_running_loop().time()

    def report(self, progress: FetchProgress) -> None:
        """Pass a record on; a process that begins anew does not show as a step back."""
        last = self._last
        if progress.downloaded_bytes > last.downloaded_bytes:
            self.crashes = 0
        self._last = msgspec.structs.replace(
            progress,
            downloaded_bytes=max(progress.downloaded_bytes, last.downloaded_bytes),
            total_bytes=progress.total_bytes or last.total_bytes,
            files_done=max(progress.files_done, last.files_done),
            files_total=progress.files_total or last.files_total,
        )
        if self.outcome.done():
            return
        try:
            self._on_progress(self._last)
        except Exception:  # noqa: BLE001
            _log.exception("a progress callback of %s failed", self.spec.model_id)

    def tell_files(self, files: list[FileProgress] | None) -> None:
        """Answer everybody who asked for the files; None where there is nobody to tell of them."""
        askers, self.askers = self.askers, []
        for asker in askers:
            if not asker.done():
                asker.set_result(files)

    def succeed(self, result: FetchResult) -> None:
        """The files are there."""
        self.released.set()
        if not self.outcome.done():
            self.outcome.set_result(result)

    def fail(self, error: DownloadError) -> None:
        """The files are not there, and nothing is written for them any more."""
        self.released.set()
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def remaining_spec(self) -> FetchSpec:
        """The spec for another process: a deadline counts from the beginning."""
        if self.spec.deadline is None:
            return self.spec
        spent = asyncio.get_running_loop().time() - self._began
        return msgspec.structs.replace(self.spec, deadline=max(0.001, self.spec.deadline - spent))


class FetchClient:
    """Fetches models in a process of its own.

    All methods belong to one running event loop, in whatever thread that is; the fetch process ends
    when that thread does.

    Args:
        log_path: File that gets the process's own messages; None throws them away.
    """

    def __init__(self, *, log_path: Path | None = None) -> None:
        self._log_path = log_path
        self._jobs: dict[int, _Job] = {}
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The fetch process, None where none runs."""
        return self._process.pid if self._process is not None else None

    async def fetch(self, spec: FetchSpec, on_progress: Callable[[FetchProgress], None]) -> FetchResult:
        """Download a model, or what is missing of it.

        Cancelling the task ends the download and keeps what was fetched; the task ends when nothing is
        written any more.

        Args:
            on_progress: Called in the event loop, at most ten times a second; the last record is exact.

        Raises:
            DownloadError: One of its subclasses, with the model's id and a hint.
        """
        spec = _checked(spec)
        if self._closed:
            raise DownloadCancelledError(
                "The download service is closed.", model_id=spec.model_id, hint="Make a new manager."
            )
        job = _Job(next(self._numbers), spec, on_progress)
        self._jobs[job.number] = job
        beginning = asyncio.ensure_future(self._begin(job))
        try:
            await asyncio.shield(beginning)
            return await job.outcome
        except asyncio.CancelledError:
            job.outcome.cancel()
            await _finish(asyncio.ensure_future(self._cancel(job, beginning)))
            raise
        finally:
            self._jobs.pop(job.number, None)
            job.tell_files(None)

    async def files(self, model_id: str) -> list[FileProgress] | None:
        """How far each file of a running fetch is, at most MAX_FILES of them; None where the process cannot tell."""
        job = next((job for job in self._jobs.values() if job.spec.model_id == model_id), None)
        if job is None or job.process is None or job.outcome.done():
            return None
        answer: asyncio.Future[list[FileProgress] | None] = asyncio.get_running_loop().create_future()
        job.askers.append(answer)
        await _send(job.process, ListFiles(job.number))
        try:
            return await asyncio.wait_for(answer, FILES_TIME)
        except TimeoutError:
            return None

    async def aclose(self) -> None:
        """End all fetches (they raise DownloadCancelledError) and the process; what was fetched is kept."""
        self._closed = True
        async with self._starting:
            process, reader = self._process, self._reader
        if process is not None:
            _close_stdin(process)
            try:
                await asyncio.wait_for(process.wait(), EXIT_TIME)
            except TimeoutError:
                _kill(process)
        if reader is not None:
            await reader
        for job in list(self._jobs.values()):
            job.fail(_closed_error(job.spec))

    async def _begin(self, job: _Job) -> None:
        """Give a job to the process; one that is just dying is the reader's matter."""
        async with self._starting:
            if job.outcome.done():
                return
            if self._process is None:
                if self._closed:
                    job.fail(_closed_error(job.spec))
                    return
                self._process = await self._spawn()
                self._reader = asyncio.create_task(self._read(self._process))
            job.process = self._process
            await _send(self._process, Start(job.number, job.remaining_spec()))

    async def _cancel(self, job: _Job, beginning: asyncio.Task[None]) -> None:
        """Return when nothing is written for the job any more."""
        await asyncio.wait([beginning])
        process = job.process
        if process is None or job.released.is_set():
            return
        await _send(process, Cancel(job.number))
        try:
            await asyncio.wait_for(job.released.wait(), CANCEL_TIME)
        except TimeoutError:
            _kill(process)
            await process.wait()

    async def _spawn(self) -> Process:
        log = (
            DEVNULL
            if self._log_path is None
            else os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        )
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a file in the notebook's folder must not take the place of a module
                "-m",
                "rmm_widgets.downloads.fetcher",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # an interrupt of the kernel is not for the fetcher
                limit=_LINE_LIMIT,
            )
        finally:
            if log != DEVNULL:
                os.close(log)

    async def _read(self, process: Process) -> None:
        """Take the replies of one process, to its end."""
        assert process.stdout is not None  # noqa: S101
        try:
            while line := await process.stdout.readline():
                self._take(decode_reply(line))
        except (ValueError, ConnectionError):
            # Not our fetcher's words: it is broken, or was killed in the middle of a line.
            _kill(process)
        await process.wait()
        _close_stdin(process)
        await self._take_over(process)

    def _take(self, reply: Reply) -> None:
        job = self._jobs.get(reply.job)
        if job is None:
            return
        match reply:
            case Progressed(_, progress):
                job.report(progress)
            case Files(_, files):
                job.tell_files(files)
            case Done(_, result):
                job.succeed(result)
            case Failed(_, error, message, hint):
                kind = _ERRORS.get(error, DownloadError)
                job.fail(kind(message, model_id=job.spec.model_id, hint=hint))

    async def _take_over(self, process: Process) -> None:
        """Give the jobs of a process that died to a new one."""
        async with self._starting:
            self._process = None
            orphans = [job for job in self._jobs.values() if job.process is process and not job.released.is_set()]
            for job in orphans:
                job.crashes += 1
                job.tell_files(None)
                if job.outcome.done():
                    job.released.set()
                elif self._closed:
                    job.fail(_closed_error(job.spec))
                elif job.crashes > MAX_CRASHES:
                    job.fail(_crashed_error(job.spec, process.returncode))
            orphans = [job for job in orphans if not job.outcome.done()]
            if orphans:
                await asyncio.sleep(0.05 * 2 ** max(job.crashes for job in orphans))
        for job in orphans:
            await self._begin(job)


def _checked(spec: FetchSpec) -> FetchSpec:
    """The spec in order, or the error that says what is wrong; no request is made before."""
    model_id = spec.model_id
    try:
        names.check_repo_id(spec.repo_id)
    except ValueError as error:
        raise RepositoryNotFoundError(
            f"{error}.", model_id=model_id, hint="Give the repository as 'owner/name'."
        ) from None
    try:
        if spec.revision is not None:
            names.check_revision(spec.revision)
    except ValueError as error:
        raise RevisionNotFoundError(
            f"{error}.", model_id=model_id, hint="Give a branch, a tag or a commit hash."
        ) from None
    endpoint = usable_endpoint(spec.endpoint, model_id=model_id)
    if spec.token is not None and not (spec.token and spec.token.isascii() and spec.token.isprintable()):
        raise DownloadError(
            "The token holds characters that no token has.", model_id=model_id, hint="Copy it again from the Hub."
        )
    for name, seconds in (("stall_timeout", spec.stall_timeout), ("deadline", spec.deadline)):
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise DownloadError(
                f"{name} is {seconds}; it must be a number of seconds above 0.",
                model_id=model_id,
                hint="Give seconds, for example 60.",
            )
    if not 1 <= spec.connections <= 64:
        raise DownloadError(
            f"connections is {spec.connections}; it must be 1 to 64.", model_id=model_id, hint="8 is a good number."
        )
    cache_dir = str(Path(spec.cache_dir).expanduser().absolute())
    return msgspec.structs.replace(spec, endpoint=endpoint, cache_dir=cache_dir)


def _environment() -> dict[str, str]:
    """The process's environment: ours without tokens, and with the place this package is imported from."""
    environment = {name: value for name, value in os.environ.items() if name not in _TOKEN_VARIABLES}
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), package]))
    return environment


async def _send(process: Process, request: Request) -> None:
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):
        process.stdin.write(encode_line(request) + b"\n")
        await process.stdin.drain()


def _close_stdin(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101
    process.stdin.close()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _finish(task: asyncio.Task[None]) -> None:
    """Wait for a task to its end, however often the waiting itself is cancelled."""
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _closed_error(spec: FetchSpec) -> DownloadError:
    return DownloadCancelledError(
        "The download was ended because its manager was closed.",
        model_id=spec.model_id,
        hint="Download again to go on with it.",
    )


def _crashed_error(spec: FetchSpec, returncode: int | None) -> DownloadError:
    return DownloadError(
        f"The fetch process died {MAX_CRASHES + 1} times in a row (exit code {returncode}).",
        model_id=spec.model_id,
        hint="See its log; what was fetched is kept.",
    )
