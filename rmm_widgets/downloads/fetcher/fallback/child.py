"""What runs in the child: `huggingface_hub.hf_hub_download` for one file, and its progress as lines.

It ends when its standard input does, which is when the fetch process is gone.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from ...layout import CacheLayout
from ...plan import TreeEntry
from ..parent import die_with_parent
from .messages import Delivered, Failed, Moved, Order, Reply, decode_order, encode_line

INTERVAL = 0.1
"""Seconds between progress lines."""
_XET_HASH = re.compile(r"[0-9a-f]{64}")
_OS_ERROR = re.compile(r"os error (\d+)")
_DISK_ERRORS = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM])
_NO_BLOB_ID = "0" * 40


class _Replies:
    """Writes lines to what was the standard output; stray prints go elsewhere."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        self._turn = threading.Lock()
        os.dup2(2, 1)

    def send(self, reply: Reply) -> None:
        """Write one line. Where nobody listens any more, the process ends."""
        try:
            with self._turn:
                os.write(self._descriptor, encode_line(reply) + b"\n")
        except OSError:
            os._exit(1)


class _Meter:
    """Adds up what the bars count, and tells it at most ten times a second."""

    def __init__(self, replies: _Replies) -> None:
        self.bars: list[_Bar] = []
        self._replies = replies
        self._told_at = 0.0

    def moved(self) -> None:
        """A bar has moved."""
        now = time.monotonic()
        if now >= self._told_at + INTERVAL:
            self._told_at = now
            self.tell()

    def tell(self) -> None:
        """Tell how far it is."""
        written = max((bar.n for bar in self.bars), default=0)
        received = max((bar.received for bar in self.bars), default=0)
        self._replies.send(Moved(written, max(written, received)))


class _Bar:
    """Stands in for tqdm's class; with `update_transfer`, huggingface_hub makes one for disk and network."""

    meter: ClassVar[_Meter]

    def __init__(self, *_: Any, total: int | None = None, initial: int = 0, **__: Any) -> None:
        self.total = total
        self.n = initial
        self.received = 0
        self.format_dict: dict[str, Any] = {}
        self.meter.bars.append(self)

    def update(self, size: float | None = 1) -> None:
        """Bytes of the file were written."""
        self.n += int(size or 0)
        self.meter.moved()

    def update_transfer(self, size: float) -> None:
        """Bytes came over the network."""
        self.received += int(size)
        self.meter.moved()

    def _ignore(self, *_: Any, **__: Any) -> None: ...

    close = refresh = clear = set_description = set_description_str = _ignore
    set_postfix_str = set_transfer_postfix_str = _ignore

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def deliver(order: Order) -> Delivered | Failed:
    """Fetch the file into the staging folder."""
    import huggingface_hub

    hub: Any = huggingface_hub  # its signatures are typed in part only
    url = hub.hf_hub_url(order.repo_id, order.path, revision=order.commit, endpoint=order.endpoint)
    found = hub.get_hf_file_metadata(url, token=order.token or False, endpoint=order.endpoint)
    if (found.etag, found.size, found.commit_hash) != (order.digest, order.size, order.commit):
        return Failed("differs")
    if found.xet_file_data is None or not _XET_HASH.fullmatch(found.xet_file_data.file_hash):
        return Failed("no_xet")
    if not _has_xet():
        return Failed("no_library")
    # With a listing huggingface_hub asks no more what the file is, so that no answer becomes a file name.
    entry = TreeEntry(order.size, _NO_BLOB_ID, order.digest, order.size, found.xet_file_data.file_hash)
    CacheLayout(order.staging, order.repo_id).prepare(order.commit, {order.path: entry})
    file = hub.hf_hub_download(
        order.repo_id,
        order.path,
        revision=order.commit,
        cache_dir=order.staging,
        endpoint=order.endpoint,
        token=order.token or False,
        tqdm_class=_Bar,
    )
    return Delivered(str(Path(file).resolve()))


def failure(error: BaseException) -> Failed:
    """Why it failed, told without anything from the exception's text: that may hold signed addresses."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case HfHubHTTPError():
                code = cause.response.headers.get("X-Error-Code", "")
                return Failed("refused", cause.response.status_code, code)
            case _ if type(cause).__module__.partition(".")[0] == "hf_xet":
                return Failed("storage")
            case httpx.HTTPError() | ConnectionError() | TimeoutError():
                return Failed("network")
            case OSError() if cause.errno is not None:
                return Failed("disk", cause.errno)
            case RuntimeError():
                # The text is the only trace that hf_xet leaves of a full disk.
                numbers = [int(number) for number in _OS_ERROR.findall(str(cause))]
                number = next((number for number in numbers if number in _DISK_ERRORS), None)
                return Failed("storage") if number is None else Failed("disk", number)
            case _:
                cause = cause.__cause__
    return Failed("unknown", code=type(error).__name__)


def _has_xet() -> bool:
    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve the process that started this one."""
    die_with_parent()
    replies = _Replies()
    _Bar.meter = _Meter(replies)
    order = decode_order(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        reply = deliver(order)
        _Bar.meter.tell()
    except Exception as error:  # noqa: BLE001
        reply = failure(error)
    replies.send(reply)
    os._exit(0)  # threads of hf_xet must not keep the process


if __name__ == "__main__":
    main()
