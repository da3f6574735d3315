"""Writes the errors of docs/troubleshooting.md from the guide: `python docs/generate_troubleshooting.py`."""

from __future__ import annotations

import re
from pathlib import Path

from rmm_widgets.commands.error_views import steps_text, wrapped
from rmm_widgets.error_guide.guide import GROUPS
from rmm_widgets.error_guide.records import ErrorEntry, ErrorGroup

TARGET = Path(__file__).parent / "troubleshooting.md"
WIDTH = 120
BEGIN = "<!-- Errors: {title}. Written by docs/generate_troubleshooting.py; change rmm_widgets/error_guide instead. -->"
END = "<!-- End of errors -->"


def document(page: str) -> str:
    """The page with the errors of every group between its markers as the guide has them now.

    Raises:
        ValueError: The page has not one pair of markers for each group.
    """
    for group in GROUPS:
        begin = BEGIN.format(title=group.title)
        between = re.compile(f"{re.escape(begin)}\n.*?{re.escape(END)}", re.DOTALL)
        page, places = between.subn(lambda _: f"{begin}\n\n{_group(group)}\n{END}", page)  # noqa: B023 - called at once
        if places != 1:
            raise ValueError(f"the page has {places} places for {group.title!r}")
    return page


def _group(group: ErrorGroup) -> str:
    return "\n".join(map(_entry, group.entries))


def _entry(entry: ErrorEntry) -> str:
    parts = [f"### {entry.name}", wrapped(entry.meaning, WIDTH), steps_text(entry.steps, WIDTH)]
    if entry.example:
        parts.append(f"```python\n{entry.example}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
