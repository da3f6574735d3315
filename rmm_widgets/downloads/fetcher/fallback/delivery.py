"""One file through huggingface_hub: children, tries, verification, and what failures mean for the job.

A child works in a staging folder beside the blobs. The file leaves it only when its hash is right.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

from ....errors import DownloadError, HubUnavailableError, IntegrityError
from ...digest import file_digest
from ...spec import FetchSpec
from ..control import JobControl, StoppedError
from ..faults import host_of, hub_refusal
from ..file import FileTransfer
from ..retry import RETRY_STATUSES
from .messages import Delivered, Failed, Moved, Order
from .process import POLL, HubChild

WAITS = (1.0, 5.0)
"""Seconds before the second and the third try; each begins the file anew, so there are few."""
_turn = threading.Lock()
"""One child at a time: each takes hundreds of megabytes, and fetches on many connections by itself."""


class NotInXet(Exception):  # noqa: N818
    """The Hub does not offer the file by Xet, so huggingface_hub cannot do more than plain HTTP."""


class _Unlucky(Exception):  # noqa: N818
    """This try failed in a way that may pass; the error is for the case that it does not."""

    def __init__(self, error: DownloadError) -> None:
        super().__init__()
        self.error = error


class HubDelivery:
    """Fetches files of one job through huggingface_hub. Thread-safe."""

    def __init__(self, spec: FetchSpec, control: JobControl) -> None:
        self._spec = spec
        self._control = control

    def deliver(self, file: FileTransfer) -> bool:
        """Fetch, verify and publish an open file. Returns False where the bytes are wrong; they are gone then.

        Raises:
            NotInXet: It has to come by plain HTTP.
            DownloadError: It cannot be had.
            OSError: The disk refused.
            StoppedError: The job ended.
        """
        self._take_turn(file)
        try:
            file.remove_staging()
            return self._deliver(file)
        finally:
            _turn.release()
            file.note, file.staged_bytes = "", 0

    def _take_turn(self, file: FileTransfer) -> None:
        file.note = f"{file.path}: waits until huggingface_hub has fetched another file"
        while not _turn.acquire(timeout=POLL):
            self._check()
            self._control.alive()

    def _deliver(self, file: FileTransfer) -> bool:
        waits = iter(WAITS)
        while True:
            staging = file.new_staging()
            try:
                fetched = self._fetch(file, staging)
                return self._publish(file, fetched)
            except _Unlucky as fault:
                wait = next(waits, None)
                if wait is None:
                    raise fault.error from None
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            self._control.alive(time.monotonic() + wait)
            self._control.pause(wait)

    def _fetch(self, file: FileTransfer, staging: Path) -> Path:
        """One child, to its end. Returns where it left the file."""
        file.note = f"{file.path}: through huggingface_hub (Xet); cannot resume inside this file"
        file.staged_bytes = 0
        _check_space(staging.parent, file.size)
        staging.mkdir()
        spec = self._spec
        order = Order(
            endpoint=spec.endpoint,
            repo_id=spec.repo_id,
            commit=file.commit,
            path=file.path,
            digest=file.digest,
            size=file.size,
            staging=str(staging),
            token=spec.token,
        )
        try:
            child = HubChild(order)
        except OSError as error:
            raise DownloadError(
                f"The process that fetches {file.path} cannot be started: {error.strerror or type(error).__name__}.",
                hint="The machine may be short of memory or processes: close something, then download again.",
            ) from None
        last: Moved | Delivered | Failed = Moved(0, 0)
        code = 0
        try:
            for reply in child.replies(self._check):
                if isinstance(reply, Moved) and isinstance(last, Moved):
                    self._count(file, last, reply)
                last = reply
        finally:
            code = child.kill()
        match last:
            case Delivered(path):
                return _inside(Path(path), staging)
            case Failed():
                raise self._error(file, last)
            case Moved():
                raise _Unlucky(_death(file, code))

    def _count(self, file: FileTransfer, before: Moved, now: Moved) -> None:
        self._control.count_fetched(max(0, now.received - before.received))
        if now.written > before.written:
            self._control.alive()  # the network may be done already
        # Never all of them: what is on the disk is complete when the child says so.
        file.staged_bytes = min(file.size - 1, max(now.written, now.received))

    def _publish(self, file: FileTransfer, fetched: Path) -> bool:
        checked = 0

        def count(read: int) -> None:
            nonlocal checked
            self._check()
            checked += read
            file.note = f"{file.path}: checking the bytes, {100 * checked // max(1, file.size)} %"

        with self._control.local_work():
            file.staged_bytes = file.size
            computed, fingerprint = file_digest(fetched, file.digest, count)
            if (computed, fingerprint.size) != (file.digest, file.size):
                return False
            self._check()
            _sync(fetched)
            file.adopt(fetched, fingerprint)
        return True

    def _check(self) -> None:
        self._control.check()
        if self._control.is_over:
            raise StoppedError

    def _error(self, file: FileTransfer, failed: Failed) -> Exception:
        host = host_of(self._spec.endpoint)
        match failed:
            case Failed("no_xet"):
                return NotInXet()
            case Failed("no_library"):
                return DownloadError(
                    f"{file.path} can only be fetched by the Xet protocol, and hf_xet is missing or disabled.",
                    hint="Run `pip install hf_xet`, unset HF_HUB_DISABLE_XET, and restart the kernel.",
                )
            case Failed("disk", number):
                return OSError(number, os.strerror(number))
            case Failed("differs"):
                return IntegrityError(
                    f"{host} describes {file.path} in two ways that do not agree.",
                    hint="Try later, or check the endpoint: a mirror may be damaged.",
                )
            case Failed("refused", status, code) if status not in RETRY_STATUSES:
                if code == "EntryNotFound":
                    return HubUnavailableError(
                        f"{host} lists {file.path} but does not have it (HTTP {status}).",
                        hint="The repository or the mirror is incomplete: try again later, or another revision.",
                    )
                return hub_refusal(
                    status,
                    code,
                    repo_id=self._spec.repo_id,
                    revision=self._spec.revision or "main",
                    endpoint=self._spec.endpoint,
                    has_token=self._spec.token is not None,
                )
            case Failed("unknown", _, name):
                return DownloadError(
                    f"huggingface_hub failed to fetch {file.path}: {name}.",
                    hint="Please report this with the versions of huggingface_hub and hf_xet.",
                )
            case Failed(fault, status):
                reason = {"network": f"no answer from {host}", "refused": f"{host} answered HTTP {status}"}
                return _Unlucky(
                    HubUnavailableError(
                        f"{file.path} could not be fetched through huggingface_hub: "
                        f"{reason.get(fault, 'the Xet storage failed')} ({len(WAITS) + 1} tries).",
                        hint="Check the network, then download again; this file starts from its beginning.",
                    )
                )


def _death(file: FileTransfer, code: int) -> DownloadError:
    how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code}"
    short = "The machine may be short of memory: close something, then download again."
    return DownloadError(
        f"The process that fetches {file.path} through huggingface_hub {how}, {len(WAITS) + 1} times.",
        hint=short if code < 0 else "Please report this with the versions of huggingface_hub and hf_xet.",
    )


def _check_space(folder: Path, need: int) -> None:
    if shutil.disk_usage(folder).free < need:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _inside(path: Path, folder: Path) -> Path:
    if not path.is_relative_to(folder.resolve()):
        raise OSError(errno.EINVAL, "huggingface_hub wrote to another folder than it was told")
    return path


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
