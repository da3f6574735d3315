"""Messages as frames: which fields hold values, and what a frame must look like to be a message.

Pure; `frames` moves the bytes. What comes from a worker is untrusted: unknown keys are dropped, anything
else that does not fit is a `FrameError`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from .faults import clean_text
from .frames import FrameError
from .messages import CallbackCall, CallRequest, ConfigRequest, Done, LoadRequest, OpenRequest, Reply, Request
from .values import Packer, unpack

__all__ = ["decode_reply", "decode_request", "encode"]

Message = OpenRequest | Request | Reply
_M = TypeVar("_M", bound=Message)

_requests: msgspec.msgpack.Decoder[OpenRequest | Request] = msgspec.msgpack.Decoder(OpenRequest | Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
_encoder = msgspec.msgpack.Encoder()


def encode(message: Message, *, subject: str = "the result") -> tuple[bytes, list[memoryview]]:
    """A message's header and buffers; `subject` names a reply's value in errors.

    Raises:
        TypeError, ValueError: A value cannot be sent; the text says which and why.
    """
    packer = Packer()
    match message:
        case CallRequest() | CallbackCall():
            packed = msgspec.structs.replace(
                message,
                args=[packer.pack(v, f"argument {n}") for n, v in enumerate(message.args, 1)],
                kwargs={k: packer.pack(v, f"argument {k!r}") for k, v in message.kwargs.items()},
            )
        case LoadRequest() | ConfigRequest():
            config = {k: packer.pack(v, f"configuration {k!r}") for k, v in message.config.items()}
            packed = msgspec.structs.replace(message, config=config)
        case Done():
            packed = msgspec.structs.replace(message, value=packer.pack(message.value, subject))
        case _:
            packed = message
    return _encoder.encode(packed), packer.buffers


def decode_request(header: bytearray, block: bytearray | memoryview) -> OpenRequest | Request:
    """The request in a frame from the kernel. Raises `FrameError`."""
    return _decode(_requests, header, block)


def decode_reply(header: bytearray, block: bytearray | memoryview) -> Reply:
    """The reply in a frame from a worker. Raises `FrameError`."""
    return _decode(_replies, header, block)


def _decode(decoder: msgspec.msgpack.Decoder[_M], header: bytearray, block: bytearray | memoryview) -> _M:
    try:
        message = decoder.decode(header)
        return _with_values(message, block)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise FrameError(f"a frame is no message: {clean_text(str(error), 200)}") from None


def _with_values(message: _M, block: bytearray | memoryview) -> _M:
    def values(trees: dict[str, Any]) -> dict[str, Any]:
        return {key: unpack(tree, block) for key, tree in trees.items()}

    match message:
        case CallRequest() | CallbackCall():
            args = [unpack(tree, block) for tree in message.args]
            return msgspec.structs.replace(message, args=args, kwargs=values(message.kwargs))
        case LoadRequest() | ConfigRequest():
            return msgspec.structs.replace(message, config=values(message.config))
        case Done():
            return msgspec.structs.replace(message, value=unpack(message.value, block))
        case _:
            return message
