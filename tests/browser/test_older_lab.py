"""The oldest JupyterLab that is supported, with the same built front end: it works there, and the console stays quiet.

Its kernels run on the installed packages, as where JupyterLab and kernels have environments of their own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from rmm_widgets.demo.server import DemoHub

from .lab import LabPage
from .scenes import Scene, button, row
from .server import REPOSITORY, JupyterServer
from .test_status_bar import dialog, item, popup, run_in_palette

OLDEST = "4.4"
LABEXTENSION = REPOSITORY / "rmm_widgets" / "labextension"
LIST = "import sys; sys.path.insert(0, {folder!r}); from jupyterlab.labextensions import main; main(['list'])"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that JupyterLab, fetched by pip; the libraries below it are the installed ones."""
    folder = tmp_path_factory.mktemp("older")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    package = f"jupyterlab=={OLDEST}.*"
    subprocess.run([*command, "--no-compile", "--target", str(folder), package], check=True, timeout=100)
    return folder


@pytest.fixture
def lab(chromium: Browser, older: Path, tmp_path: Path) -> Iterator[LabPage]:
    """A page of that JupyterLab."""
    with JupyterServer(tmp_path / "jupyter", LABEXTENSION, other_lab=older) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        lab = LabPage(context.new_page(), server)
        lab.load()
        yield lab
        context.close()


@pytest.mark.timeout(240)
def test_the_side_panel_in_the_oldest_jupyterlab(lab: LabPage, hub: DemoHub, tmp_path: Path) -> None:
    assert str(lab.page.evaluate("window.jupyterapp.version")).startswith(f"{OLDEST}.")
    scene = Scene(hub, tmp_path, lambda *cells, kernel: lab.open_notebook(cells, kernel))
    gate = tmp_path / "gate"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)"
    notebook = scene.start("manager", models=["vit-digits"], later=[wait])
    try:
        notebook.panel.get_by_role("button", name=re.compile("^Show the models")).click()
        panel = lab.page.get_by_role("region", name="Models")
        digits = row(panel, "vit-digits")
        expect(button(digits, "Download vit-digits")).to_be_enabled()
        notebook.run(2, wait=False)
        expect(notebook.cell(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
        button(digits, "Download vit-digits").click()
        expect(button(digits, "Load vit-digits")).to_be_enabled()
        assert notebook.is_running(2), "the click acted only when the cell had ended"
        gate.touch()
        notebook.wait_for_cell(2)

        run_in_palette(lab, "Load a Model…")
        button(dialog(lab, "Load a model into memory"), "Load").click()
        expect(item(lab)).to_contain_text("Models: 1 loaded")
        item(lab).click()
        button(popup(lab), "Unload vit-digits").click()
        expect(item(lab)).to_have_text("Models: 0 loaded")
        lab.page.keyboard.press("Escape")

        button(panel, "Details vit-digits").click()
        button(panel, "Insert code").click()
        expect(notebook.cell(3)).to_contain_text('manager.load_model("vit-digits")')
        lab.page.keyboard.press("Escape")
        notebook.restart_kernel()
        notebook.run(0)
        expect(button(digits, "Load vit-digits")).to_be_enabled()
        assert lab.external_requests == []
        assert lab.page_errors == []
        assert lab.console.ours() == []
    finally:
        gate.touch()
        notebook.close()


def test_the_oldest_jupyterlab_calls_the_extension_fit(older: Path, tmp_path: Path) -> None:
    """What `jupyter labextension list` says comes from the ranges in the package's description."""
    extensions = tmp_path / "data" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "rmm-widgets").symlink_to(LABEXTENSION, target_is_directory=True)
    own = {"JUPYTER_DATA_DIR": str(extensions.parent), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    told = subprocess.run(
        [sys.executable, "-c", LIST.format(folder=str(older))],
        env=os.environ | own | {"JUPYTER_PREFER_ENV_PATH": "0", "JUPYTERLAB_DIR": str(older / "share/jupyter/lab")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = re.sub(r"\x1b\[\d*m", "", told.stdout + told.stderr)
    version = json.loads((LABEXTENSION / "package.json").read_text())["version"]
    assert f"JupyterLab v{OLDEST}." in said
    assert re.search(rf"rmm-widgets v{re.escape(version)} +enabled +OK", said), said
