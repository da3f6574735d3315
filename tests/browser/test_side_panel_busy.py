"""The side panel while a cell blocks: with threads beside it in the kernel at once, without them when it ends."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .kernelspecs import add_ipykernel
from .lab import LabPage, Notebook
from .scenes import Scene, button, manager_on, registering, row
from .server import JupyterServer
from .side_panel import comms_and_publishers

pytestmark = pytest.mark.usefixtures("quiet_console")

LIMIT = 0.5
"""Seconds from a click to what it does."""
ENDING = 1.0
"""Seconds that the process of a model gets to end."""
TRIES = 3
"""A machine that is busy with other things may be late now and then."""

SLEEP = "import time\ntime.sleep(60)"
WAIT = "import pathlib, time\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.05)"
WATCH = "document.addEventListener('click', () => { window.rmmClicked = Date.now() / 1000; }, true)"
TIMES = """
for each in manager.events():
    if each.data.get("action") == {action!r}:
        print(each.timestamp.timestamp())
"""


@pytest.fixture(scope="module", params=["installed", "7.3.0"])
def kernel(request: pytest.FixtureRequest, jupyter: JupyterServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a kernel that handles messages beside the cell."""
    wanted = str(request.param)
    if wanted != "installed":
        return add_ipykernel(jupyter, wanted, tmp_path_factory.mktemp("ipykernel"))
    if tuple(map(int, version("ipykernel").split(".")[:2])) < (7, 1):
        pytest.skip("this ipykernel handles clicks after the cell")
    return "python3"


