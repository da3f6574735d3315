"""Opening a repository with the libraries around torch: always offline, never more trusting than the user, quiet,
and with errors that say what to do.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ....errors import (
    InsufficientMemoryError,
    LoadError,
    RMMError,
    UnsafeModelError,
    UnsupportedModelError,
)
from ...dependencies import require
from ...files import list_files, read_optional_json, require_folder
from ..holder import stop_if
from .devices import torch_dtype

__all__ = ["TRANSFORMERS", "Opening", "check_folder", "library_errors", "quiet"]

TRANSFORMERS = (
    "torch",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.image_processing_auto",
    "transformers.models.auto.processing_auto",
)
"""What takes long to import of transformers, for a loader's `preload`; the package alone imports hardly anything."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_VERIFY = "Run `%rmm verify` on the model; if its files are whole, the repository itself is at fault."


class Opening(msgspec.Struct, frozen=True):
    """How the parts of one repository are to be opened.

    Attributes:
        folder: The repository.
        device: Where the model is to run.
        dtype: A configuration's `dtype`.
        trusted: Code and pickles of the repository may be used.
        cancelled: See `Servable.load`.
    """

    folder: Path
    device: str
    dtype: str
    trusted: bool
    cancelled: Callable[[], bool]

    def offline(self) -> dict[str, Any]:
        """What every `from_pretrained` is given."""
        return {"local_files_only": True, "trust_remote_code": self.trusted}

    def with_weights(self) -> dict[str, Any]:
        """The same for those that read weights."""
        return {
            **self.offline(),
            "dtype": torch_dtype(self.dtype),
            "use_safetensors": None if self.trusted else True,
        }

    def part(self, auto: Any, folder: Path | None = None) -> Any:
        """A part without weights (a configuration, tokenizer or processor) by its Auto class."""
        stop_if(self.cancelled)
        return auto.from_pretrained(str(folder or self.folder), **self.offline())

    def model(self, auto: Any, folder: Path | None = None) -> Any:
        """The model by its class, on its device and ready to be asked.

        Args:
            auto: A class with `from_pretrained`.
            folder: Where its files are; None for the repository's root.

        Raises:
            UnsupportedModelError: The repository lacks weights of this class: they would be made up.
        """
        return self.model_without(auto, "", folder)[0]

    def model_without(self, auto: Any, part: str, folder: Path | None = None) -> tuple[Any, bool]:
        """As `model`, but a part may be missing, because it can be done without; and whether it is.

        Args:
            auto, folder: See `model`.
            part: What the names of its weights have in them; empty for none.
        """
        stop_if(self.cancelled)
        model, told = auto.from_pretrained(str(folder or self.folder), output_loading_info=True, **self.with_weights())
        missing: set[str] = set(told["missing_keys"])
        needed = sorted(name for name in missing if not part or part not in name)
        if needed:
            shown = ", ".join(needed[:4]) + (" ..." if len(needed) > 4 else "")
            raise UnsupportedModelError(
                f"The repository lacks weights of a {type(model).__name__}: {shown}",
                hint="It was trained for something else; give its right type, or choose another repository.",
            )
        stop_if(self.cancelled)
        return model.to(self.device).eval(), bool(missing)


def check_folder(folder: Path, *modules: str, extra: str, trusted: bool, model_id: str) -> None:
    """What must be true before anything of a repository is opened.

    Args:
        folder: The repository.
        modules: What has to be installed.
        extra: The extra of this package that installs it.
        trusted, model_id: See `Loader.open`.

    Raises:
        ModelNotAvailableError: There is no such folder.
        MissingDependencyError: A library is not installed.
        UnsafeModelError: It needs code or pickles, and is not trusted.
    """
    require_folder(folder, model_id=model_id)
    require(*modules, model_id=model_id, extra=extra)
    _refuse_unsafe(folder, trusted=trusted, model_id=model_id)


def _refuse_unsafe(folder: Path, *, trusted: bool, model_id: str) -> None:
    """Refuse a repository whose weights are pickles only, or that needs code of its own.

    Raises:
        UnsafeModelError: It is one, and not trusted.
    """
    if trusted:
        return
    files = list_files(folder)
    pickles = [path for path in files if path.endswith(_PICKLES)]
    if pickles and not any(path.endswith(".safetensors") for path in files):
        raise UnsafeModelError(
            f"The weights are pickles, which can hold any code: {pickles[0]}",
            model_id=model_id,
            hint="Choose a repository with *.safetensors files, or allow this very commit if you trust its authors.",
        )
    config = read_optional_json(folder / "config.json") or {}
    if config.get("auto_map") and not _known_to_transformers(config):
        raise _needs_code(model_id)


def _known_to_transformers(config: dict[str, Any]) -> bool:
    """Whether transformers knows the model type of a config.json itself."""
    known: Any = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    return config.get("model_type") in known


@contextmanager
def quiet() -> Generator[None]:
    """Without the libraries' chatter and progress bars; what was set before is set again."""
    talkers: list[Any] = [importlib.import_module("transformers.utils.logging")]
    if "diffusers" in sys.modules:
        talkers.append(importlib.import_module("diffusers.utils.logging"))
    before = [(talk, talk.get_verbosity(), talk.is_progress_bar_enabled()) for talk in talkers]
    sentences = logging.getLogger("sentence_transformers")
    level = sentences.level
    for talk in talkers:
        talk.set_verbosity_error()
        talk.disable_progress_bar()
    sentences.setLevel(logging.ERROR)
    try:
        yield
    finally:
        sentences.setLevel(level)
        for talk, verbosity, bars in before:
            talk.set_verbosity(verbosity)
            if bars:
                talk.enable_progress_bar()


@contextmanager
def library_errors(library: str) -> Generator[None]:
    """What a library raises while it opens a repository, as errors of ours."""
    try:
        yield
    except (RMMError, MemoryError):
        raise
    except Exception as error:
        raise _translated(error, library) from error


def _translated(error: Exception, library: str) -> RMMError:
    text = _first_lines(str(error))
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OutOfMemoryError" in kinds or "can't allocate memory" in text:
        return InsufficientMemoryError(
            f"Memory ran out: {text}", hint="Unload other models, use a smaller variant, or load with dtype='bfloat16'."
        )
    if "trust_remote_code" in str(error):
        return _needs_code(None)
    if "SafetensorError" in kinds or "UnpicklingError" in kinds:
        return LoadError(f"The weights are damaged: {text}", hint=_VERIFY)
    if isinstance(error, OSError):
        return LoadError(f"{library} misses a file: {text}", hint="Download the model again, with all its files.")
    if isinstance(error, ImportError):
        return LoadError(f"{library} needs something more: {text}", hint="Install what it names, then load again.")
    if isinstance(error, ValueError) and text.startswith(("Unrecognized", "The checkpoint you are trying to load")):
        return UnsupportedModelError(
            text, hint=f"Give the model's right type; a newer {library} may know it: pip install -U {library}"
        )
    return LoadError(f"{library} could not load it: {type(error).__name__}: {text}", hint=_VERIFY)


def _needs_code(model_id: str | None) -> UnsafeModelError:
    return UnsafeModelError(
        "The model needs Python code that its repository brings",
        model_id=model_id,
        hint="Read that code first; then allow this very commit, or choose a repository that needs none.",
    )


def _first_lines(text: str) -> str:
    lines: Iterable[str] = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line)[:400]
