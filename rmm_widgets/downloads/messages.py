"""The lines that kernel and fetch process exchange: one JSON object each, over stdin and stdout."""

from __future__ import annotations

import msgspec

from ..file_records import FileProgress
from .spec import FetchProgress, FetchResult, FetchSpec


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Kernel to fetcher: begin a job."""

    job: int
    spec: FetchSpec


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Kernel to fetcher: end a job; it is answered with `Failed`, or with `Done` where it was too late."""

    job: int


class ListFiles(msgspec.Struct, frozen=True, tag="list_files"):
    """Kernel to fetcher: tell of each file of a job; it is answered with `Files`."""

    job: int


class Progressed(msgspec.Struct, frozen=True, tag="progress"):
    """Fetcher to kernel: how far a job is."""

    job: int
    progress: FetchProgress


class Files(msgspec.Struct, frozen=True, tag="files"):
    """Fetcher to kernel: the files of a job, at most MAX_FILES; None where the job has ended."""

    job: int
    files: list[FileProgress] | None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Fetcher to kernel: a job delivered; nothing more is written for it."""

    job: int
    result: FetchResult


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Fetcher to kernel: a job ended without its model; nothing more is written for it.

    Attributes:
        error: Name of a `DownloadError` class in `rmm_widgets.errors`.
    """

    job: int
    error: str
    message: str
    hint: str


Request = Start | Cancel | ListFiles
Reply = Progressed | Files | Done | Failed

encode_line = msgspec.json.Encoder().encode
"""A message as bytes without the line end; JSON never holds a raw line feed."""

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def decode_request(line: bytes) -> Request:
    """What a line to the fetcher says; msgspec.DecodeError where it says nothing known."""
    return _requests.decode(line)


def decode_reply(line: bytes) -> Reply:
    """What a line from the fetcher says; msgspec.DecodeError where it says nothing known."""
    return _replies.decode(line)
