"""Runs notebooks in a real kernel, for the tests and to store their outputs.

`python -m tests.notebooks.execute NOTEBOOK...` runs each from a clean demo folder and writes the outputs
into the file, without anything that belongs to this run only (widget ids, widget state, timings) or that is
there twice.
"""

# nbformat and nbclient have few annotations.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

CELL_TIMEOUT = 120
WIDGET = "application/vnd.jupyter.widget-view+json"
TWIN = "data-rmm-twin"


class _AsFirstShown(NotebookClient):
    """Leaves the tables beside views as they were when their cell ran: the text around them tells of that moment."""

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if msg["msg_type"] == "update_display_data" and TWIN in msg["content"]["data"].get("text/html", ""):
            return None
        return super().process_message(msg, cell, cell_index)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@contextmanager
def running(notebook: NotebookNode, demo_folder: Path, *, hub_url: str | None = None) -> Generator[NotebookClient]:
    """A client with a kernel for this notebook, whose demo keeps its files in the folder.

    Args:
        hub_url: The demo hub that runs already, as under `make demo`; None lets the notebook start its own.
    """
    environment = {name: value for name, value in os.environ.items() if name != "RMM_DEMO_HUB"}
    environment["RMM_DEMO_DIR"] = str(demo_folder)
    if hub_url is not None:
        environment["RMM_DEMO_HUB"] = hub_url
    client = _AsFirstShown(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", store_widget_state=False, record_timing=False
    )
    with client.setup_kernel(env=environment):
        yield client


def run_all(client: NotebookClient) -> None:
    """Run every cell; stops at the first that fails and is not marked as failing on purpose."""
    forget_outputs(client)
    for index, cell in enumerate(client.nb.cells):
        client.execute_cell(cell, index)
    clean(client.nb)


def forget_outputs(client: NotebookClient) -> None:
    """Before cells are run again: nbclient looks for outputs of the last run, which are gone, where one is updated."""
    client.reset_execution_trackers()


def clean(notebook: NotebookNode) -> None:
    """Take away what differs from run to run, does not outlive the kernel, or says the same once more."""
    notebook.metadata.pop("widgets", None)
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        if any(TWIN in output.get("data", {}).get("text/html", "") for output in cell.outputs):
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            if "data" in output:
                output.data.pop(WIDGET, None)
                if "image/png" in output.data:
                    output.data.pop("image/jpeg", None)


def main(arguments: Sequence[str]) -> int:
    for name in arguments:
        path = Path(name)
        notebook = read(path)
        with tempfile.TemporaryDirectory() as folder, running(notebook, Path(folder)) as client:
            run_all(client)
        nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
