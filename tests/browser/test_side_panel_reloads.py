"""Reloads of the page leave nothing of ours behind in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import LabPage, Notebook
from .side_panel import comms_and_publishers, expect_models, models
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("quiet_console")

RELOADS = 20


def reload(lab: LabPage, notebook: Notebook) -> None:
    lab.page.reload(wait_until="commit")
    lab.wait_until_ready()
    notebook.show()


# JupyterLab leaves threads of its own, for the widgets of pages that are gone: ours are those that opened our comms.
LISTEN = """
from rmm_widgets.notebook import bridge
ours, join = set(), bridge.PANELS.join
def joined(comm, message):
    ours.add(message["header"].get("subshell_id"))
    return join(comm, message)
bridge.PANELS.join = joined
"""
LEFT = """
import threading
alive = {each.name for each in threading.enumerate()}
print(len(bridge.PANELS), len(ours), sum(f"subshell-{each}" in alive for each in ours))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_reloads_leave_nothing_behind(
    lab: LabPage, open_notebook: Callable[..., Notebook], tmp_path: Path
) -> None:
    lab.hide_models_panel()
    notebook = open_notebook(models("one", folder=tmp_path))
    notebook.run(0)
    notebook.ask(LISTEN)
    notebook.save()
    for _ in range(RELOADS):
        expect_models(lab.models_panel(), "one")
        reload(lab, notebook)
    expect_models(lab.models_panel(), "one")
    wait_until(lambda: comms_and_publishers(notebook) == [2, 1], "the comms of the pages that are gone are closed")
    panels, threads, alive = map(int, notebook.ask(LEFT).split())
    assert panels == 1
    assert threads > RELOADS, "every page had a thread of its own"
    assert alive == 1
