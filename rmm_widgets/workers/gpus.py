"""The memory of NVIDIA GPUs, through the driver's management library: no CUDA context, which would itself take memory.

Needs the extra `gpu` (nvidia-ml-py). Where that or the driver is missing, there are no GPUs.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

__all__ = ["Gpu", "gpu_memory_of", "read_gpus", "visible_gpus"]

T = TypeVar("T")
_log = logging.getLogger("rmm_widgets")
_lock = threading.Lock()
_library: Any = None
"""The library once it is initialised: that takes long on some machines, so it stays so."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU that this process may use; `device` is its name there ("cuda:0"), sizes are bytes."""

    device: str
    name: str
    total: int
    free: int


def read_gpus() -> tuple[Gpu, ...]:
    """The GPUs, in the order in which CUDA numbers them here; may block for seconds the first time.

    CUDA counts by speed unless CUDA_DEVICE_ORDER=PCI_BUS_ID; where GPUs of different kinds are mixed, set that.
    """

    def look(library: Any, device: str, handle: Any) -> Gpu:
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        name = _text(library.nvmlDeviceGetName(handle))
        return Gpu(device=device, name=name, total=int(memory.total), free=int(memory.free))

    return tuple(_each(look))


def gpu_memory_of(pid: int) -> dict[str, int]:
    """Bytes that a process holds, by device; empty where the driver does not tell, as in some containers."""

    def look(library: Any, device: str, handle: Any) -> tuple[str, int]:
        processes = library.nvmlDeviceGetComputeRunningProcesses(handle)
        return device, sum(int(each.usedGpuMemory or 0) for each in processes if each.pid == pid)

    return {device: held for device, held in _each(look) if held}


def visible_gpus(text: str | None, uuids: Sequence[str]) -> tuple[int | str, ...]:
    """What CUDA_VISIBLE_DEVICES leaves of the GPUs, as CUDA reads it: indices, and the UUIDs of MIG instances.

    A name that fits no GPU, or more than one, ends the list.
    """
    if text is None:
        return tuple(range(len(uuids)))
    chosen: list[int | str] = []
    for name in (each.strip() for each in text.split(",")):
        fitting = [n for n, uuid in enumerate(uuids) if name.startswith("GPU-") and uuid.startswith(name)]
        if name.isdecimal() and int(name) < len(uuids):
            chosen.append(int(name))
        elif name.startswith("MIG-"):
            chosen.append(name)
        elif len(fitting) == 1:
            chosen.append(fitting[0])
        else:
            break
    return tuple(chosen)


def _each(look: Callable[[Any, str, Any], T]) -> list[T]:
    """What `look(library, device, handle)` gives for every visible GPU."""
    library = _initialised()
    if library is None:
        return []
    try:
        all_ = [library.nvmlDeviceGetHandleByIndex(n) for n in range(library.nvmlDeviceGetCount())]
        visible = visible_gpus(
            os.environ.get("CUDA_VISIBLE_DEVICES"), [_text(library.nvmlDeviceGetUUID(each)) for each in all_]
        )
        handles = [all_[each] if isinstance(each, int) else library.nvmlDeviceGetHandleByUUID(each) for each in visible]
        return [look(library, f"cuda:{n}", handle) for n, handle in enumerate(handles)]
    except library.NVMLError as error:
        _log.warning("the GPUs' driver does not answer: %s", error)
        return []


def _initialised() -> Any:
    global _library
    with _lock:
        if _library is None:
            try:
                library = importlib.import_module("pynvml")
                library.nvmlInit()
            except Exception as error:  # noqa: BLE001 - no package, no driver, another package of that name
                _log.debug("no GPUs are seen: %s", error)
                return None
            _library = library
        return _library


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
