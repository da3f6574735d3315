"""What is left in a notebook that was run and saved: small, without secrets, and readable without a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter

from .conftest import unpack

pytestmark = pytest.mark.slow

STATE = "application/vnd.jupyter.widget-state+json"
REGISTER = """\
%load_ext rmm_widgets
from rmm_widgets import ModelInfo, ModelManagerPanel, RegistryTable, get_manager
manager = get_manager()
about = "A model whose description is a rather long sentence about its purpose. " * 5
for n in range(100):
    name = f"model-{n:03}"
    manager.register_model(ModelInfo(name, "embedding_model", f"organisation/a-{name}", description=about))
"""
CELLS = (REGISTER, "%rmm", "RegistryTable(types=['embedding_model'], columns=['size', 'status'])")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A notebook with 100 models, run and saved with its widgets' state; nothing of it needs a Hub."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in ("HF_HOME", "RMM_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name))
        yield _execute(folder / "saved.ipynb")


def _execute(path: Path) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, path)
    return path


def test_N4_the_saved_state_is_small_and_tells_nothing_of_this_machine(saved: Path) -> None:
    """The bundles apart: the same text for any number of models, without which no view would come back to life."""
    text = saved.read_text(encoding="utf-8")
    states: dict[str, Any] = json.loads(text)["metadata"]["widgets"][STATE]["state"]
    shown = [each["state"] for each in states.values() if "_rows" in each["state"]]
    assert [len(unpack(each["_rows"])) for each in shown] == [100, 100]
    for state in shown:
        size = len(json.dumps({name: value for name, value in state.items() if name not in {"_esm", "_css"}}))
        print(f"state of 100 models: {size} bytes, bundles {len(state['_esm']) + len(state['_css'])}")
        assert size <= 50_000
    assert str(saved.parent) not in text
    assert "Traceback" not in text


def test_N5_nbconvert_shows_the_tables_without_network(saved: Path) -> None:
    exported, _ = HTMLExporter(embed_images=True).from_filename(str(saved))
    start = exported.index("<body")
    assert exported.count("<td", start) > 200
    for model_id in ("model-000", "model-099"):
        assert f">{model_id}</td>" in exported[start:]


def test_N1_nbval_finds_the_same_again(saved: Path, tmp_path: Path) -> None:
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "RMM_DATA_DIR": str(tmp_path / "second"), "PYTHONPATH": here}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", saved.name]
    checked = subprocess.run(
        command, cwd=saved.parent, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert checked.returncode == 0, checked.stdout[-3000:]
