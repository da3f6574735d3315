"""Processes that download when told to: each line on stdin is a spec, each answer a line on stdout."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rmm_widgets.downloads.fetcher import persistence
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchSpec
from rmm_widgets.errors import DownloadError

ROOT = Path(__file__).resolve().parents[2]


class Outcome(msgspec.Struct):
    fetched_bytes: int = 0
    error: str = ""
    hint: str = ""


class Writer:
    """One such process."""

    def __init__(self, *, locks_work: bool = True, open_files: int = 0) -> None:
        command = [sys.executable, "-m", __name__, "locks" if locks_work else "no-locks", str(open_files)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests, self._answers = self.process.stdin, self.process.stdout

    def begin(self, spec: FetchSpec) -> None:
        self._requests.write(msgspec.json.encode(spec) + b"\n")
        self._requests.flush()

    def outcome(self) -> Outcome:
        return msgspec.json.decode(self._answers.readline(), type=Outcome)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._answers.close()
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()


@contextlib.contextmanager
def writers(count: int, *, locks_work: bool = True) -> Iterator[list[Writer]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Writer(locks_work=locks_work))) for _ in range(count)]


def main(locks: str, open_files: int) -> None:
    if locks == "no-locks":
        import fcntl

        fcntl.flock = lambda *_: None  # as some network file systems do it
    if open_files:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
        persistence.POLICY = msgspec.structs.replace(persistence.POLICY, first=0.005, longest=0.1)
    for line in sys.stdin.buffer:
        try:
            done = Transfer(msgspec.json.decode(line, type=FetchSpec), lambda _: None).run()
            outcome = Outcome(fetched_bytes=done.fetched_bytes)
        except DownloadError as error:
            outcome = Outcome(error=f"{type(error).__name__}: {error}", hint=error.hint)
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
