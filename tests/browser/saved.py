"""Notebooks as they lie on disk: run in a real kernel, with or without the state of their widgets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, v4
from nbformat.sign import NotebookNotary

from .server import REPOSITORY

CELL_TIMEOUT = 120
STATE = "application/vnd.jupyter.widget-state+json"


def executed(*cells: str, widget_state: bool, kernel: str = "python3") -> NotebookNode:
    """A notebook after all its cells ran; its kernel is gone."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": kernel, "display_name": kernel}
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT, kernel_name=kernel, store_widget_state=widget_state)
    client.execute(env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
    return notebook


def widget_states(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The saved state of our widgets, to be looked at or tampered with."""
    models = notebook.metadata.widgets[STATE]["state"].values()
    return [model["state"] for model in models if "_rows" in model["state"]]


def write(notebook: NotebookNode, path: Path, *, signed_in: Path | None = None) -> None:
    """Store it; signed, where that server's data folder is given, so that JupyterLab trusts it."""
    nbformat.write(notebook, path)
    if signed_in is not None:
        signed_in.mkdir(parents=True, exist_ok=True)
        notary = NotebookNotary(data_dir=str(signed_in))
        notary.sign(nbformat.read(path, as_version=4))
        notary.store.close()
