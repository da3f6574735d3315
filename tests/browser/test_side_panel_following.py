"""The side panel follows the user from document to document, and each kernel through its life."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from .kernelspecs import WITHOUT_PACKAGE, add_kernel
from .lab import LabPage, Notebook
from .side_panel import comms_and_publishers, expect_models, models
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("quiet_console")

OpenNotebook = Callable[..., Notebook]


@pytest.fixture
def panel(lab: LabPage) -> Locator:
    return lab.models_panel()


@pytest.fixture
def open_with(open_notebook: OpenNotebook, tmp_path: Path) -> Callable[..., Notebook]:
    """Opens notebooks whose kernels have a model of the given name."""

    def open_with(model_id: str) -> Notebook:
        notebook = open_notebook(models(model_id, folder=tmp_path / model_id))
        notebook.run(0)
        return notebook

    return open_with


def test_from_notebook_to_notebook_and_back(panel: Locator, open_with: OpenNotebook) -> None:
    first = open_with("first")
    expect_models(panel, "first")
    second = open_with("second")
    expect_models(panel, "second")
    wait_until(lambda: comms_and_publishers(first) == [0, 0], "the first kernel is left")
    first.bring_to_front()
    expect_models(panel, "first")
    expect(panel.locator(".rmm-SidePanel-head")).to_have_text(first.path)
    assert comms_and_publishers(first) == [2, 1]
    wait_until(lambda: comms_and_publishers(second) == [0, 0], "the second kernel is left")


def test_an_answer_that_comes_late_paints_nothing(panel: Locator, open_with: OpenNotebook) -> None:
    notebooks = {name: open_with(name) for name in ("first", "second")}
    for _ in range(6):
        for notebook in notebooks.values():
            notebook.bring_to_front()
    notebooks["first"].bring_to_front()
    expect_models(panel, "first")
    wait_until(lambda: comms_and_publishers(notebooks["second"]) == [0, 0], "the other kernel is left")
    assert comms_and_publishers(notebooks["first"]) == [2, 1]
    expect_models(panel, "first")


def test_consoles_and_files(panel: Locator, lab: LabPage, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    expect_models(panel, "first")
    console = lab.open_console()
    expect(panel.locator(".rmm-SidePanel-head")).to_contain_text("Console")
    expect(panel.get_by_role("grid", name="Models").or_(panel.get_by_text("No models yet")).first).to_be_visible()
    # The tracker of notebooks says nothing when the user comes back to the same notebook.
    notebook.bring_to_front()
    expect_models(panel, "first")
    lab.server.root.joinpath("words.txt").write_text("words")
    lab.execute("docmanager:open", {"path": "words.txt"})
    expect(lab.page.locator(".jp-FileEditor")).to_be_visible()
    expect_models(panel, "first")
    lab.execute("application:close")
    lab.close_console(console)


def test_a_console_that_shares_the_kernel_of_a_notebook(panel: Locator, lab: LabPage, open_with: OpenNotebook) -> None:
    """Its connection to the kernel handles no comms by itself."""
    notebook = open_with("first")
    console = lab.open_console(path=notebook.path)
    expect(panel.locator(".rmm-SidePanel-head")).to_contain_text("Console")
    expect_models(panel, "first")
    notebook.ask("manager.register_model(rmm_widgets.ModelInfo('second', 'embedding_model', 'rmm-demo/minilm-toy'))")
    expect_models(panel, "first", "second")
    lab.page.evaluate("window.jupyterapp.shell.currentWidget.close()")
    expect(panel.locator(".rmm-SidePanel-head")).to_have_text(notebook.path)
    expect_models(panel, "first", "second")
    assert console not in lab.page.evaluate("[...window.jupyterapp.shell.widgets('main')].map(({ id }) => id)")
    assert lab.page_errors == []


def test_a_restart_is_shown_and_survived(panel: Locator, lab: LabPage, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    expect_models(panel, "first")
    lab.page.evaluate(
        """() => {
            window.rmmSaid = [];
            const panel = document.querySelector('.rmm-SidePanel');
            new MutationObserver(() => window.rmmSaid.push(panel.textContent)).observe(panel, {
                childList: true, subtree: true, characterData: true,
            });
        }"""
    )
    notebook.restart_kernel()
    notebook.run(0)
    expect_models(panel, "first")
    said = lab.page.evaluate("window.rmmSaid")
    assert any("The kernel is restarting" in each for each in said)
    assert comms_and_publishers(notebook) == [2, 1]


def test_a_kernel_that_crashes_comes_back(panel: Locator, lab: LabPage, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    expect_models(panel, "first")
    os.kill(int(notebook.ask("import os; print(os.getpid())")), signal.SIGKILL)
    lab.page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    notebook.wait_for_kernel()
    notebook.run(0)
    expect_models(panel, "first")


def test_shutdown_and_a_new_kernel(panel: Locator, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    expect_models(panel, "first")
    notebook.shut_kernel_down()
    expect(panel).to_contain_text("No kernel")
    notebook.change_kernel("python3")
    notebook.run(0)
    expect_models(panel, "first")


def test_another_kernel_for_the_same_notebook(panel: Locator, lab: LabPage, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    expect_models(panel, "first")
    notebook.change_kernel(add_kernel(lab.server, "without", WITHOUT_PACKAGE))
    expect(panel).to_contain_text("rmm_widgets is not installed in this kernel")
    notebook.change_kernel("python3")
    notebook.run(0)
    expect_models(panel, "first")


def test_the_last_document_is_closed(panel: Locator, open_with: OpenNotebook) -> None:
    first, second = open_with("first"), open_with("second")
    second.close()
    expect_models(panel, "first")
    first.close()
    expect(panel).to_contain_text("No notebook or console is open")


@pytest.fixture
def beside(lab: LabPage, chromium: Browser) -> Iterator[LabPage]:
    """A second page on the same server."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = LabPage(context.new_page(), lab.server)
    page.load(workspace="beside")
    yield page
    context.close()


def test_two_pages_on_one_kernel(panel: Locator, lab: LabPage, beside: LabPage, open_with: OpenNotebook) -> None:
    notebook = open_with("first")
    # Or the kernel refuses a comm that JupyterLab opens in the second page, and the first one complains of that.
    notebook.ask("import ipywidgets")
    notebook.save()
    expect_models(panel, "first")
    there = Notebook(beside, notebook.path)
    there.show()
    other = beside.models_panel()
    expect_models(other, "first")
    assert comms_and_publishers(notebook) == [4, 1]
    there.ask("manager.register_model(rmm_widgets.ModelInfo('two', 'embedding_model', 'rmm-demo/minilm-toy'))")
    for each in (panel, other):
        expect_models(each, "first", "two")
    beside.page.goto("about:blank")
    wait_until(lambda: comms_and_publishers(notebook) == [2, 1], "the page that is gone is let go")
    expect_models(panel, "first", "two")
    assert beside.console.complaints() == []
