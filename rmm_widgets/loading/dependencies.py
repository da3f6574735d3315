"""The libraries that loaders need and that may not be there."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution

from ..errors import LoadError, MissingDependencyError
from .loader import Loader

__all__ = ["missing_packages", "not_installed", "require", "version_of"]

_PACKAGES = {"PIL": "pillow", "llama_cpp": "llama-cpp-python"}


def missing_packages(loader: Loader) -> tuple[str, ...]:
    """What pip would have to install before the loader can be used, its library first; imports nothing."""
    modules = {module.partition(".")[0]: None for module in loader.preload}
    packages = {module: loader.library if _is_module_of(module, loader) else _package(module) for module in modules}
    missing = {package: None for module, package in packages.items() if not _can_be_found(module)}
    if loader.library not in packages.values() and not _is_there(loader.library):
        missing[loader.library] = None
    return tuple(sorted(missing, key=lambda package: package != loader.library))


def require(*modules: str, model_id: str | None = None, extra: str | None = None) -> None:
    """Import the modules, or say how to install all that are missing.

    Args:
        modules: Their names.
        model_id: For messages.
        extra: The extra of this package that brings all of them in versions that fit.

    Raises:
        MissingDependencyError: At least one is not installed; the hint is the line that installs them.
        LoadError: One is installed and cannot be imported.
    """
    missing: list[str] = []
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise _broken(module, error, model_id) from error
            missing.append(_package(module))
        except (ImportError, OSError) as error:
            raise _broken(module, error, model_id) from error
    if missing:
        raise not_installed(missing, model_id=model_id, extra=extra)


def version_of(module: str) -> str:
    """The version of a library that is imported, as it tells itself; its metadata would be searched for long."""
    return str(getattr(sys.modules[module], "__version__", "of an unknown version"))


def not_installed(
    packages: Sequence[str], *, model_id: str | None = None, extra: str | None = None
) -> MissingDependencyError:
    """The error about packages that are missing, with the line that installs them or the extra that brings them."""
    names = f'"rmm_widgets[{extra}]"' if extra else " ".join(packages)
    return MissingDependencyError(
        f"This model needs {' and '.join(packages)}, not installed here",
        model_id=model_id,
        hint=f"Run `pip install {names}` (in a notebook: %pip install {names}), then load the model again.",
    )


def _package(module: str) -> str:
    return _PACKAGES.get(module, module)


def _is_module_of(module: str, loader: Loader) -> bool:
    return module == loader.library.replace("-", "_")


def _can_be_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is imported already, and has no spec
        return True


def _is_there(name: str) -> bool:
    """Whether there is such a distribution, or another one with its module, as onnxruntime-gpu has onnxruntime's."""
    if _can_be_found(name.replace("-", "_")):
        return True
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _broken(module: str, error: Exception, model_id: str | None) -> LoadError:
    package = _package(module)
    return LoadError(
        f"{package} is installed but cannot be imported: {error}",
        model_id=model_id,
        hint=f"Reinstall it: `pip install --force-reinstall {package}`.",
    )
