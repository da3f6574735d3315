"""L14 in the kernel: after an unload the memory is back, or the user is told who holds it."""

from __future__ import annotations

import gc
import importlib
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.loading.loaders.onnx.classification import ClassificationModel
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.holders import Witness

from .test_residents import works

MAIN = sys.modules["__main__"]


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.fixture
def notebook() -> Iterator[Callable[..., None]]:
    """Gives names in `__main__`, which is where a notebook's variables are, and takes them away in the end."""
    given: set[str] = set()  # not by monkeypatch, which would keep the old values

    def give(**names: object) -> None:
        given.update(names)
        vars(MAIN).update(names)

    yield give
    for name in given:
        del vars(MAIN)[name]


@pytest.fixture
def onnxruntime() -> None:
    """Imported here, before anybody counts open files: it keeps some."""
    importlib.import_module("onnxruntime")


def loaded_object() -> ClassificationModel:
    (found,) = [each for each in gc.get_objects() if type(each) is ClassificationModel]
    return found


def test_L14_an_unload_in_the_kernel_names_who_holds_the_model(
    onnxruntime: None,
    manager: ModelManager,
    digits: str,
    notebook: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager.load_model(digits, isolation="kernel").result(60)
    notebook(kept=[loaded_object()])
    job = manager.unload_model(digits)
    job.result(60)
    told = [event.data.get("held_by") for event in manager.events(digits) if event.type == "unload"]
    assert told == [("variable kept",)]
    assert "still held by variable kept" in caplog.text
    notebook(kept=None)
    caplog.clear()

    instance = manager.load_model(digits, isolation="kernel").result(60)
    assert works(instance)
    gone = weakref.ref(loaded_object())
    notebook(handle=instance)  # a handle is no model
    manager.unload_model(digits).result(60)
    assert gone() is None
    last = [event for event in manager.events(digits) if event.type == "unload"][-1]
    assert "held_by" not in last.data
    assert "still held" not in caplog.text


class Part:
    pass


class Model:
    def __init__(self) -> None:
        self.encoder = Part()
        self.name = "model"
        self.loop = self  # only the collector of garbage takes such a one away


def keep_in_list(model: Model) -> object:
    return {"models": [model]}


def keep_in_closure(model: Model) -> object:
    return lambda: model.name


def keep_in_default(model: Model) -> object:
    def function(held: Model = model) -> str:
        return held.name

    return function


def keep_a_method(model: Model) -> object:
    return model.__init__


def keep_a_part(model: Model) -> object:
    return model.encoder


def keep_in_an_object(model: Model) -> object:
    holder = types.SimpleNamespace()
    holder.inner = types.SimpleNamespace(model=model)
    return holder


KEEPERS: list[Callable[[Model], object]] = [
    lambda model: model,
    keep_in_list,
    keep_in_closure,
    keep_in_default,
    keep_a_method,
    keep_a_part,
    keep_in_an_object,
]


@pytest.mark.parametrize("keep", KEEPERS)
def test_a_variable_is_found(notebook: Callable[..., None], keep: Callable[[Model], object]) -> None:
    model = Model()
    witness = Witness(model)
    notebook(mine=keep(model), other=[1, "text", {}])
    del model
    assert witness.holders() == ("variable mine",)
    notebook(mine=None)
    assert witness.holders() == ()


def test_an_output_is_found(notebook: Callable[..., None]) -> None:
    model = Model()
    witness = Witness(model)
    notebook(Out={3: model}, _=model, _3=model)
    del model
    assert set(witness.holders()) == {"Out[3]", "variable _", "variable _3"}


def test_the_last_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: Model) -> None:
        raise RuntimeError(f"no {model.name}")

    model = Model()
    witness = Witness(model)
    try:
        fail(model)
    except RuntimeError as error:
        monkeypatch.setattr(sys, "last_value", error, raising=False)
        monkeypatch.delattr(sys, "last_exc", raising=False)
    del model
    assert witness.holders() == ("the last error (sys.last_value)",)
    monkeypatch.undo()
    assert witness.holders() == ()


def test_what_no_variable_has_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    witness = Witness(model)
    module = types.ModuleType("some_library")
    module.cache = model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_library", module)
    model.loop = None  # type: ignore[assignment]
    del model
    assert witness.holders() == ("the module some_library",)


def test_a_part_that_only_a_library_has_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    cached = [model.encoder]
    witness = Witness(model)
    del model
    assert witness.holders() == ()
    assert cached


def test_objects_with_code_of_their_own_are_not_asked(notebook: Callable[..., None]) -> None:
    class Rude:
        @property
        def __class__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("do not ask")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("do not compare")

        __hash__ = None  # type: ignore[assignment]

    model = Model()
    witness = Witness(model)
    notebook(rude=Rude(), mine=[Rude(), model])
    del model
    assert witness.holders() == ("variable mine",)


@pytest.mark.parametrize("model", [None, 5, [1], {"a": 1}, "text", Part])
def test_what_cannot_be_watched_is_held_by_nobody(model: object) -> None:
    assert Witness(model).holders() == ()
