"""The child process that runs huggingface_hub, as the fetch process sees it: start, listen, kill."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from .messages import Order, Reply, decode_reply, encode_line

POLL = 0.05
"""Seconds between looks at whether the job still wants the file."""
_DROPPED = frozenset(
    [
        *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),  # a download was asked for
        *("HF_XET_HIGH_PERFORMANCE", "HF_XET_HP"),  # it doubles the memory
    ]
)
_MEMORY = {
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_SIZE": "128mb",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_PERFILE_SIZE": "32mb",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT": "256mb",
    "HF_XET_RECONSTRUCTION_MIN_PREFETCH_BUFFER": "64mb",
    "HF_XET_RECONSTRUCTION_MIN_RECONSTRUCTION_FETCH_SIZE": "64mb",
    "HF_XET_CHUNK_CACHE_SIZE_BYTES": "0",
}
"""Without these hf_xet sizes its buffers by the machine's memory and takes a gigabyte and more."""
_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_SHARED_BLOBS": "1",
    # Logs of hf_xet hold signed addresses.
    "HF_XET_LOG_DEST": os.devnull,
    "RUST_LOG": "off",
}


def environment_for(staging: Path, base: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: no token, little memory, nothing written outside of its folder."""
    environment = {name: value for name, value in base.items() if name not in _DROPPED}
    package = str(Path(__file__).resolve().parents[4])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), package]))
    bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    if bundle:
        environment.setdefault("SSL_CERT_DIR" if Path(bundle).is_dir() else "SSL_CERT_FILE", bundle)
    return environment | _MEMORY | _QUIET | {"HF_XET_CACHE": str(staging / "xet")}


class HubChild:
    """A running child with its order. Kill it when done, whatever happened.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries print signed addresses
            env=environment_for(Path(order.staging), os.environ),
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="rmm-hub-child", daemon=True)
        self._reader.start()
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(encode_line(order) + b"\n")
            self._process.stdin.flush()

    def replies(self, check: Callable[[], None]) -> Iterator[Reply]:
        """What the child says, to its end; ends early where it says something that is no reply.

        Args:
            check: Called at least every 0.05 s; what it raises comes through.
        """
        while True:
            check()
            try:
                line = self._lines.get(timeout=POLL)
            except queue.Empty:
                continue
            try:
                yield decode_reply.decode(line)
            except msgspec.DecodeError:
                return  # the end, or it was killed in the middle of a line

    def kill(self) -> int:
        """End it at once and everything it started. Returns its exit code, negative for a signal."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        code = self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")
