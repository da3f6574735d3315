"""What the tests' notebooks run: a manager on a hub of the test, and widgets that show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, expect

from rmm_widgets.demo.server import DemoHub

from .lab import Notebook

PANEL = "panel = rmm_widgets.ModelManagerPanel()\npanel"


def manager_on(hub: DemoHub, folder: Path) -> str:
    """A cell that makes the default manager use this hub and folder."""
    settings = {"endpoint": hub.url, "cache_dir": str(folder / "cache"), "data_dir": str(folder / "data")}
    return (
        "import rmm_widgets\n"
        "from rmm_widgets.default_manager import use_for_default\n"
        f"use_for_default(**{settings!r}, token=False)\n"
        "manager = rmm_widgets.get_manager()"
    )


def registering(*names: str) -> str:
    """A cell that registers demo models."""
    return "\n".join(f"manager.register_from_hub('rmm-demo/{name}').result(60)" for name in names)


def panel_of(place: Locator) -> Locator:
    """The panel's own element, which knows whether it is connected."""
    return place.locator(".rmm-root")


def row(place: Locator, model_id: str) -> Locator:
    """A model's row in a table named "Models"."""
    grid = place.get_by_role("grid", name="Models")
    return grid.get_by_role("row").filter(has_text=f"rmm-demo/{model_id}")


def button(place: Locator, name: str) -> Locator:
    """A button by its whole name."""
    return place.get_by_role("button", name=name, exact=True)


@dataclass(frozen=True)
class Scene:
    """Opens notebooks whose manager uses one hub and one folder."""

    hub: DemoHub
    folder: Path
    open_notebook: Callable[..., Notebook]

    def start(
        self, *cells: str, models: Sequence[str] = (), later: Sequence[str] = (), kernel: str = "python3"
    ) -> Notebook:
        """A notebook whose cells are run, after a first one that prepares the manager and its models.

        Those for `later` stand at its end and are not run.
        """
        first = "\n".join([manager_on(self.hub, self.folder), registering(*models)])
        notebook = self.open_notebook(first, *cells, *later, kernel=kernel)
        for index in range(len(cells) + 1):
            notebook.run(index)
            assert notebook.errors(index) == []
        return notebook

    def start_panel(self, *models: str, kernel: str = "python3") -> Notebook:
        """A notebook whose second cell shows the panel of these models."""
        notebook = self.start(PANEL, models=models, kernel=kernel)
        expect(notebook.panel.get_by_role("grid", name="Models")).to_be_visible()
        return notebook
