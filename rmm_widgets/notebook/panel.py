"""The panel that `%rmm` shows: one per manager, however often it is asked for.

Every widget holds its own copy of the front end in the kernel and in a saved notebook, so a cell
that is run again shows the same one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ..manager import ModelManager
    from .widgets import ModelManagerPanel

__all__ = ["shared_panel"]

_panels: WeakKeyDictionary[ModelManager, ModelManagerPanel] = WeakKeyDictionary()
_lock = threading.Lock()


def shared_panel(manager: ModelManager) -> ModelManagerPanel:
    """The manager's panel; a new one only where it was closed.

    Raises:
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """
    from .widgets import ModelManagerPanel

    with _lock:
        panel = _panels.get(manager)
        if panel is None or panel.comm is None:
            panel = _panels[manager] = ModelManagerPanel(manager)
        return panel
