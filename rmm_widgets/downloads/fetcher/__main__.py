"""The protocol loop: requests come in on stdin, replies go out on stdout, one JSON line each.

Ends when stdin does, which is when the kernel is gone. What arrived is kept, whatever ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from functools import partial
from types import FrameType
from typing import BinaryIO, NoReturn

from ...errors import DownloadError
from ..messages import (
    Cancel,
    Done,
    Failed,
    Files,
    ListFiles,
    Progressed,
    Reply,
    Start,
    decode_request,
    encode_line,
)
from ..spec import FetchProgress
from .limits import Limits
from .parent import be_nice, die_with_parent
from .transfer import Transfer

EXIT_TIME = 1.0
"""Seconds for all jobs to let go of their files."""


class Service:
    """Runs jobs, each in a thread of its own."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._writing = threading.Lock()
        self._jobs: dict[int, tuple[Transfer, threading.Thread]] = {}
        self._limits = Limits()

    def serve(self) -> None:
        """Serve until there are no more requests."""
        for line in self._requests:
            match decode_request(line):
                case Start(job, spec):
                    report = partial(self._progressed, job)
                    transfer = Transfer(spec, report, self._limits)
                    thread = threading.Thread(target=self._run, args=(job, transfer), daemon=True)
                    self._jobs[job] = (transfer, thread)
                    thread.start()
                case Cancel(job):
                    if running := self._jobs.get(job):
                        running[0].cancel()
                case ListFiles(job):
                    running = self._jobs.get(job)
                    self._reply(Files(job, running[0].files() if running else None))

    def close(self) -> None:
        """End all jobs; what they fetched is kept."""
        running = list(self._jobs.values())
        for transfer, _ in running:
            transfer.cancel()
        until = time.monotonic() + EXIT_TIME
        for _, thread in running:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, job: int, transfer: Transfer) -> None:
        try:
            reply = Done(job, transfer.run())
        except DownloadError as error:
            reply = Failed(job, type(error).__name__, error.message, error.hint)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
            hint = "Please report this with the fetch process's log."
            reply = Failed(job, DownloadError.__name__, f"The fetch process failed: {type(error).__name__}.", hint)
        self._jobs.pop(job, None)
        self._reply(reply)

    def _progressed(self, job: int, progress: FetchProgress) -> None:
        self._reply(Progressed(job, progress))

    def _reply(self, reply: Reply) -> None:
        try:
            with self._writing:
                self._replies.write(encode_line(reply) + b"\n")
                self._replies.flush()
        except OSError:
            os._exit(1)  # nobody listens any more


def main() -> None:
    """Serve the process that started this one."""
    signal.signal(signal.SIGTERM, _exit)
    die_with_parent(signal.SIGTERM)  # with time to write down what has arrived
    be_nice()
    # Stray prints must not get between the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    service = Service(sys.stdin.buffer, replies)
    try:
        service.serve()
    except Exception:  # noqa: BLE001
        traceback.print_exc(file=sys.stderr)
    finally:
        service.close()
        # Threads that hang in a name look-up must not keep the process.
        os._exit(0)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
