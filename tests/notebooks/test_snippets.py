"""What README and the API page print is run in a real kernel, and gives what they say."""

# nbformat has few annotations.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from nbformat import v4

from .execute import running

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|ipython|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _snippets(page: Path) -> list[tuple[str, str | None]]:
    """Code in the order of the page, each with the output that stands below it."""
    snippets: list[tuple[str, str | None]] = []
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "text":
            code, _ = snippets.pop()
            snippets.append((code, text))
        else:
            snippets.append((text, None))
    return snippets


@pytest.mark.parametrize(("page", "count"), [("README.md", 3), ("docs/api.md", 1)])
def test_snippets_do_what_they_say(page: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    snippets = _snippets(ROOT / page)
    assert len(snippets) == count
    folder = tmp_path / "work"
    folder.mkdir()
    cells = [f"%cd -q {folder}", *(code for code, _ in snippets)]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code) for code in cells])
    with running(notebook, tmp_path / "demo") as client:
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    for (code, expected), cell in zip(snippets, notebook.cells[1:], strict=True):
        if expected is not None:
            printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            assert printed == expected, code
