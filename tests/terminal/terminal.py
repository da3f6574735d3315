"""`rmm` as somebody types it: a real process, in a process group or on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "rmm_widgets")
PATIENCE = 60.0


class Terminal:
    """Where the commands of one test run: a registry, a cache, a hub, and nobody's configuration.

    Attributes:
        environment: What every command gets; may be changed.
    """

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM", "COLUMNS"}},
            "HF_ENDPOINT": endpoint,
            "HF_HUB_CACHE": str(folder / "cache"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(ROOT),
            "RMM_DATA_DIR": str(folder / "data"),
        }

    def run(self, *words: str | bytes) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, with its output in pipes."""
        command: list[str | bytes] = [*COMMAND, *words]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE
        )

    def ok(self, *words: str) -> str:
        """What a command that must succeed, and have nothing to say beside, prints."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start one in a process group of its own, where an interrupt reaches it as it does from a shell."""
        return subprocess.Popen(
            [*COMMAND, *words],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_takes_interrupts,
        )

    def on_screen(self, *words: str, keys: Sequence[tuple[str, bytes]] = (), **environment: str) -> tuple[int, str]:
        """Run one on a terminal of its own.

        Args:
            keys: Each is pressed once the text before it was shown.

        Returns:
            The exit code, and all that the terminal was sent.
        """
        pid, screen = pty.fork()
        if pid == 0:
            _takes_interrupts()
            os.chdir(self.folder)
            os.execve(COMMAND[0], [*COMMAND, *words], {**self.environment, "TERM": "xterm-256color", **environment})
        shown, waiting, deadline = b"", list(keys), time.monotonic() + PATIENCE
        try:
            while time.monotonic() < deadline:
                if waiting and waiting[0][0].encode() in shown:
                    os.write(screen, waiting.pop(0)[1])
                if select.select([screen], [], [], 0.1)[0]:
                    try:
                        data = os.read(screen, 1 << 16)
                    except OSError:  # what Linux says when nobody has the other end open any more
                        break
                    if not data:
                        break
                    shown += data
        finally:
            if time.monotonic() >= deadline:
                os.kill(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(screen)
        return code, shown.decode()


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Ctrl-C for the whole group of a command; returns its exit code and what it printed."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def _takes_interrupts() -> None:
    """What a background job of a shell inherits as ignored stays ignored otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
