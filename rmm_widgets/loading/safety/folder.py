"""Looks at all files of a model's folder: reads the ends of each, never more than it must, and judges them.

Reads, and opens nothing with any library. What the bytes are is for `contents`, whether that is welcome for
`policy` and `configs`.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ...names import check_file_path, visible
from ...safety_records import Finding, FindingKind, SafetyReport
from ..files import require_folder
from ..loaders.onnx.external_data import read_references
from .configs import CONFIG_LIMIT, is_config, judge_config
from .contents import REACH, Content, Sample, recognize
from .headers import header_problem
from .policy import is_raw_data, judge, suffix_of

__all__ = ["inspect_folder"]

MOST_FILES = 10_000
MOST_SECONDS = 30.0
"""Processor time for a whole folder; one that was not made to take long needs less than one second."""

_DEEPEST = 32
_OPERATORS = frozenset(
    [
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnx.training",
        "com.microsoft",
        "com.microsoft.dml",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    ]
)
"""Domains whose operators come with onnxruntime; those of any other are code that somebody would have to load."""


def inspect_folder(folder: Path) -> SafetyReport:
    """What the files of a model could do to whoever opens them. Blocks while it reads.

    Raises:
        ModelNotAvailableError: There is no such folder.
    """
    require_folder(folder)
    return _Look(folder).report()


class _Look:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = _root(folder)
        self._ends_at = time.thread_time() + MOST_SECONDS
        self._findings: list[Finding] = []
        self._formats: Counter[str] = Counter()
        self._unread: list[str] = []
        self._raw: set[str] = set()
        """Paths that ONNX files name for their weights."""

    def report(self) -> SafetyReport:
        paths: list[str] = []
        for path in self._walk(self._folder, 0):
            if len(paths) == MOST_FILES:
                self._refuse("", "limit", f"there are more than {MOST_FILES} files")
                break
            paths.append(path)
        # ONNX files first: they tell which of the others are theirs.
        for path in sorted(paths, key=lambda path: (suffix_of(path) != ".onnx", path)):
            if time.thread_time() > self._ends_at:
                self._refuse("", "limit", f"looking at the files took longer than {MOST_SECONDS:g} s")
                break
            self._look_at(path)
        return SafetyReport(
            findings=tuple(self._findings),
            formats=tuple(self._formats.most_common()),
            unread=tuple(visible(path) for path in self._unread),
        )

    def _walk(self, folder: Path, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            self._refuse("", "limit", f"folders lie deeper than {_DEEPEST}")
            return
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = Path(entry.path).relative_to(self._folder).as_posix()
                if entry.is_symlink() and not self._stays_inside(path, entry):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(entry.path), depth + 1)
                else:
                    yield path

    def _stays_inside(self, path: str, link: os.DirEntry[str]) -> bool:
        """Whether a link leads to a file of the cache; notes it where it leads elsewhere."""
        if Path(link.path).is_dir():
            self._refuse(path, "link", "a link to a folder")
            return False
        if not Path(os.path.realpath(link.path)).is_relative_to(self._root):
            self._refuse(path, "link", "a link that leads out of the cache")
            return False
        return True

    def _look_at(self, path: str) -> None:
        try:
            sample, whole = self._read(path)
        except FileNotFoundError:
            return  # a link that leads nowhere, or a file that has just gone: nobody can open it
        except OSError as error:
            self._refuse(path, "damaged", f"it cannot be read ({error.strerror})")
            return
        if sample is None:
            self._refuse(path, "link", "no ordinary file")
            return
        content = self._content(path, sample)
        finding = judge(path, content) or self._judge_inside(path, sample, whole)
        if finding is not None:
            self._refuse(path, finding.kind, finding.reason)
        elif content.format == "unknown":
            self._unread.append(path)
        else:
            self._formats[content.format] += 1

    def _judge_inside(self, path: str, sample: Sample, whole: bytes | None) -> Finding | None:
        """Why a file of a welcome format is refused nevertheless."""
        if whole is not None:
            return judge_config(path, whole)
        if is_config(path) and "config" in path.lower():
            reason = f"a configuration of {sample.size >> 20} MiB, too large to be one"
            return Finding(path=path, kind="limit", reason=reason)
        problem = header_problem(self._folder / path, suffix_of(path))
        return Finding(path=path, kind="damaged", reason=problem) if problem else None

    def _content(self, path: str, sample: Sample) -> Content:
        content = recognize(sample)
        if suffix_of(path) == ".onnx" and content.format in {"unknown", "text", "sentencepiece", "media"}:
            return self._graph(path) or content
        return Content("raw data") if is_raw_data(path, content, self._raw) else content

    def _graph(self, path: str) -> Content | None:
        """What an ONNX file is; None where it is none. It has no mark of its own, so all of it is walked."""
        try:
            files, domains, has_graph = read_references(self._folder / path)
        except ValueError:
            return None
        if not has_graph:
            return None
        for name in sorted(files):
            try:
                check_file_path(name)
            except ValueError:
                self._refuse(path, "link", f"it takes weights from outside of its folder: {visible(name)}")
            else:
                self._raw.add((Path(path).parent / name).as_posix())
        if unknown := sorted(domains - _OPERATORS):
            named = ", ".join(visible(domain, 60) for domain in unknown[:3])
            self._refuse(path, "code", f"it needs operators that onnxruntime does not have ({named})")
        return Content("onnx")

    def _read(self, path: str) -> tuple[Sample | None, bytes | None]:
        """The ends of a file, and all of it where it is a configuration; no sample where it is no ordinary file."""
        # A pipe would hold up whoever opens it.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        with os.fdopen(os.open(self._folder / path, flags), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None, None
            if is_config(path) and facts.st_size <= CONFIG_LIMIT:
                data = file.read(CONFIG_LIMIT)
                return Sample(data[:REACH], data[REACH:][-REACH:], len(data)), data
            head = file.read(REACH)
            rest = max(0, facts.st_size - len(head))
            file.seek(-min(rest, REACH), os.SEEK_END)
            return Sample(head, file.read(REACH) if rest else b"", facts.st_size), None

    def _refuse(self, path: str, kind: FindingKind, reason: str) -> None:
        self._findings.append(Finding(path=visible(path), kind=kind, reason=reason))


def _root(folder: Path) -> Path:
    """Where a link in the folder may lead: in the Hub's cache, where several may share content, all of the cache."""
    inside_cache = folder.parent.name == "snapshots"
    return Path(os.path.realpath(folder.parents[2] if inside_cache else folder))
