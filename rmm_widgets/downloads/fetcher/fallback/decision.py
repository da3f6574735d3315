"""Which files plain HTTP does not serve.

Known beforehand for those above the size that the Hub's storage serves by plain HTTP, and noticed for
others by refusals that do not pass. What is gated, private or missing is refused by the Hub itself and
stays an error; an address that expired is replaced by a new one, which is then accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ...digest import SHA256_LENGTH
from ..faults import ExpiredAddress
from ..retry import RetryPolicy

REFUSALS = 3
"""Addresses in a row that the storage may refuse, before a file counts as not served by plain HTTP."""
REFUSALS_WITHIN = RetryPolicy().tries
"""The same where a part of the file has come already, which would be thrown away."""


class PlainHttpRefused(Exception):  # noqa: N818
    """The file cannot be had by plain HTTP: leave it to huggingface_hub."""


class Refusable(Protocol):
    """What is asked of a file; `have` are the bytes of it that would be thrown away."""

    is_plain_only: bool

    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def have(self) -> int: ...  # noqa: D102


def may_be_left_to_hub(file: Refusable) -> bool:
    """True for a file that huggingface_hub may get where plain HTTP does not; only files in LFS are in Xet."""
    return len(file.digest) == SHA256_LENGTH and not file.is_plain_only


def says_xet_only(status: int, headers: Mapping[str, str]) -> bool:
    """True for a refusal of the Hub itself that names the file's place in the Xet storage and no other reason."""
    return 400 <= status < 500 and status != 401 and bool(headers.get("X-Xet-Hash")) and not headers.get("X-Error-Code")


class RefusalCount:
    """Counts, for one piece of a file, the addresses that were refused in a row.

    Args:
        position: How far the piece is, bytes.
    """

    def __init__(self, file: Refusable, position: Callable[[], int]) -> None:
        self._file = file
        self._where = position
        self._position = position()
        self._refusals = 0

    def watch(self, attempt: Callable[[], None]) -> None:
        """Run one attempt at the piece.

        Raises:
            PlainHttpRefused: It was refused once more, and often enough.
        """
        try:
            attempt()
        except ExpiredAddress:
            if self._where() > self._position:
                self._position, self._refusals = self._where(), 0
            self._refusals += 1
            enough = REFUSALS_WITHIN if self._file.have else REFUSALS
            if self._refusals >= enough and may_be_left_to_hub(self._file):
                raise PlainHttpRefused from None
            raise
