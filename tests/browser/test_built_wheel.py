"""The package as users get it: installed from its wheel, beside a checkout that is not looked at."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from rmm_widgets.demo.server import DemoHub

from .lab import LabPage
from .scenes import PANEL, Scene, button, row
from .server import JupyterServer


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with what is in the wheel, the demo's known tokens included, so it is removed at the end."""
    folder = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", folder, wheel], check=True, timeout=300)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def lab(chromium: Browser, installed: Path, tmp_path: Path) -> Iterator[LabPage]:
    """A JupyterLab page of its own, with that package and its extension."""
    extension = installed / "share" / "jupyter" / "labextensions" / "rmm-widgets"
    with JupyterServer(tmp_path / "jupyter", extension, package=installed) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        lab = LabPage(context.new_page(), server)
        lab.load()
        yield lab
        context.close()


@pytest.mark.timeout(400)
def test_the_main_job_with_the_built_wheel(lab: LabPage, installed: Path, hub: DemoHub, tmp_path: Path) -> None:
    scene = Scene(hub, tmp_path, lambda *cells, kernel: lab.open_notebook(cells, kernel))
    notebook = scene.start(PANEL, models=["vit-digits"])
    try:
        assert Path(notebook.ask("print(rmm_widgets.__file__)").strip()).is_relative_to(installed)
        digits = row(notebook.cell(1), "vit-digits")
        button(digits, "Download vit-digits").click()
        button(digits, "Load vit-digits").click()
        button(digits, "Unload vit-digits").click()
        expect(button(digits, "Load vit-digits")).to_be_enabled()
        beside = row(lab.models_panel(), "vit-digits")
        expect(button(beside, "Load vit-digits")).to_be_enabled()
        assert lab.external_requests == []
        assert lab.page_errors == []
        assert lab.console.ours() == []
    finally:
        notebook.close()
