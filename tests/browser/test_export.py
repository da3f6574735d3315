"""Notebooks turned into HTML: the table is there without a network, and our outputs ask nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode, v4
from playwright.sync_api import Browser, Page, Route, expect

from rmm_widgets.demo.server import DemoHub

from .saved import STATE, executed
from .scenes import PANEL, manager_on, registering


@pytest.fixture
def offline_page(chromium: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page without a network, and the addresses that it asked for nevertheless."""
    asked: list[str] = []

    def stop(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    context = chromium.new_context()
    page = context.new_page()
    page.route(lambda url: url.startswith(("http:", "https:")), stop)
    yield page, asked
    context.close()


def convert(notebook: NotebookNode, path: Path) -> str:
    html, _ = HTMLExporter().from_notebook_node(notebook)
    path.write_text(html)
    return path.as_uri()


@pytest.mark.parametrize("widget_state", [False, True], ids=["as JupyterLab saves it", "as nbconvert runs it"])
def test_the_table_is_visible_without_a_network(
    offline_page: tuple[Page, list[str]], hub: DemoHub, tmp_path: Path, widget_state: bool
) -> None:
    page, asked = offline_page
    first = f"{manager_on(hub, tmp_path)}\n{registering('vit-digits', 'minilm-toy')}"
    notebook = executed(first, PANEL, widget_state=widget_state)
    page.goto(convert(notebook, tmp_path / "notebook.html"), wait_until="load")
    table = page.locator("table").filter(has_text="vit-digits")
    expect(table).to_be_visible()
    expect(table).to_contain_text("minilm-toy")
    assert page.locator("script, link").evaluate_all("(all) => all.map((each) => each.src || each.href)")
    assert str(Path.home()) not in "".join(table.all_inner_texts())
    ours = list(asked)
    asked.clear()
    empty = v4.new_notebook()
    if widget_state:  # the renderer of widgets is what nbconvert adds for any of them
        empty.metadata.widgets = {STATE: {"state": {}, "version_major": 2, "version_minor": 0}}
    page.goto(convert(nbformat.from_dict(empty), tmp_path / "empty.html"), wait_until="load")
    assert set(ours) <= set(asked), "what nbconvert's own template asks for, and nothing else"
