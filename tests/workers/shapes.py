"""Exceptions of every shape that models and their libraries raise, and some that only malice would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import NoReturn

from rmm_widgets import errors

HUGE = "x" * (10 << 20)


class TwoArguments(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("cannot be pickled")
        self.lock = threading.Lock()
        self.function = lambda: None

    def __reduce__(self) -> NoReturn:
        raise TypeError("never")


class JustBase(BaseException):
    pass


class StrRaises(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


class StrIsNoText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307


class ReprRaises(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class HostileMeta(Exception, metaclass=Nameless):
    pass


class FakeClass(Exception):
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError("no class")


class HintIsNoText(errors.LoadError):
    def __init__(self) -> None:
        super().__init__("odd hint")
        self.hint = 7  # type: ignore[assignment]


LoadError = type("LoadError", (Exception,), {})
"""A class of somebody else with the name of one of ours."""


def _recursion() -> BaseException:
    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        return error
    raise AssertionError


def _chain() -> BaseException:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        return error


def _cycle() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    return first


def _notes() -> BaseException:
    error = ValueError("with notes")
    error.add_note(HUGE)
    return error


def _deep_group() -> BaseException:
    error: Exception = ValueError("leaf")
    for _ in range(200):
        error = ExceptionGroup("group", [error])
    return error


SHAPES: dict[str, Callable[[], BaseException]] = {
    "plain": lambda: ValueError("a plain one"),
    "empty": lambda: ValueError(),
    "two arguments": lambda: TwoArguments("a", "b"),
    "unpicklable": Unpicklable,
    "base": lambda: JustBase("not an Exception"),
    "exit": lambda: SystemExit(3),
    "exit without code": lambda: SystemExit(),
    "interrupt": lambda: KeyboardInterrupt(),
    "generator exit": lambda: GeneratorExit(),
    "stop iteration": lambda: StopIteration(1),
    "stop async iteration": lambda: StopAsyncIteration(),
    "cancelled": lambda: CancelledError(),
    "timeout": lambda: TimeoutError("slow disk"),
    "memory": lambda: MemoryError("Unable to allocate 9 TiB"),
    "os error": lambda: FileNotFoundError(2, "No such file", "/nowhere"),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "key": lambda: KeyError("missing"),
    "assertion": lambda: AssertionError(),
    "huge": lambda: RuntimeError(HUGE),
    "huge arguments": lambda: RuntimeError([HUGE, HUGE]),
    "huge name": lambda: type("N" * 100_000, (Exception,), {})("long name"),
    "huge notes": _notes,
    "ansi": lambda: RuntimeError("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x9b1m bell\x07 \r\nend"),
    "html": lambda: RuntimeError("<script>alert(1)</script>"),
    "nul": lambda: RuntimeError("a\0b"),
    "surrogates": lambda: RuntimeError("lone \ud800 surrogate"),
    "str raises": StrRaises,
    "str exits": StrExits,
    "str is no text": StrIsNoText,
    "repr raises": lambda: ReprRaises("fine"),
    "hostile metaclass": lambda: HostileMeta("no name"),
    "hostile class": lambda: FakeClass("no class"),
    "group": lambda: ExceptionGroup("several", [ValueError("1"), TypeError("2")]),
    "deep group": _deep_group,
    "recursion": _recursion,
    "chain": _chain,
    "cycle": _cycle,
    "odd hint": HintIsNoText,
    "foreign namesake": lambda: LoadError("not ours"),
    "ours": lambda: errors.MissingDependencyError("needs numpy", hint="pip install numpy"),
    "ours, died": lambda: errors.WorkerDiedError("not really", signal=9),
    "ours, call": lambda: errors.CallError("nested", remote_type="X", remote_traceback="Y"),
}
"""Name of a shape to what makes it; made anew each time, where it is raised."""
