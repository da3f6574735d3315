"""The panel in Notebook 7, Voila and marimo: it shows, a click reaches Python, the state comes back."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Browser, Page, Route, expect

from rmm_widgets.demo import sample
from rmm_widgets.demo.server import DemoHub

from .scenes import PANEL, button, manager_on, registering, row
from .server import REPOSITORY, JupyterServer, LocalServer

HOST_TIMEOUT = 90_000.0
"""Voila shows nothing until all cells have run."""


class Voila(LocalServer):
    def _command(self, port: int) -> list[str]:
        options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
        return [sys.executable, "-m", "voila", str(self.root / "panel.ipynb"), *options]

    _HEALTH = "/voila/static/"


class Marimo(LocalServer):
    _HEALTH = "/health"

    def _command(self, port: int) -> list[str]:
        options = ["--headless", "--no-token", "--host", "127.0.0.1", "-p", str(port)]
        return [sys.executable, "-m", "marimo", "run", str(self.root / "panel.py"), *options]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that reaches this machine only."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(HOST_TIMEOUT)
    page = context.new_page()

    def stop(route: Route) -> None:
        route.abort()  # some hosts ask a CDN for parts that they also have

    page.route(lambda url: url.startswith(("http:", "https:")) and "//127.0.0.1:" not in url, stop)
    yield page
    context.close()


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def expect_a_working_panel(page: Page, hub: DemoHub) -> None:
    expect(page.get_by_role("grid", name="Models")).to_be_visible(timeout=HOST_TIMEOUT)
    digits = row(page.locator("body"), "vit-digits")
    expect(digits).to_contain_text("not downloaded")
    assert hub.count(origin="cdn") == 0
    button(digits, "Download vit-digits").click()
    expect(button(digits, "Load vit-digits")).to_be_enabled(timeout=HOST_TIMEOUT)
    assert hub.count(origin="cdn") > 0
    background = page.locator(".rmm-root").evaluate("(root) => getComputedStyle(root).backgroundColor")
    assert background not in {"", "rgba(0, 0, 0, 0)"}, "the panel has its style sheet"


DROP = """(form, bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'dropped.png', { type: 'image/png' }));
    const place = form.querySelector('.rmm-trial-drop');
    const usual = { dataTransfer: data, bubbles: true, cancelable: true, composed: true };
    for (const kind of ['dragover', 'drop']) { place.dispatchEvent(new DragEvent(kind, usual)); }
}"""


def expect_a_picture_to_be_tried(page: Page) -> None:
    """Load the model, give it a picture in both ways, and wait for what it makes of that."""
    button(page.locator("body"), "Load vit-digits").click()
    expect(button(page.locator("body"), "Unload vit-digits")).to_be_enabled(timeout=HOST_TIMEOUT)
    button(page.locator("body"), "Details vit-digits").click()
    page.get_by_role("tab", name="Try it").click()
    form = page.get_by_role("form", name="Try it")
    with page.expect_file_chooser() as chooser:
        button(form, "Choose a picture…").click()
    chooser.value.set_files(sample("digit-1.png"))
    expect(form.get_by_role("img", name=re.compile("digit-1"))).to_be_visible()
    labels = form.get_by_role("list", name="Labels, the best first").get_by_role("listitem")
    button(form, "Run").click()
    expect(labels.first).to_have_text(re.compile(r"^3\d+\.\d %$"), timeout=HOST_TIMEOUT)
    form.evaluate(DROP, list(sample("digit-2.png").read_bytes()))
    expect(form.get_by_role("img", name=re.compile("dropped"))).to_be_visible()
    expect(labels).to_have_count(0)
    button(form, "Run").click()
    expect(labels.first).to_be_visible(timeout=HOST_TIMEOUT)


def write_notebook(path: Path, *cells: str) -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "python3"}
    nbformat.write(notebook, path)


def test_notebook_7(page: Page, hub: DemoHub, tmp_path: Path) -> None:
    needs("notebook")
    labextension = REPOSITORY / "rmm_widgets" / "labextension"
    with JupyterServer(tmp_path / "server", labextension, application="notebook") as server:
        write_notebook(server.root / "panel.ipynb", manager_on(hub, tmp_path), registering("vit-digits"), PANEL)
        page.goto(f"{server.url}/notebooks/panel.ipynb", wait_until="commit")
        page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        page.evaluate("window.jupyterapp.commands.execute('runmenu:run-all').then(() => 0)")
        expect_a_working_panel(page, hub)


def test_notebook_7_has_the_side_panel_and_its_commands(page: Page, hub: DemoHub, tmp_path: Path) -> None:
    needs("notebook")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error.stack)))
    labextension = REPOSITORY / "rmm_widgets" / "labextension"
    with JupyterServer(tmp_path / "server", labextension, application="notebook") as server:
        write_notebook(server.root / "panel.ipynb", manager_on(hub, tmp_path), registering("vit-digits"))
        page.goto(f"{server.url}/notebooks/panel.ipynb", wait_until="commit")
        page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        page.evaluate("window.jupyterapp.commands.execute('runmenu:run-all').then(() => 0)")
        page.get_by_role("button", name="Show the models of the current notebook or console").click()
        panel = page.get_by_role("region", name="Models")
        expect(panel.get_by_role("button", name="Download vit-digits", exact=True)).to_be_visible()
        page.evaluate("window.jupyterapp.commands.execute('rmm-widgets:download', {model_id: 'vit-digits'})")
        expect(panel.get_by_role("button", name="Load vit-digits", exact=True)).to_be_visible()
        expect_a_picture_to_be_tried(page)
        button(panel, "Insert code").click()
        inserted = page.locator(".jp-Notebook .jp-Cell").filter(has_text="get_model_instance")
        expect(inserted).to_have_count(1)
        expect(inserted.locator(".jp-InputPrompt")).to_have_text("[ ]:")
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        expect(page.locator(".lm-Menu-item").filter(has_text=re.compile("^Models$"))).to_be_visible()

    # Notebook 7 has errors of its own, also without this extension.
    assert [each for each in errors if "rmm-widgets" in each] == []


def test_voila(page: Page, hub: DemoHub, tmp_path: Path) -> None:
    needs("voila")
    server = Voila(tmp_path / "server")
    write_notebook(server.root / "panel.ipynb", manager_on(hub, tmp_path), registering("vit-digits"), PANEL)
    with server:
        page.goto(server.url, wait_until="commit")
        expect_a_working_panel(page, hub)


APP = """
import marimo

app = marimo.App()


@app.cell
def _():
{code}
    return


if __name__ == "__main__":
    app.run()
"""


def test_marimo(page: Page, hub: DemoHub, tmp_path: Path) -> None:
    needs("marimo")
    server = Marimo(tmp_path / "server")
    lines = "\n".join([manager_on(hub, tmp_path), registering("vit-digits"), PANEL]).split("\n")
    code = "\n".join(f"    {line}" for line in lines)
    (server.root / "panel.py").write_text(APP.format(code=code))
    with server:
        page.goto(server.url, wait_until="commit")
        expect_a_working_panel(page, hub)
        expect_a_picture_to_be_tried(page)
