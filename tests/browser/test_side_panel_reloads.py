"""Reloads of the page leave nothing of ours behind in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import LabPage, Notebook
from .side_panel import comms_and_publishers, expect_models, models, subshells
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("quiet_console")

RELOADS = 20


def reload(lab: LabPage, notebook: Notebook) -> None:
    lab.page.reload(wait_until="commit")
    lab.wait_until_ready()
    notebook.show()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_reloads_leave_nothing_behind(
    lab: LabPage, open_notebook: Callable[..., Notebook], tmp_path: Path
) -> None:
    lab.hide_models_panel()
    notebook = open_notebook(models("one", folder=tmp_path))
    notebook.run(0)
    notebook.save()
    # JupyterLab itself leaves a thread each time, for the widgets of the page that is gone.
    reload(lab, notebook)
    before = subshells(notebook)
    reload(lab, notebook)
    theirs = subshells(notebook) - before
    before = subshells(notebook)
    for _ in range(RELOADS):
        expect_models(lab.models_panel(), "one")
        reload(lab, notebook)
    lab.hide_models_panel()
    wait_until(lambda: comms_and_publishers(notebook)[0] <= 2, "the comms of the pages are closed")
    assert subshells(notebook) - before <= RELOADS * theirs + 1, "one more where the last page is still connected"
    from_kernel = "from rmm_widgets.notebook import bridge; print(len(bridge.PANELS))"
    assert int(notebook.ask(from_kernel)) <= 1
    notebook.leave()
