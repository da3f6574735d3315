"""The lock file: which models exactly, as TOML that people can review and machines can check.

Owns the format. Whatever it holds was written by somebody else: every name and hash is checked against its form, and
a file that is not as it should be is refused as a whole. Reading, hashing and fetching models are left to others.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import names
from ..errors import LockFileError
from ..types import ModelType, thaw

if TYPE_CHECKING:
    from tomlkit.items import Array, InlineTable, Table

__all__ = [
    "FORMAT",
    "LockFile",
    "LockedFile",
    "LockedModel",
    "parse_lock",
    "plain_settings",
    "read_lock",
    "render_lock",
    "write_lock",
]

FORMAT = 1
MAX_LOCK = 8 << 20
"""Bytes; some 50,000 files. Reading more would keep an interpreter busy for seconds."""
MAX_SIZE = 1 << 53
"""Bytes of one locked file; larger sizes are a lie or a slip."""

_MARK = "# rmm_widgets lock file"
_HEADER = f"{_MARK}: written by `%rmm freeze`; `%rmm sync` makes another machine the same.\n"
_SHA256_LENGTH, _SHA1_LENGTH = 64, 40
_MOST_DOTS = 16
"""Parts of one key that may follow another. The parser's time grows with the square of their number."""
_QUOTED = re.compile(r"""(?P<lines>\"""|''')|"(?:[^"\\]|\\.)*"|'[^']*'|#.*""")
_ADVICE = "Nothing was changed. Take the file from where it came again, or write a new one with `%rmm freeze`."


class LockedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"git_sha1": "git-sha1"}):
    """A file and its bytes: by sha256, or by git's sha1 where that is all that the Hub publishes."""

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    def __post_init__(self) -> None:
        names.check_file_path(self.path)
        if not 0 <= self.size <= MAX_SIZE:
            raise ValueError(f"{self.path} has an impossible size: {self.size}")
        if (self.sha256 is None) == (self.git_sha1 is None):
            raise ValueError(f"{self.path} must have either a sha256 or a git-sha1")
        if len(names.check_digest(self.digest)) != (_SHA256_LENGTH if self.sha256 is not None else _SHA1_LENGTH):
            raise ValueError(f"the hash of {self.path} is of another kind than it is named")

    @classmethod
    def of(cls, path: str, size: int, digest: str) -> LockedFile:
        """A file with the kind of hash that its length tells."""
        if len(digest) == _SHA256_LENGTH:
            return cls(path, size, sha256=digest)
        return cls(path, size, git_sha1=digest)

    @property
    def digest(self) -> str:
        """What the bytes are compared with."""
        return self.sha256 or self.git_sha1 or ""


class LockedModel(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"model_id": "id", "model_type": "type", "repo_id": "repository"},
):
    """One model: where from, which commit, which files, with which settings.

    Attributes:
        revision: The branch, tag or commit that it is registered with; None for the default branch.
        config: Settings without those that are None.
    """

    model_id: str
    model_type: ModelType
    repo_id: str
    commit: str
    files: tuple[LockedFile, ...]
    revision: str | None = None
    allow_patterns: tuple[str, ...] | None = None
    ignore_patterns: tuple[str, ...] | None = None
    config: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        names.check_model_id(self.model_id)
        names.check_repo_id(self.repo_id)
        names.check_commit(self.commit)
        if self.revision is not None:
            names.check_revision(self.revision)
            if names.is_commit(self.revision) and self.revision != self.commit:
                raise ValueError(f"{self.model_id} has the revision {self.revision} and another commit")
        for what in ("allow_patterns", "ignore_patterns"):
            if getattr(self, what) is not None:
                names.check_patterns(getattr(self, what), what)
        if not self.files:
            raise ValueError(f"{self.model_id} has no files")
        _refuse_twice((file.path for file in self.files), f"of the files of {self.model_id}")


class LockFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"models": "model"}):
    """All models of a lock file."""

    version: int
    models: tuple[LockedModel, ...] = ()

    def __post_init__(self) -> None:
        _refuse_twice((model.model_id for model in self.models), "of the models")


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a lock file has them: without those that are None, which is what one is that is not there."""
    return {key: thaw(value) for key, value in config.items() if value is not None}


def parse_lock(data: bytes, name: str) -> LockFile:
    """Read a lock file's content.

    Args:
        name: What errors call it.

    Raises:
        LockFileError: It is none, is damaged, or of a newer version.
    """
    if len(data) > MAX_LOCK:
        raise LockFileError(f"{name} is larger than {MAX_LOCK >> 20} MiB, so it is no lock file", hint=_ADVICE)
    try:
        text = data.decode("utf-8-sig")
        _refuse_long_keys(text)
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise LockFileError(f"{name} cannot be read: {_reason(error)}", hint=_ADVICE) from None
    version = document.get("version")
    if type(version) is int and version > FORMAT:
        raise LockFileError(
            f"{name} is of version {version}, and this rmm_widgets knows version {FORMAT}", hint="Upgrade rmm_widgets."
        )
    if type(version) is not int or version != FORMAT:
        raise LockFileError(f"{name} has no version that is known, so it is no lock file", hint=_ADVICE)
    try:
        return msgspec.convert(document, LockFile)
    except (ValueError, RecursionError) as error:
        raise LockFileError(f"{name} is no lock file as it should be: {_reason(error)}", hint=_ADVICE) from None


def render_lock(lock: LockFile) -> str:
    """A lock file's text: models in the order of their ids, a line a file, the same for the same models.

    Raises:
        LockFileError: There is more than a lock file may hold, or a setting that TOML cannot.
    """
    import tomlkit

    document = tomlkit.document()
    document["version"] = FORMAT
    listed = tomlkit.aot()
    for model in sorted(lock.models, key=lambda model: model.model_id):
        try:
            listed.append(_model_table(model))  # pyright: ignore[reportUnknownMemberType]
        except ValueError as error:  # also what tomlkit raises
            raise LockFileError(
                f"The settings of {model.model_id} cannot be written to a lock file: {_reason(error)}",
                model_id=model.model_id,
                hint="Use only text, numbers, booleans and lists in its configuration.",
            ) from None
    if lock.models:
        document["model"] = listed
    text = _HEADER + tomlkit.dumps(document)  # pyright: ignore[reportUnknownMemberType]
    if len(text.encode()) > MAX_LOCK:
        raise LockFileError(
            f"The lock file would be larger than {MAX_LOCK >> 20} MiB", hint="Register fewer models before freezing."
        )
    return text


def read_lock(path: Path, name: str) -> LockFile:
    """Read a lock file.

    Raises:
        LockFileError: It cannot be read, or see `parse_lock`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise LockFileError(f"{name} is no file", hint="Give the name of a lock file.")
        with path.open("rb") as file:
            data = file.read(MAX_LOCK + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise LockFileError(
            f"{name} cannot be read: {_reason(error)}",
            hint="Check the name and the folder; `%rmm freeze` writes a lock file.",
        ) from None
    return parse_lock(data, name)


def write_lock(path: Path, lock: LockFile, name: str) -> None:
    """Write a lock file in one step; what was there stays until then.

    Raises:
        LockFileError: It cannot be written, or something that is no lock file is in its place.
    """
    data = render_lock(lock).encode()
    try:
        target = Path(os.path.realpath(path))  # a link stays one
        _check_replaceable(target, name)
        new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with new.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
        except OSError:
            new.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        raise LockFileError(
            f"{name} cannot be written: {_reason(error)}", hint="Check the folder, its permissions and the free space."
        ) from None


def _check_replaceable(target: Path, name: str) -> None:
    """Refuse to write over what is no lock file; one with a merge's marks in it still is one."""
    try:
        if stat.S_ISREG(target.stat().st_mode):
            with target.open("rb") as file:
                start = file.read(len(_MARK) + 3).removeprefix(b"\xef\xbb\xbf")
            if not start or start.startswith(_MARK.encode()):
                return
    except FileNotFoundError:
        return
    raise LockFileError(f"{name} is there and is no lock file, so it is left alone", hint="Give another name.")


def _model_table(model: LockedModel) -> Table:
    import tomlkit

    table = tomlkit.table()
    for key, value in (
        ("id", model.model_id),
        ("type", model.model_type.value),
        ("repository", model.repo_id),
        ("revision", model.revision),
        ("commit", model.commit),
        ("allow_patterns", model.allow_patterns),
        ("ignore_patterns", model.ignore_patterns),
        ("config", model.config or None),
    ):
        if isinstance(value, Mapping):
            table.append(key, _inline({each: value[each] for each in sorted(value)}))
        elif value is not None:
            table.append(key, thaw(value))
    table.append("files", _lines(sorted(model.files, key=lambda file: file.path)))
    return table


def _lines(files: Iterable[LockedFile]) -> Array:
    import tomlkit

    array = tomlkit.array()
    array.multiline(True)
    for file in files:
        kind = "sha256" if file.sha256 is not None else "git-sha1"
        array.append(_inline({"path": file.path, "size": file.size, kind: file.digest}))  # pyright: ignore[reportUnknownMemberType]
    return array


def _inline(values: Mapping[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    for key, value in values.items():
        table.append(key, thaw(value))
    return table


def _refuse_long_keys(text: str) -> None:
    """Refuse keys of very many parts, with which a small file could keep the parser busy for hours.

    Raises:
        ValueError: There is one; or a text of several lines, in which one could hide.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") <= _MOST_DOTS and '"""' not in line and "'''" not in line:
            continue
        if any(found["lines"] for found in _QUOTED.finditer(line)):
            raise ValueError(f"line {number} begins a text of several lines, which a lock file has none of")
        if _QUOTED.sub("", line).count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} has a key of too many parts")


def _refuse_twice(values: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what}, {value} is there twice")
        seen.add(value)


def _reason(error: BaseException) -> str:
    """Why, on one line: the system's words for its errors."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return names.visible(str(error), 300)
