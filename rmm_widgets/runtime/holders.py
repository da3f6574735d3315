"""Who keeps a model alive that was unloaded in the kernel: the user's variables, `Out`, the last traceback.

Looks down from the places where notebooks keep things, through at most a few thousand objects, rather than up
from the model: asking Python who refers to an object reads every object there is, and stops the kernel meanwhile.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["Witness"]

_DEPTH = 4
"""References from a variable to the model that are followed."""
_LOOKED_AT = 20_000
"""Objects that are looked at in all."""
_NAMED = 8
_PARTS = 16
"""Attributes of a model that are watched beside it."""
_OUTPUTS = ("Out", "_oh")
_CLOSED = (types.ModuleType, types.BuiltinFunctionType, type, str, bytes, int, float, complex)
"""What is not looked into."""


class Witness:
    """Remembers, without keeping it alive, the object that a servable loaded, and its largest parts."""

    def __init__(self, model: object) -> None:
        attributes = getattr(model, "__dict__", None)
        parts = list(cast("Mapping[str, object]", attributes).values()) if isinstance(attributes, dict) else []
        self._model = _reference(model)
        self._parts = [ref for part in parts[:_PARTS] if (ref := _reference(part)) is not None]

    def holders(self) -> tuple[str, ...]:
        """What still holds the model or a part of it, in words; empty where it is gone.

        Blocks, so call it off the event loop. Parts count only where a variable has them: libraries keep some.
        """
        references = [ref for ref in (self._model, *self._parts) if ref is not None]
        if all(ref() is None for ref in references):
            return ()
        gc.collect()  # it stops every thread, so only where something is left
        targets = frozenset(id(alive) for ref in references if (alive := ref()) is not None)
        named = tuple(_named(targets)) if targets else ()
        if named or self._model is None or self._model() is None:
            return named
        return (_unnamed(self._model),)


def _reference(value: object) -> weakref.ref[Any] | None:
    if issubclass(type(value), _CLOSED):
        return None
    try:
        return weakref.ref(value)
    except TypeError:
        return None  # plain containers and some records cannot be watched


def _named(targets: frozenset[int]) -> list[str]:
    found: list[str] = []
    budget = _Budget(_LOOKED_AT)
    for name, value in _roots():
        if len(found) == _NAMED:
            found.append("and more")
            break
        if _leads_to(value, targets, budget):
            found.append(name)
    return found


def _roots() -> Iterator[tuple[str, object]]:
    """The places where a notebook keeps objects, and what people call them."""
    namespace = vars(sys.modules["__main__"])
    outputs: dict[int, object] = {}
    for name, value in list(namespace.items()):
        if name in _OUTPUTS and issubclass(type(value), dict):
            outputs |= cast("dict[int, object]", value)
        elif not name.startswith("__") or name in {"__", "___"}:
            yield f"variable {name}", value
    for number, value in outputs.items():
        yield f"Out[{number}]", value
    for name in ("last_exc", "last_value"):
        error = getattr(sys, name, None)
        if isinstance(error, BaseException):
            yield f"the last error (sys.{name})", [error, *_locals(error.__traceback__)]
            return


def _locals(traceback: types.TracebackType | None) -> Iterator[object]:
    while traceback is not None:
        yield dict(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left


def _leads_to(root: object, targets: frozenset[int], budget: _Budget) -> bool:
    """Whether a target can be reached from an object within `_DEPTH` references."""
    waiting = deque([(root, 0)])
    seen = {id(root)}
    while waiting and budget.left > 0:
        value, depth = waiting.popleft()
        budget.left -= 1
        if id(value) in targets:
            return True
        if depth == _DEPTH:
            continue
        for inner in _inside(value):
            if id(inner) not in seen:
                seen.add(id(inner))
                waiting.append((inner, depth + 1))
    return False


def _inside(value: object) -> Sequence[object]:
    """What an object refers to, as far as it is worth looking at.

    Not the manager's own objects, which lead everywhere and hold no model that was unloaded, nor what a function's
    module knows. Types are asked, not objects: an object may answer with code of its own.
    """
    if type(value) is types.FunctionType:
        return (*(value.__closure__ or ()), *(value.__defaults__ or ()))
    if issubclass(type(value), _CLOSED) or type(value).__module__.startswith("rmm_widgets."):
        return ()
    return gc.get_referents(value)


def _unnamed(reference: weakref.ref[Any]) -> str:
    """One look at everything, for the kind at least of what holds a model that no variable has."""
    for holder in gc.get_referrers(reference()):
        if isinstance(holder, types.FrameType):
            if holder.f_code.co_filename != __file__:
                return f"a running function, {holder.f_code.co_name}"
            continue
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", None) is holder:
                return f"the module {module.__name__}"
        return f"an object of type {type(holder).__qualname__}"
    return "something outside of Python"