@pytest.fixture(scope="module")
def old_kernel(jupyter: JupyterServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a kernel without threads beside the main one."""
    return add_ipykernel(jupyter, "6.31.0", tmp_path_factory.mktemp("ipykernel-6"))


def unnoticed(scene: Scene, cell: str, *, kernel: str) -> Notebook:
    """A notebook with a manager, of which the page has seen nothing: another one was in front."""
    notebook = scene.open_notebook(cell, kernel=kernel)
    scene.open_notebook("1")
    notebook.ask(manager_on(scene.hub, scene.folder))
    notebook.ask(registering("vit-digits"))
    notebook.bring_to_front()
    return notebook


def block(notebook: Notebook, index: int) -> None:
    notebook.run(index, wait=False)
    expect(notebook.cell(index).locator(".jp-InputPrompt")).to_have_text("[*]:")


def click(lab: LabPage, what: Locator) -> float:
    """Click it; returns when that was."""
    expect(what).to_be_enabled()
    what.click()
    return float(lab.page.evaluate("window.rmmClicked"))


def test_buttons_act_at_once(lab: LabPage, scene: Scene, kernel: str) -> None:
    notebook = scene.start("manager", models=["vit-digits"], later=[SLEEP], kernel=kernel)
    lab.page.evaluate(WATCH)
    scene.hub.rate = 20_000
    panel = lab.models_panel()
    digits = row(panel, "vit-digits")
    expect(button(digits, "Download vit-digits")).to_be_enabled()
    clicks: dict[str, list[float]] = {"download_paused": [], "download_cancelled": []}
    block(notebook, 2)
    for _ in range(TRIES):
        button(digits, "Download vit-digits").or_(button(digits, "Resume vit-digits")).first.click()
        bar = digits.get_by_role("progressbar")
        expect(bar).to_be_visible()
        before = bar.get_attribute("aria-valuenow")
        expect(bar).not_to_have_attribute("aria-valuenow", str(before))
        clicks["download_paused"].append(click(lab, button(digits, "Pause vit-digits")))
        click(lab, button(digits, "Resume vit-digits"))
        clicks["download_cancelled"].append(click(lab, button(digits, "Cancel vit-digits")))
        expect(button(digits, "Download vit-digits").or_(button(digits, "Resume vit-digits")).first).to_be_enabled()
        assert notebook.is_running(2), "the click acted only when the cell had ended"
    notebook.interrupt()
    notebook.wait_for_cell(2)
    for action, clicked in clicks.items():
        acted = [float(each) for each in notebook.ask(TIMES.format(action=action)).split()]
        late = [after - before for after, before in zip(acted, clicked, strict=True)]
        assert min(late) < LIMIT, f"{action}: seconds from click to deed: {late}"


def test_unload_acts_at_once(lab: LabPage, scene: Scene, kernel: str) -> None:
    prepare = "manager.download_model('vit-digits').result(60)\nmanager.load_model('vit-digits').result(60)"
    notebook = scene.start(prepare, models=["vit-digits"], later=[SLEEP], kernel=kernel)
    lab.page.evaluate(WATCH)
    digits = row(lab.models_panel(), "vit-digits")
    expect(button(digits, "Unload vit-digits")).to_be_enabled()
    block(notebook, 2)
    clicked = click(lab, button(digits, "Unload vit-digits"))
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    assert notebook.is_running(2), "the click acted only when the cell had ended"
    notebook.interrupt()
    notebook.wait_for_cell(2)
    (done,) = map(float, notebook.ask(TIMES.format(action="unloaded")).split())
    assert done - clicked < LIMIT + ENDING


def test_a_panel_that_is_opened_while_a_cell_blocks(lab: LabPage, scene: Scene, kernel: str) -> None:
    lab.hide_models_panel()
    notebook = unnoticed(scene, SLEEP, kernel=kernel)
    assert comms_and_publishers(notebook)[0] == 0
    block(notebook, 0)
    digits = row(lab.models_panel(), "vit-digits")
    expect(button(digits, "Download vit-digits")).to_be_enabled()
    button(digits, "Download vit-digits").click()
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    assert notebook.is_running(0), "the panel came only when the cell had ended"
    notebook.interrupt()
    notebook.wait_for_cell(0)
    assert comms_and_publishers(notebook) == [2, 1], "what was asked of the main thread meanwhile opens no more"


def test_a_page_that_is_loaded_again_while_a_cell_blocks(
    lab: LabPage, scene: Scene, kernel: str, tmp_path: Path
) -> None:
    """JupyterLab itself then knows nothing of the kernel before the cell has ended."""
    gate = tmp_path / "gate"
    notebook = scene.start("manager", models=["vit-digits"], later=[WAIT.format(gate=str(gate))], kernel=kernel)
    notebook.save()
    block(notebook, 2)
    lab.page.reload(wait_until="commit")
    lab.wait_until_ready()
    lab.execute("docmanager:open", {"path": notebook.path})
    digits = row(lab.models_panel(), "vit-digits")
    button(digits, "Download vit-digits").click()
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    # Only now does the cell end.
    gate.touch()
    notebook.wait_for_kernel()
    assert comms_and_publishers(notebook) == [2, 1]


def test_an_older_kernel_says_that_requests_wait(lab: LabPage, scene: Scene, old_kernel: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    notebook = scene.start("manager", models=["vit-digits"], later=[WAIT.format(gate=str(gate))], kernel=old_kernel)
    panel = lab.models_panel()
    digits = row(panel, "vit-digits")
    expect(button(digits, "Download vit-digits")).to_be_enabled()
    expect(panel).to_contain_text(
        "What you ask for waits for the running cell; ipykernel 7.1 or newer does it at once."
    )
    block(notebook, 2)
    button(digits, "Download vit-digits").click()
    expect(panel).to_contain_text("The kernel is busy with a cell: what you ask for now is done when the cell ends.")
    assert notebook.is_running(2)
    gate.touch()
    expect(button(digits, "Load vit-digits")).to_be_enabled()


def test_an_older_kernel_is_waited_for(lab: LabPage, scene: Scene, old_kernel: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    lab.hide_models_panel()
    notebook = unnoticed(scene, WAIT.format(gate=str(gate)), kernel=old_kernel)
    block(notebook, 0)
    panel = lab.models_panel()
    expect(panel).to_contain_text("The kernel has not answered yet")
    assert notebook.is_running(0)
    gate.touch()
    expect(button(row(panel, "vit-digits"), "Download vit-digits")).to_be_enabled()
