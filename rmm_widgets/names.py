"""Formats of every name that comes from outside: model ids, repositories, revisions, digests, paths.

One function each, used wherever such a name enters. All are pure and raise `ValueError` with a
sentence that says what is wrong; callers wrap it in the error that fits their face. POSIX and
Windows rules are applied on every system, because a cache may be shared between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import cast

MAX_MODEL_ID = 200
MAX_REPO_ID = 96
MAX_REVISION = 255
MAX_PATH = 1024
MAX_PATH_PART = 200
MAX_PATTERNS = 100
MAX_PATTERN = 256

_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./@+-]*[A-Za-z0-9_@+-])?")
_WINDOWS_DEVICES = frozenset(
    [
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³"),
    ]
)


def _has_control(text: str) -> bool:
    """True for control, format (bidirectional, zero-width), surrogate and line-separator characters."""
    return any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


def _short(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def visible(text: str, limit: int = 120) -> str:
    """A foreign text for messages, on one line: invisible characters are written as escapes, a long one is cut."""
    shown = "".join(c if not _has_control(c) else c.encode("unicode_escape").decode() for c in text)
    half = (limit - 3) // 2
    return shown if len(shown) <= limit else f"{shown[:half]}...{shown[-half:]}"


def check_model_id(model_id: object) -> str:
    """A model id: any visible text that a user can type; never used as a path."""
    if not isinstance(model_id, str) or not model_id.strip():
        raise ValueError("Model ID is required")
    if len(model_id) > MAX_MODEL_ID:
        raise ValueError(f"Model ID is longer than {MAX_MODEL_ID} characters: {_short(model_id)}")
    if model_id != model_id.strip() or model_id.startswith("-") or _has_control(model_id):
        raise ValueError(
            f"Model ID {_short(model_id)} starts with '-', has blanks at an end, or holds invisible characters"
        )
    return model_id


def check_repo_id(repo_id: object) -> str:
    """A Hub repository: `name` or `owner/name`, as the Hub itself allows them."""
    if not isinstance(repo_id, str) or not repo_id.strip():
        raise ValueError("Repository ID is required")
    parts = repo_id.split("/")
    if (
        len(repo_id) > MAX_REPO_ID
        or len(parts) > 2
        or not all(_REPO_PART.fullmatch(part) for part in parts)
        or "--" in repo_id
        or ".." in repo_id
        or repo_id.endswith(".git")
    ):
        raise ValueError(f"{_short(repo_id)} is not a repository ID; expected 'owner/name'")
    return repo_id


def check_revision(revision: object) -> str:
    """A branch, tag or commit."""
    if (
        not isinstance(revision, str)
        or len(revision) > MAX_REVISION
        or not _REVISION.fullmatch(revision)
        or ".." in revision
        or "//" in revision
        or revision.endswith(".lock")
    ):
        raise ValueError(f"{_short(revision)} is not a branch, tag or commit")
    return revision


def is_commit(revision: object) -> bool:
    """True for a full 40-digit commit hash."""
    return isinstance(revision, str) and _COMMIT.fullmatch(revision) is not None


def check_commit(commit: object) -> str:
    """A commit hash as the Hub gives it; becomes a folder name."""
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise ValueError(f"{_short(commit)} is not a commit hash")
    return commit


def is_digest(digest: object) -> bool:
    """True for a git-sha1 or sha256 in lower-case hex."""
    return isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None


def check_digest(digest: object) -> str:
    """A git-sha1 or sha256 in lower-case hex; becomes a file name."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"{_short(digest)} is not a sha1 or sha256")
    return digest


def check_file_path(path: object) -> str:
    """A file's path inside a repository; stays inside any folder it is joined to, on any system."""
    if not isinstance(path, str) or not path or len(path) > MAX_PATH:
        raise ValueError(f"{_short(path)} is not a file path")
    if "\\" in path or ":" in path or _has_control(path):
        raise ValueError(f"file path {_short(path)} holds a backslash, a colon or invisible characters")
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            raise ValueError(f"file path {_short(path)} would leave its folder")
        if len(part.encode()) > MAX_PATH_PART or part != part.rstrip(". ") or part != part.lstrip(" "):
            raise ValueError(f"file path {_short(path)} has a part that some systems cannot store")
        if part.split(".")[0].rstrip(" ").lower() in _WINDOWS_DEVICES or any(c in part for c in '<>"|?*'):
            raise ValueError(f"file path {_short(path)} has a part that Windows reserves")
    return path


def check_patterns(patterns: object, what: str) -> tuple[str, ...]:
    """Globs over the paths of a repository, as `allow_patterns` and `ignore_patterns` take them."""
    if isinstance(patterns, str | bytes) or not isinstance(patterns, Sequence):
        raise ValueError(f"{what} must be a list of patterns, not {type(patterns).__name__}")
    given = tuple(cast("Sequence[object]", patterns))
    if not 1 <= len(given) <= MAX_PATTERNS:
        raise ValueError(f"{what} holds {len(given)} patterns; it must be 1 to {MAX_PATTERNS}")
    for pattern in given:
        if not isinstance(pattern, str) or not pattern.strip() or len(pattern) > MAX_PATTERN or _has_control(pattern):
            raise ValueError(f"{_short(pattern)} in {what} is not a pattern; write one like '*.json'")
    return cast("tuple[str, ...]", given)
