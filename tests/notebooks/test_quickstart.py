"""The quickstart is small, clean, and gives the same whenever it is run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from .execute import WIDGET, clean, read, run_all, running

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICKSTART = ROOT / "notebooks" / "01-quickstart.ipynb"
IGNORED = "nbval-ignore-output"
OF_THIS_MACHINE = re.compile(
    r"(?<![\w.:/<])/(?:home|root|tmp|Users|usr|var|opt|mnt|srv|private)/|0x[0-9a-f]{6,}|127\.0\.0\.1"
)
LARGEST = 200_000
"""Bytes of a stored notebook."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_stored_notebooks_are_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < LARGEST
    assert OF_THIS_MACHINE.findall(text) == []
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", []))
        assert not any(WIDGET in output.get("data", {}) for output in cell.outputs)


def test_the_pattern_for_paths_finds_some() -> None:
    assert OF_THIS_MACHINE.search("'/home/me/x'")
    assert OF_THIS_MACHINE.search("<T at 0x7f00aa11>")
    assert not OF_THIS_MACHINE.search("https://huggingface.co/home/x </root/>")


@pytest.mark.slow
def test_running_all_again_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice in one kernel, and once more in a new one that finds the downloads of the first."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    stored = read(QUICKSTART)
    for rounds in (2, 1):
        notebook = read(QUICKSTART)
        with running(notebook, tmp_path) as client:
            for _ in range(rounds):
                run_all(client)
                assert _outputs(notebook) == _outputs(stored)


def test_cleaning_takes_away_what_is_of_one_run() -> None:
    notebook = read(QUICKSTART)
    before = json.dumps(notebook)
    cell = next(cell for cell in notebook.cells if cell.get("outputs"))
    cell.execution_count = cell.outputs[0].execution_count = 77
    cell.outputs[0].data[WIDGET] = {"model_id": "1"}
    notebook.metadata.widgets = {"state": {}}
    clean(notebook)
    assert json.dumps(notebook) == before


def _outputs(notebook: NotebookNode) -> dict[str, list[object]]:
    """What strict cells show, by the cell's id. Pictures are left out: they depend on the version of Pillow."""
    return {
        cell.id: _shown(cell)
        for cell in notebook.cells
        if cell.cell_type == "code" and IGNORED not in cell.metadata.get("tags", [])
    }


def _shown(cell: NotebookNode) -> list[object]:
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    shown: list[object] = [printed] if printed else []
    for output in cell.outputs:
        if output.output_type == "error":
            shown.append((output.ename, output.evalue))
        elif output.output_type != "stream":
            shown.append({kind: text for kind, text in output.data.items() if kind.startswith("text/")})
    return shown
