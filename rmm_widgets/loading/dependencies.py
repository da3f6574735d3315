"""The libraries that loaders need and that may not be there."""

from __future__ import annotations

import importlib

from ..errors import LoadError, MissingDependencyError

__all__ = ["require"]

_PACKAGES = {"PIL": "pillow", "llama_cpp": "llama-cpp-python"}


def require(*modules: str, model_id: str | None = None) -> None:
    """Import the modules, or say how to install all that are missing.

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
            missing.append(_PACKAGES.get(module, module))
        except (ImportError, OSError) as error:
            raise _broken(module, error, model_id) from error
    if missing:
        names = " ".join(missing)
        raise MissingDependencyError(
            f"This model needs {' and '.join(missing)}, not installed here",
            model_id=model_id,
            hint=f"Run `pip install {names}` (in a notebook: %pip install {names}), then load the model again.",
        )


def _broken(module: str, error: Exception, model_id: str | None) -> LoadError:
    package = _PACKAGES.get(module, module)
    return LoadError(
        f"{package} is installed but cannot be imported: {error}",
        model_id=model_id,
        hint=f"Reinstall it: `pip install --force-reinstall {package}`.",
    )
