"""A click acts while a cell blocks, on the kernels that handle messages beside the main thread."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from playwright.sync_api import expect

from .lab import LabPage
from .scenes import PANEL, Scene, button, row
from .server import JupyterServer

OTHER_KERNELS = ["7.3.0"]
SECOND = 1.0
TRIES = 3
"""A machine that is busy with other things may be late now and then."""

WATCH = "document.addEventListener('click', () => { window.rmmClicked = Date.now() / 1000; }, true)"
CANCELS = """
for each in manager.events():
    if each.data.get("action") == "download_cancelled":
        print(each.timestamp.timestamp())
"""


@pytest.fixture(scope="module", params=["installed", *OTHER_KERNELS])
def kernel(request: pytest.FixtureRequest, jupyter: JupyterServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a kernel with a certain ipykernel; others than the installed one are fetched by pip."""
    wanted = str(request.param)
    if wanted == "installed":
        if tuple(map(int, version("ipykernel").split(".")[:2])) < (7, 1):
            pytest.skip("this ipykernel handles clicks after the cell")
        return "python3"
    folder = tmp_path_factory.mktemp("ipykernel")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), f"ipykernel=={wanted}"], check=True, timeout=100)
    name = f"ipykernel-{wanted}"
    place = jupyter.data / "kernels" / name
    place.mkdir(parents=True)
    argv = [sys.executable, "-c", _START.format(folder=str(folder)), "-f", "{connection_file}"]
    place.joinpath("kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))
    return name


_START = "import sys; sys.path.insert(0, {folder!r}); from ipykernel import kernelapp; kernelapp.launch_new_instance()"


def test_cancel_acts_within_a_second_of_a_click_while_a_cell_sleeps(lab: LabPage, scene: Scene, kernel: str) -> None:
    sleep = "import time\ntime.sleep(60)"
    notebook = scene.start(PANEL, models=["vit-digits"], later=[sleep], kernel=kernel)
    expected = version("ipykernel") if kernel == "python3" else kernel.removeprefix("ipykernel-")
    assert notebook.ask("import ipykernel; print(ipykernel.__version__)").strip() == expected
    lab.page.evaluate(WATCH)
    scene.hub.rate = 20_000
    digits = row(notebook.panel, "vit-digits")
    clicks: list[float] = []
    notebook.run(2, wait=False)
    expect(notebook.cell(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    for _ in range(TRIES):
        button(digits, "Download vit-digits").click()
        cancel = button(digits, "Cancel vit-digits")
        expect(cancel).to_be_enabled()
        cancel.click()
        clicks.append(float(lab.page.evaluate("window.rmmClicked")))
        expect(button(digits, "Discard vit-digits").or_(button(digits, "Download vit-digits")).first).to_be_enabled()
        assert notebook.is_running(2), "the click acted only when the cell had ended"
    notebook.interrupt()
    notebook.wait_for_cell(2)
    times = notebook.ask(CANCELS).split()
    late = [float(acted) - clicked for acted, clicked in zip(times, clicks, strict=True)]
    assert min(late) < SECOND, f"seconds from click to cancel: {late}"
