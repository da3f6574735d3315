"""Streams of a real model through a manager, and what a model in the kernel is."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import onnxruntime  # noqa: F401 - here, because it opens files when it is imported, and keeps them
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import CallError, ManagerClosedError, ModelNotLoadedError
from rmm_widgets.loading import loaders
from rmm_widgets.loading.loaders.onnx.diffusion import DiffusionLM
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.loop import RuntimeLoop
from rmm_widgets.runtime.stream import CallStream
from rmm_widgets.types import ModelInfo, ModelInstance, ModelType
from rmm_widgets.workers.steps import Steps

from ..downloads.fetching import wait_until

STORIES = ModelInfo("stories", ModelType.DIFFUSION_LM, "rmm-demo/mdlm-stories")


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.fixture
def stories(manager: ModelManager) -> str:
    manager.register_model(STORIES)
    manager.download_model(STORIES.model_id).result(30)
    return STORIES.model_id


@pytest.fixture(params=["process", "kernel"])
def instance(request: pytest.FixtureRequest, manager: ModelManager, stories: str) -> ModelInstance:
    """A diffusion language model, in each place."""
    return manager.load_model(stories, isolation=request.param).result(60)


def test_the_steps_of_a_call_and_its_result(instance: ModelInstance) -> None:
    stream = instance.stream("__call__", "once", steps=5, seed=3)
    steps = list(stream)
    assert [number for number, _ in steps] == list(range(5))
    assert "[MASK]" in steps[0][1]
    assert "[MASK]" not in steps[-1][1]
    assert stream.done()
    assert stream.result() == instance("once", steps=5, seed=3)
    assert list(stream) == []


def test_the_same_in_a_coroutine(instance: ModelInstance) -> None:
    async def main() -> tuple[list[Any], Any]:
        async with instance.stream("__call__", "once", steps=4) as stream:
            steps = [step async for step in stream]
            return steps, await stream.aresult()

    steps, text = asyncio.run(main())
    assert len(steps) == 4
    assert text.startswith("once")


def test_a_result_that_is_asked_for_without_its_steps(instance: ModelInstance) -> None:
    assert instance.stream("__call__", "once", steps=30, seed=1).result(60) == instance("once", steps=30, seed=1)


def test_leaving_early_ends_the_call(instance: ModelInstance) -> None:
    for _ in instance.stream("__call__", "once", steps=30):
        break
    gc.collect()
    assert instance("once", steps=1)
    with instance.stream("__call__", "once", steps=30) as stream:
        next(stream)
    assert list(stream) == []
    assert instance("once", steps=1)


def test_a_closed_stream_has_no_result() -> None:
    async def forever() -> None:
        await asyncio.sleep(1000)

    loop = RuntimeLoop()
    stream = CallStream(loop, Steps("on_step"), forever(), "stories")
    waiting = threading.Thread(target=lambda: list(stream))
    waiting.start()
    with pytest.raises(TimeoutError):
        stream.result(0.01)
    stream.close()
    waiting.join(30)
    assert not waiting.is_alive()
    with pytest.raises(CallError, match="its stream was closed"):
        stream.result(30)
    loop.close()


def test_a_cancelled_task_ends_the_call(instance: ModelInstance) -> None:
    async def main() -> None:
        async def consume() -> None:
            async for _ in stream:
                started.set()
                await asyncio.sleep(1000)

        started = asyncio.Event()
        stream = instance.stream("__call__", "once", steps=30)
        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        await asyncio.wait({task})
        del task
        stream.close()
        assert await instance.acall("__call__", "once", steps=1)

    asyncio.run(main())


def test_what_the_model_raises_comes_after_its_steps(instance: ModelInstance) -> None:
    with pytest.raises(CallError, match="steps"):
        list(instance.stream("__call__", "once", steps=-1))
    with pytest.raises(CallError, match="no method 'nothing'"):
        instance.stream("nothing").result(30)


def test_wrong_arguments_are_refused_at_once(instance: ModelInstance) -> None:
    with pytest.raises(TypeError, match="what the stream gives"):
        instance.stream("__call__", "once", on_step=print)
    with pytest.raises(TypeError, match="name of an argument"):
        instance.stream("__call__", "once", callback="no name")
    with pytest.raises(ValueError, match="timeout"):
        instance.stream("__call__", "once", timeout=0)


def test_a_stream_of_a_model_that_is_not_loaded_any_more(manager: ModelManager, instance: ModelInstance) -> None:
    manager.unload_model("stories").result(30)
    with pytest.raises(ModelNotLoadedError):
        list(instance.stream("__call__", "once"))


def test_closing_the_manager_ends_a_stream(manager: ModelManager, instance: ModelInstance) -> None:
    stream = instance.stream("__call__", "once", steps=30)
    next(stream)
    manager.close()
    try:
        assert stream.result(30).startswith("once")  # it had come to its end before
    except (ManagerClosedError, CallError, ModelNotLoadedError):
        pass
    with pytest.raises(ManagerClosedError):
        instance.stream("__call__", "once")


def test_a_cancelled_acall_ends_the_call(instance: ModelInstance) -> None:
    """At its next step; the model stays."""

    async def main() -> None:
        began = threading.Event()
        call = asyncio.create_task(
            instance.acall("__call__", "once", steps=30, on_step=lambda *_: (began.set(), time.sleep(0.01)))
        )
        await asyncio.to_thread(began.wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await instance.acall("__call__", "once", steps=1)

    asyncio.run(main())


def test_the_object_itself_in_the_kernel_and_a_proxy_elsewhere(manager: ModelManager, stories: str) -> None:
    proxy = manager.load_model(stories).result(60).model
    assert not isinstance(proxy, DiffusionLM)
    assert proxy("once", steps=2, seed=1)
    manager.unload_model(stories).result(30)
    instance = manager.load_model(stories, isolation="kernel").result(60)
    assert isinstance(instance.model, DiffusionLM)
    assert instance.model("once", steps=2, seed=1) == proxy_text(instance)
    manager.unload_model(stories).result(30)
    with pytest.raises(ModelNotLoadedError):
        instance.model("once")


def proxy_text(instance: ModelInstance) -> Any:
    return instance("once", steps=2, seed=1)


class Watched:
    """A loader's servable whose loads are counted while they run."""

    running = 0
    most = 0
    lock = threading.Lock()

    def __init__(self, servable: Any, release: threading.Event) -> None:
        self._servable = servable
        self._release = release

    def load(self, *arguments: Any) -> Any:
        with Watched.lock:
            Watched.running += 1
            Watched.most = max(Watched.most, Watched.running)
        try:
            self._release.wait(30)
            return self._servable.load(*arguments)
        finally:
            with Watched.lock:
                Watched.running -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._servable, name)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Loads in the kernel wait for the event."""
    Watched.most = Watched.running = 0
    release = threading.Event()
    open_servable: Callable[..., Any] = loaders.open_servable
    monkeypatch.setattr(loaders, "open_servable", lambda *a, **k: Watched(open_servable(*a, **k), release))
    yield release
    release.set()


def add_models(manager: ModelManager, count: int) -> list[str]:
    names = [f"stories-{number}" for number in range(count)]
    for name in names:
        manager.register_model(ModelInfo(name, ModelType.DIFFUSION_LM, "rmm-demo/mdlm-stories"))
        manager.download_model(name).result(30)
    return names


def test_loads_in_the_kernel_run_one_at_a_time_and_others_beside_them(
    make_manager: Callable[..., ModelManager], watched: threading.Event
) -> None:
    manager = make_manager(max_concurrent_loads=4)
    names = add_models(manager, 4)
    jobs = [manager.load_model(name, isolation="kernel") for name in names[:3]]
    wait_until(lambda: Watched.running == 1)
    manager.load_model(names[3], isolation="process").result(60)
    assert Watched.running == 1
    assert not any(job.done() for job in jobs)
    watched.set()
    for job in jobs:
        job.result(60)
    assert Watched.most == 1


def test_a_load_that_waits_for_its_turn_can_be_cancelled(
    make_manager: Callable[..., ModelManager], watched: threading.Event
) -> None:
    manager = make_manager(max_concurrent_loads=4)
    names = add_models(manager, 2)
    first, second = (manager.load_model(name, isolation="kernel") for name in names)
    wait_until(lambda: Watched.running == 1)
    assert second.cancel()
    wait_until(second.done)
    assert second.cancelled()
    assert not first.done()
    watched.set()
    first.result(60)
