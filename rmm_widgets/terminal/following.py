"""Waiting for what a command has begun, with its progress; an interrupt pauses downloads and says how to go on."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..commands.disk_views import verify_document, verify_documents
from ..commands.dispatch import to_json
from ..commands.job_views import error_line, job_document
from ..commands.render import Message, size
from ..commands.spec import Invocation
from ..errors import RMMError
from ..file_records import VerifyReport
from ..lifecycle.states import Stage
from .exits import FAILED, INTERRUPTED, OK
from .progress import Bars, Lines

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.job import Job
    from .output import Output

__all__ = ["Follower"]

LOOK_INTERVAL = 0.1
"""Seconds between two looks at the progress."""
PAUSE_PATIENCE = 10.0
"""Seconds for downloads to let go of their files after an interrupt; the end of the manager waits for them too."""
_RESTING = frozenset({Stage.REGISTERED, Stage.PAUSED, Stage.DOWNLOADED, Stage.ERROR})


class Follower:
    """Follows the jobs of one command to their end."""

    def __init__(self, manager: ModelManager, invocation: Invocation, output: Output) -> None:
        self._manager = manager
        self._invocation = invocation
        self._output = output

    def follow(self, jobs: Sequence[Job[Any]], *, one: bool) -> int:
        """Wait for the end of all jobs, show what came of them, and return the exit code.

        Args:
            one: Whether one was asked for, so that JSON is its result and no list.
        """
        try:
            self._wait(jobs)
        except KeyboardInterrupt:
            self._interrupted([job for job in jobs if not job.done()])
            return INTERRUPTED
        results = [job.result() for job in jobs if job.exception() is None]
        self._show(jobs, results, one=one)
        failed = [job for job in jobs if job.exception() is not None]
        for job in failed:
            self._tell_failure(job, one=one)
        damaged = any(isinstance(result, VerifyReport) and not result.ok for result in results)
        return FAILED if failed or damaged else OK

    def _wait(self, jobs: Sequence[Job[Any]]) -> None:
        ended = threading.Event()
        for job in jobs:
            job.add_done_callback(lambda _job: ended.set())
        shown = Bars() if self._output.has_bars else Lines(self._output.say)
        with shown:
            while running := [job for job in jobs if not job.done()]:
                places = {each.model_id: each.position for each in self._manager.get_download_queue()}
                shown.update(running, places)
                ended.wait(LOOK_INTERVAL)
                ended.clear()

    def _show(self, jobs: Sequence[Job[Any]], results: Sequence[Any], *, one: bool) -> None:
        if self._invocation.as_json:
            if results or not one:
                self._output.write(to_json(results[0] if one else results))
            return
        reports = [result for result in results if isinstance(result, VerifyReport)]
        if reports:
            self._output.show(verify_document(reports[0]) if one else verify_documents(reports))
        for job in jobs:
            if job.exception() is not None or isinstance(job.result(), VerifyReport):
                continue
            self._output.show(self._on_disk(job) if job.kind == "download" else job_document(job))

    def _tell_failure(self, job: Job[Any], *, one: bool) -> None:
        error = job.exception()
        if not isinstance(error, RMMError):
            job.result()  # a fault of ours, for whoever reports it
        elif one:
            self._output.error(error)
        else:
            self._output.trouble(f"{job.model_id}: {error_line(error)}")

    def _on_disk(self, job: Job[Any]) -> Message:
        there = self._manager.describe(str(job.model_id)).size_on_disk
        return Message(f"{job.model_id}: on disk, {size(there)}, in {job.result()}")

    # An interrupt

    def _interrupted(self, jobs: Sequence[Job[Any]]) -> None:
        downloads = [str(job.model_id) for job in jobs if job.kind == "download"]
        elsewhere = {job.model_id for job in jobs if job.progress and job.progress.phase == "waiting_for_other"}
        with contextlib.suppress(KeyboardInterrupt):  # the second one only ends the wait for the pause
            self._pause(downloads)
        self._manager.close()  # what is kept is known once all files were let go
        for model_id in downloads:
            told = "another program goes on with it." if model_id in elsewhere else self._kept(model_id)
            self._output.say(f"{model_id}: {told}")
        if downloads:
            ids = " ".join(map(shlex.quote, downloads))
            self._output.say(f"`%rmm {self._invocation.command.name} {ids}` goes on.")
        else:
            self._output.say("Interrupted.")

    def _pause(self, model_ids: Sequence[str]) -> None:
        for model_id in model_ids:
            self._manager.pause_download(model_id)
        until = time.monotonic() + PAUSE_PATIENCE
        while time.monotonic() < until:
            if all(self._manager.describe(model_id).stage in _RESTING for model_id in model_ids):
                return
            time.sleep(LOOK_INTERVAL / 5)

    def _kept(self, model_id: str) -> str:
        description = self._manager.describe(model_id)
        if not description.partial_bytes:
            return "nothing was fetched yet."
        total = description.progress.total_bytes if description.progress is not None else 0
        return f"paused, {size(description.partial_bytes)} of {size(total)} are kept."
