"""Where a torch model runs: devices, precision, threads, and giving memory back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import re
import sys
from typing import Any

from ....errors import LoadError
from ..threads import thread_limit

__all__ = ["available_devices", "choose_device", "limit_threads", "release_memory", "torch_dtype"]

_DEVICE = re.compile(r"(cpu|mps|cuda)(?::(\d{1,3}))?")


def available_devices() -> list[str]:
    """The devices that torch can use here, the best first; each GPU of several by number."""
    torch = _torch()
    found = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(asked: str | None, *, force_cpu: bool) -> str:
    """The device for a load: what was asked for, else a GPU where there is one.

    Raises:
        LoadError: What was asked for is not there.
    """
    if force_cpu:
        return "cpu"
    there = available_devices()
    if asked is None:
        return there[0].partition(":")[0]
    fits = _DEVICE.fullmatch(asked)
    if fits is None or (asked not in there and not any(asked == each.partition(":")[0] for each in there)):
        raise LoadError(
            f"The device {asked!r} is not available to torch here (available: {', '.join(there)})",
            hint="Load with one of the available devices, or leave device out.",
        )
    return asked


def torch_dtype(name: str) -> Any:
    """The torch dtype of a configuration's `dtype`; "auto" stays as it is."""
    return name if name == "auto" else getattr(_torch(), name)


def limit_threads() -> None:
    """Leave a core to each thread of torch, unless OMP_NUM_THREADS says how many; never raises their number.

    torch alone would take all logical cores, of which two share the units that it needs.

    Raises:
        LoadError: RMM_NUM_THREADS holds no number.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    torch, limit = _torch(), thread_limit()
    if torch.get_num_threads() > limit:
        torch.set_num_threads(limit)


def release_memory() -> None:
    """Give back what torch and Python hold for a model that was dropped."""
    gc.collect()  # modules and their hooks refer to each other
    torch = _torch()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # only glibc keeps freed memory, and only it has this
            ctypes.CDLL(None).malloc_trim(0)


def _torch() -> Any:
    return importlib.import_module("torch")
