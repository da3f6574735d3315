"""A real JupyterLab in a real Chromium, kept for all tests of this package.

Package scope, not session: playwright's event loop must have ended before other tests run loops of their own.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from rmm_widgets.demo.server import DemoHub

from .lab import LabPage, Notebook
from .scenes import Scene
from .server import JupyterServer
from .standalone import Pages, StandaloneView

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 20_000.0
"""Milliseconds that an expectation gets where a test asks for no other time: machines may be busy."""

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
SCREENSHOTS = REPOSITORY / "test-results"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Take a screenshot where a test fails, while the page still shows why."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(lab, LabPage):
        SCREENSHOTS.mkdir(exist_ok=True)
        lab.page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', item.nodeid)}.png")
    return report


def _chromium() -> str:
    for name in (os.environ.get("RMM_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    pytest.fail("Chromium is needed: install it, or set RMM_CHROMIUM to its path")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser itself, for tests that need a page of their own."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab server with the front end of this checkout, on folders of its own."""
    labextension = REPOSITORY / "rmm_widgets" / "labextension"
    if not (labextension / "package.json").is_file():
        pytest.fail("the front end is not built: run `make dev`")
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), labextension) as server:
        yield server


@pytest.fixture(scope="package")
def lab_page(chromium: Browser, jupyter: JupyterServer) -> Iterator[LabPage]:
    """One JupyterLab page for all tests: loading it takes longer than most of them."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    lab = LabPage(context.new_page(), jupyter)
    lab.load()
    yield lab
    context.close()


@pytest.fixture
def lab(lab_page: LabPage) -> Iterator[LabPage]:
    """The JupyterLab page, for a test that must not make it ask anything of the outside world."""
    lab_page.forget_incidents()
    yield lab_page
    assert lab_page.external_requests == []


@pytest.fixture
def quiet_console(lab: LabPage) -> Iterator[None]:
    """The page complains of nothing in its console, and no promise of it is refused with nobody to hear that."""
    yield
    assert lab.console.complaints() == []


@pytest.fixture
def themes(lab: LabPage) -> Iterator[Callable[[str], None]]:
    """Changes JupyterLab's theme; the light one is back after the test."""

    def change(theme: str) -> None:
        lab.execute("apputils:change-theme", {"theme": theme})
        expect(lab.page.locator(f"body[data-jp-theme-name='{theme}']")).to_be_attached()

    yield change
    change(LIGHT)


@pytest.fixture
def open_notebook(lab: LabPage) -> Iterator[Callable[..., Notebook]]:
    """Opens notebooks with the given cells; they and their kernels are closed after the test."""
    opened: list[Notebook] = []

    def open_notebook(*cells: str, kernel: str = "python3", name: str = "") -> Notebook:
        notebook = lab.open_notebook(cells, kernel, name)
        opened.append(notebook)
        return notebook

    yield open_notebook
    for notebook in opened:
        notebook.close()


@pytest.fixture
def scene(hub: DemoHub, open_notebook: Callable[..., Notebook], tmp_path: Path) -> Scene:
    """Notebooks on a hub and a folder of this test's own."""
    return Scene(hub, tmp_path, open_notebook)


@pytest.fixture(scope="package")
def pages() -> Iterator[Pages]:
    """The server of pages that show one widget without Jupyter."""
    with Pages() as pages:
        yield pages


@pytest.fixture
def standalone(chromium: Browser, pages: Pages) -> Iterator[Callable[..., StandaloneView]]:
    """Opens pages that show one widget without Jupyter."""
    opened: list[StandaloneView] = []

    def open_page(*, width: int = 1000, height: int = 800, dark: bool = False) -> StandaloneView:
        view = StandaloneView(chromium, pages, width=width, height=height, dark=dark)
        opened.append(view)
        return view

    yield open_page
    for view in opened:
        view.close()
