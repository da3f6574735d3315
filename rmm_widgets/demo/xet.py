"""The demo hub's Xet storage: a file as chunks in xorbs, and the two answers a client needs to put it together.

Enough of the protocol for `hf_xet` to download: reconstructions (version 1) and xorbs with chunks that are
not compressed. Hashes are only names here; nothing is deduplicated, and nothing can be uploaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from .messages import Answer, Request, UnsatisfiableRangeError, error_answer, json_answer, parse_range
from .repositories import Repositories, Repository, RepositoryFile

CHUNK = 64 << 10
"""Bytes of a file in one chunk."""
XORB_CHUNKS = 64
"""Chunks in one xorb."""
_XORB = CHUNK * XORB_CHUNKS
_HEADER = 8


def xet_hash(file: RepositoryFile) -> str:
    """The name of a file's content in the Xet storage."""
    return hashlib.sha256(f"xet {file.sha256}".encode()).hexdigest()


class XetStorage:
    """Answers what clients ask of the storage.

    Args:
        repositories: Every file in LFS is in the storage too.
        signed: Makes an address of the storage that works without a token, from its path.
    """

    def __init__(self, repositories: Repositories, signed: Callable[[str], str]) -> None:
        self._repositories = repositories
        self._signed = signed

    def reconstruction(self, request: Request, name: str) -> Answer:
        """Which chunks make up the file of this name, or the range of it that was asked for."""
        found = self._find(name)
        if found is None:
            return error_answer(404, "", "No such file in the storage")
        repo, file = found
        try:
            start, stop = parse_range(request.range, file.size) or (0, file.size)
        except UnsatisfiableRangeError:
            return Answer(status=416)
        terms: list[dict[str, Any]] = []
        sources: dict[str, list[dict[str, Any]]] = {}
        for number in range(start // _XORB, -(-stop // _XORB)):
            begin = number * _XORB
            size = min(begin + _XORB, file.size) - begin
            first = max(0, start - begin) // CHUNK
            last = -(-min(size, stop - begin) // CHUNK)
            chunks, unpacked = {"start": first, "end": last}, min(size, last * CHUNK) - first * CHUNK
            packed_start = first * (CHUNK + _HEADER)
            packed = {"start": packed_start, "end": packed_start + unpacked + (last - first) * _HEADER - 1}
            xorb, address = _xorb_hash(name, number), self._signed(f"/xorbs/{name}/{number}")
            terms.append({"hash": xorb, "unpacked_length": unpacked, "range": chunks})
            sources[xorb] = [{"range": chunks, "url": address, "url_range": packed}]
        document = {"offset_into_first_range": start % CHUNK, "terms": terms, "fetch_info": sources}
        return _about(json_answer(document), repo, file)

    def xorb(self, request: Request, name: str, number: int) -> Answer:
        """The bytes of a xorb, or the range of them that was asked for."""
        found = self._find(name)
        if found is None or number * _XORB >= found[1].size:
            return error_answer(404, "", "No such xorb")
        repo, file = found
        packed = b"".join(_chunks(file, number * _XORB, min(file.size, (number + 1) * _XORB)))
        try:
            chosen = parse_range(request.range, len(packed))
        except UnsatisfiableRangeError:
            return Answer(status=416)
        if chosen is None:
            return _about(Answer(body=packed), repo, file)
        start, stop = chosen
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(packed)}"}
        return _about(Answer(status=206, headers=headers, body=packed[start:stop]), repo, file)

    def _find(self, name: str) -> tuple[Repository, RepositoryFile] | None:
        for repo in self._repositories:
            for commit in repo.commits.values():
                for file in commit.files.values():
                    if file.sha256 is not None and xet_hash(file) == name:
                        return repo, file
        return None


def _xorb_hash(name: str, number: int) -> str:
    return hashlib.sha256(f"xorb {name} {number}".encode()).hexdigest()


def _chunks(file: RepositoryFile, start: int, stop: int) -> Iterator[bytes]:
    """The chunks between two positions of a file, each behind its header: version, two lengths, no compression."""
    with file.open() as content:
        content.seek(start)
        while start < stop:
            chunk = content.read(min(CHUNK, stop - start))
            length = len(chunk).to_bytes(3, "little")
            yield b"\0" + length + b"\0" + length + chunk
            start += len(chunk)


def _about(answer: Answer, repo: Repository, file: RepositoryFile) -> Answer:
    return Answer(status=answer.status, headers=answer.headers, body=answer.body, repo=repo.repo_id, file=file.path)
