"""The kernel's default manager: the one that magics, panels and the demo use."""

from __future__ import annotations

import threading
from typing import Any

from .comm_targets import offer
from .manager import ModelManager

__all__ = ["get_manager", "has_manager", "use_for_default"]

_default: ModelManager | None = None
_default_settings: dict[str, Any] = {}
_default_lock = threading.Lock()


def get_manager() -> ModelManager:
    """The kernel's default manager, the one that magics and panels show; made on first use."""
    global _default
    with _default_lock:
        if _default is None or _default.closed:
            shell = _ipython()
            _default = ModelManager(parent=shell, **_default_settings)
            if shell is not None:
                _offer_settings(shell, _default)
                if hasattr(shell, "kernel"):
                    offer()
        return _default


def has_manager() -> bool:
    """Whether the default manager has been made; a panel of any version asks this by name."""
    return _default is not None and not _default.closed


def use_for_default(**settings: Any) -> None:
    """Set what the default manager is made with; one that exists already is changed, apart from its data_dir."""
    ModelManager.refuse_unknown(settings)
    with _default_lock:
        _default_settings.update(settings)
        if _default is not None and not _default.closed:
            for name, value in settings.items():
                if name != "data_dir":
                    setattr(_default, name, value)


def _offer_settings(shell: Any, manager: ModelManager) -> None:
    """Let `%config ModelManager` show and change the settings of the default manager."""
    others = [each for each in shell.configurables if not isinstance(each, ModelManager)]
    shell.configurables[:] = [*others, manager]


def _ipython() -> Any:
    """The running IPython, whose configuration files then apply; None outside of one."""
    import sys

    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()
