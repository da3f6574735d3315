"""One ONNX file in memory: opening it safely on a device, and running it with named inputs.

What the numbers mean is for the modules per type.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import LoadError, UnsupportedModelError
from ..threads import thread_limit
from .external_data import check_external_data
from .names import pick_file

__all__ = ["Array", "Opener", "Session", "find_file"]

Array: TypeAlias = NDArray[Any]

_MOST_THREADS = 4
_ERRORS_ONLY = 3
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(bool)": np.dtype(np.bool_),
}


class Session:
    """An open ONNX file. Inputs are cast to the types that the file asks for.

    Attributes:
        name: File name, for messages.
        inputs, outputs: Names, in the file's order.
        metadata: What its makers wrote into it.
    """

    def __init__(self, session: Any, name: str) -> None:
        """Wrap an `onnxruntime.InferenceSession`."""
        self._session = session
        self._dtypes: dict[str, np.dtype[Any] | None] = {
            each.name: _DTYPES.get(each.type) for each in session.get_inputs()
        }
        self._shapes: dict[str, list[Any]] = {each.name: list(each.shape) for each in session.get_inputs()}
        self._output_shapes: dict[str, list[Any]] = {each.name: list(each.shape) for each in session.get_outputs()}
        self.name = name
        self.inputs: tuple[str, ...] = tuple(self._dtypes)
        self.outputs: tuple[str, ...] = tuple(self._output_shapes)
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    @classmethod
    def open(cls, path: Path, device: str) -> Session:
        """Read an ONNX file onto "cpu" or "cuda" (also "cuda:1").

        Raises:
            UnsafeModelError: It takes weights from outside its folder.
            LoadError: It is damaged, or the device is not there.
        """
        onnxruntime: Any = importlib.import_module("onnxruntime")
        onnxruntime.disable_telemetry_events()
        provider, settings = _provider(device, onnxruntime.get_available_providers())
        check_external_data(path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = thread_limit(_MOST_THREADS)
        # Threads that spin while they wait would take whole cores from the notebook.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions share no base
            raise LoadError(
                f"{path.name} cannot be opened: {error}",
                hint="Run `%rmm verify` on the model; if its files are whole, the file needs a newer onnxruntime.",
            ) from None
        if provider not in session.get_providers():
            raise LoadError(f"onnxruntime could not use the device {device!r}", hint="Load with device='cpu'.")
        return cls(session, path.name)

    def size(self, name: str, axis: int) -> int | None:
        """The length of an input's axis where the file fixes it."""
        return _fixed(self._shapes.get(name, []), axis)

    def output_size(self, name: str, axis: int) -> int | None:
        """The length of an output's axis where the file fixes it."""
        return _fixed(self._output_shapes.get(name, []), axis)

    def rank(self, name: str) -> int:
        """How many axes an input has."""
        return len(self._shapes.get(name, []))

    def expect(self, *known: str) -> None:
        """Refuse a file that asks for an input other than these.

        Raises:
            UnsupportedModelError: It does.
        """
        unknown = [name for name in self.inputs if name not in known]
        if unknown:
            raise UnsupportedModelError(
                f"{self.name} asks for inputs that this loader does not know: {', '.join(unknown)}",
                hint="Choose an export of the model with plain inputs (for decoders: without a cache).",
            )

    def run(self, feed: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Run once; of `feed`, only what the file asks for is used."""
        typed = {name: feed[name].astype(self._dtypes[name] or feed[name].dtype, copy=False) for name in self.inputs}
        results: list[Any] = self._session.run(list(outputs or self.outputs), typed)
        return [np.asarray(result) for result in results]


Opener: TypeAlias = Callable[[Path], Session]
"""Opens an ONNX file on the device that was chosen; gives up where the load was cancelled."""


def find_file(folder: Path, *names: str) -> Path:
    """The first of these ONNX files that the repository has, in `onnx/` or at its root; a lone other file too.

    Args:
        folder: The repository.
        names: File names without ending, best first. Where the plain file is not there, its half-precision
            or quantised form will do (`model_fp16`, `model_quantized` ...).

    Raises:
        UnsupportedModelError: There is none, or several and none with a known name.
    """
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.onnx"))]
    picked = pick_file(found, names)
    if picked is not None:
        return folder / picked
    shown = ", ".join(found[:8]) or "none"
    raise UnsupportedModelError(
        f"The repository has no ONNX file named {' or '.join(names)} (it has: {shown})",
        hint="Choose a repository with a standard export, or keep only the file to use.",
    )


def _fixed(shape: list[Any], axis: int) -> int | None:
    length = shape[axis] if -len(shape) <= axis < len(shape) else None
    return length if isinstance(length, int) and length > 0 else None


def _provider(device: str, available: Sequence[str]) -> tuple[str, dict[str, str]]:
    """onnxruntime's name and settings for a device."""
    kind, _, number = device.partition(":")
    provider = _PROVIDERS.get(kind)
    if provider is None or provider not in available or (number and not number.isdecimal()):
        usable = ", ".join(name for name, each in _PROVIDERS.items() if each in available)
        raise LoadError(
            f"The device {device!r} is not available to onnxruntime here (available: {usable})",
            hint="Load with device='cpu', or install onnxruntime-gpu on a machine with a CUDA GPU.",
        )
    return provider, {"device_id": number} if number and kind == "cuda" else {}
