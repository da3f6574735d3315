"""The front end is in JupyterLab and says where it stands before any notebook is open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from .lab import LabPage, Notebook


def test_extension_is_active(lab: LabPage) -> None:
    plugins = lab.page.evaluate("window.jupyterapp.listPlugins()")
    assert "rmm-widgets:panel" in plugins
    assert lab.page.evaluate("window.jupyterapp.isPluginActivated('rmm-widgets:panel')")
    assert lab.page.evaluate("window.jupyterapp.commands.hasCommand('rmm-widgets:open')")


def test_panel_without_a_notebook(lab: LabPage) -> None:
    panel = lab.models_panel()
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("No notebook or console is open")


def test_panel_stays_out_of_the_kernel_until_it_is_shown(lab: LabPage, open_notebook: Callable[..., Notebook]) -> None:
    lab.hide_models_panel()
    notebook = open_notebook("1")
    assert notebook.ask("import sys; print('rmm_widgets' in sys.modules)").strip() == "False"


def test_kernel_without_the_package(lab: LabPage, open_notebook: Callable[..., Notebook]) -> None:
    notebook = open_notebook("1")
    notebook.ask("import importlib.util as u; u.find_spec = lambda name, package=None: None")
    panel = lab.models_panel()
    expect(panel).to_contain_text("rmm_widgets is not installed in this kernel")
    expect(panel).to_contain_text("%pip install rmm_widgets")


def test_panel_shows_the_kernels_models(lab: LabPage, open_notebook: Callable[..., Notebook], tmp_path: Path) -> None:
    lab.hide_models_panel()
    notebook = open_notebook("1")
    # A registry of its own: that of the server also holds what other tests registered.
    notebook.ask(f"import os; os.environ['RMM_DATA_DIR'] = {str(tmp_path)!r}")
    panel = lab.models_panel()
    grid = panel.get_by_role("grid", name="Models")
    expect(grid).to_have_attribute("aria-rowcount", "1")
    notebook.ask(
        "import rmm_widgets\n"
        "rmm_widgets.get_manager().register_model("
        "rmm_widgets.ModelInfo('tiny', 'embedding_model', 'rmm-demo/minilm-toy'))"
    )
    expect(grid).to_have_attribute("aria-rowcount", "2")
    expect(panel.get_by_role("button", name="Download tiny", exact=True)).to_be_enabled()
    assert lab.page_errors == []
