"""The notebooks are small, clean, lead on to one another, and give the same whenever they are run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode, v4

from rmm_widgets.demo.server import DemoHub

from .execute import TWIN, WIDGET, clean, read, run_all, running

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICKSTART = ROOT / "notebooks" / "01-quickstart.ipynb"
IGNORED = "nbval-ignore-output"
SHARING = [path for path in NOTEBOOKS if path != QUICKSTART and "demo.start()" in path.read_text(encoding="utf-8")]
"""Those that use the demo's folder; the others make all they use, in a temporary one."""
OF_THIS_MACHINE = re.compile(
    r"(?<![\w.:/<])/(?:home|root|tmp|Users|usr|var|opt|mnt|srv|private)/|0x[0-9a-f]{6,}|127\.0\.0\.1"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
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
        assert not re.search(r"demo\.start\([^)]", cell.source), "under `make demo` others use that hub"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_links_lead_to_the_other_notebooks(path: Path) -> None:
    texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    links = [link for text in texts for link in LINK.findall(text) if not link.startswith("https://")]
    assert links or path == NOTEBOOKS[-1]
    assert [link for link in links if not (path.parent / link).exists()] == []


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


@pytest.mark.slow
@pytest.mark.parametrize("path", SHARING, ids=lambda path: path.name)
def test_running_all_again_under_make_demo_gives_the_same(
    path: Path, hub: DemoHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in one kernel, with the hub that `make demo` runs for all notebooks."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    stored, notebook = read(path), read(path)
    with running(notebook, tmp_path, hub_url=hub.url) as client:
        for _ in range(2):
            run_all(client)
            assert _outputs(notebook) == _outputs(stored)


def test_cleaning_takes_away_what_is_of_one_run() -> None:
    notebook = read(QUICKSTART)
    before = json.dumps(notebook)
    result = next(cell for cell in notebook.cells if cell.get("outputs"))
    result.execution_count = result.outputs[0].execution_count = 77
    result.outputs[0].data[WIDGET] = {"model_id": "1"}
    picture = next(output for output in _all_outputs(notebook) if "image/png" in output.get("data", {}))
    picture.data["image/jpeg"] = picture.data["image/png"]
    shown = next(cell for cell in notebook.cells if cell.get("outputs") and TWIN in json.dumps(cell.outputs))
    shown.outputs.append(v4.new_output("display_data", {"text/plain": "a table", WIDGET: {"model_id": "2"}}))
    notebook.metadata.widgets = {"state": {}}
    clean(notebook)
    assert json.dumps(notebook) == before


def _all_outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


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
