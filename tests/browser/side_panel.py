"""The side panel as tests see it, from the page and from the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, expect

from .lab import Notebook

OURS = """
import threading
from comm import get_comm_manager
comms = [each for each in list(get_comm_manager().comms.values()) if each.target_name.startswith('rmm.')]
threads = [each.name for each in threading.enumerate() if each.name == 'rmm-publisher']
print(len(comms), len(threads))
"""


def models(*model_ids: str, folder: Path) -> str:
    """A cell that makes a manager with these models, whose registry is in the folder."""
    return "\n".join(
        [
            "import rmm_widgets",
            "from rmm_widgets.default_manager import use_for_default",
            f"use_for_default(data_dir={str(folder)!r})",
            "manager = rmm_widgets.get_manager()",
            f"for name in {model_ids!r}:",
            "    manager.register_model(rmm_widgets.ModelInfo(name, 'embedding_model', 'rmm-demo/minilm-toy'))",
        ]
    )


def expect_models(panel: Locator, *model_ids: str) -> None:
    """Wait until the panel shows these models and no others."""
    grid = panel.get_by_role("grid", name="Models")
    expect(grid).to_have_attribute("aria-rowcount", str(len(model_ids) + 1))
    for each in model_ids:
        expect(panel.get_by_role("button", name=f"Download {each}", exact=True)).to_be_visible()


def comms_and_publishers(notebook: Notebook) -> list[int]:
    """How many comms of side panels the kernel has, and threads that tell them of changes."""
    return [int(each) for each in notebook.ask(OURS).split()]


def prompts(notebook: Notebook, cells: Sequence[int]) -> list[str]:
    """What stands before the cells."""
    return [notebook.cell(index).locator(".jp-InputPrompt").inner_text() for index in cells]
