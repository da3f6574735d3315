"""The lines that the fetch process and its huggingface_hub child exchange: one JSON object each."""

from __future__ import annotations

from typing import Literal

import msgspec

Fault = Literal["no_xet", "no_library", "disk", "refused", "differs", "network", "storage", "unknown"]


class Order(msgspec.Struct, frozen=True):
    """To the child, on its standard input: the one file to fetch. The end of that input ends the child.

    Attributes:
        digest: The sha256 that the Hub published; also the blob's name.
        staging: Folder of the child's own, used as its cache.
    """

    endpoint: str
    repo_id: str
    commit: str
    path: str
    digest: str
    size: int
    staging: str
    token: str | None

    def __repr__(self) -> str:
        return f"Order({self.repo_id!r}, {self.path!r})"


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """From the child: bytes of the file written, and bytes that came over the network."""

    written: int
    received: int


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """From the child, at its end: where the file is; its bytes are not verified."""

    file: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """From the child, at its end: why there is no file. Nothing in it may be shown but class names.

    Attributes:
        fault: "no_xet": the Hub does not offer the file by Xet; "no_library": hf_xet is missing or
            disabled; "disk": a write failed; "refused": the Hub's answer; "differs": the Hub describes
            another file than was planned; "network": no answer; "storage": the Xet storage failed.
        number: HTTP status of a refusal, or errno of a failed write, else 0.
        code: The Hub's X-Error-Code, or the name of an exception's class.
    """

    fault: Fault
    number: int = 0
    code: str = ""


Reply = Moved | Delivered | Failed

encode_line = msgspec.json.Encoder().encode
"""A message as bytes without the line end."""

decode_order = msgspec.json.Decoder(Order).decode
decode_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
