"""What a page says in its console, without what is known to come from others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.sync_api import ConsoleMessage, Page

KNOWN = (
    # JupyterLab, where a kernel ends that its debugger has just asked something.
    r"Could not restore the debugger state: Canceled future for debug_request",
    # JupyterLab, where a kernel restarts or has crashed.
    r"Connection lost, reconnecting in \d+ seconds",
    # JupyterLab's own plugins, on a machine that is busy.
    r"Plugin @jupyterlab/\S+ (is taking too long|\(with \d+ dependants\) took)",
)
"""Messages of others, as patterns that they begin with."""

_KINDS = {"error", "warning"}


class Console:
    """Remembers the errors and warnings of a page, and its uncaught errors and refused promises.

    Attributes:
        uncaught: Errors that no code caught, those of promises among them.
    """

    def __init__(self, page: Page) -> None:
        self.uncaught: list[str] = []
        self._said: list[tuple[str, str]] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.uncaught.append(str(error)))

    def forget(self) -> None:
        self.uncaught.clear()
        self._said.clear()

    def complaints(self, known: Sequence[str] = KNOWN) -> list[str]:
        """What was said that is not known to be of others."""
        said = [text for text, _ in self._said if not any(re.match(pattern, text) for pattern in known)]
        return said + [f"uncaught: {each}" for each in self.uncaught]

    def ours(self) -> list[str]:
        """What was said by the extension's own files, or names it."""
        return [text for text, place in self._said if "rmm" in f"{place} {text}"]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in _KINDS:
            self._said.append((message.text, message.location["url"]))
