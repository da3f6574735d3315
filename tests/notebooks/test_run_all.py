"""N1: the cells of a notebook run again, in any order and after a restart, and nothing is done twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat import v4

from rmm_widgets.demo.server import DemoHub

from .execute import WIDGET, forget_outputs, running

pytestmark = pytest.mark.slow

ORDERS = 20
SETUP = """
import rmm_widgets
from rmm_widgets.default_manager import use_for_default
use_for_default(endpoint={endpoint!r}, cache_dir={cache!r}, data_dir={data!r}, token=False)
manager = rmm_widgets.get_manager()
%load_ext rmm_widgets
"""
CELLS = [
    "manager.register_from_hub('rmm-demo/minilm-toy').result(60)",
    "%rmm add rmm-demo/vit-digits",
    "manager.register_from_hub('rmm-demo/minilm-toy').result(60)\nmanager.download_model('minilm-toy').result(60)",
    "%%rmm\nadd rmm-demo/vit-digits\ndownload vit-digits --wait",
    "rmm_widgets.ModelManagerPanel()",
    "rmm_widgets.DownloadProgress()",
    "%rmm",
    "%rmm ls",
]
"""After the set-up, each of these makes sense at any time."""
VIEWS = slice(5, 8)
CHECK = """
models = manager.get_all_models()
print(sorted(models), all(manager.is_model_available(each) for each in models), manager.get_statistics().total_models)
"""
EXPECTED = "['minilm-toy', 'vit-digits'] True 2\n"


class Session:
    """The notebook in a kernel, and what the hub had to send for it."""

    def __init__(self, client: NotebookClient, hub: DemoHub) -> None:
        self._client = client
        self._hub = hub

    def run_all(self, order: list[int] | None = None) -> None:
        """Run the set-up, then the others in the notebook's or another order, then look at the registry."""
        forget_outputs(self._client)
        last = len(self._client.nb.cells) - 1
        for index in [0, *(order or range(1, last)), last]:
            self._client.execute_cell(self._client.nb.cells[index], index)
        check = self._client.nb.cells[last].outputs
        assert "".join(output.get("text", "") for output in check) == EXPECTED

    def views(self) -> list[str]:
        """The widgets that the cells show now."""
        return [
            output.data[WIDGET]["model_id"]
            for cell in self._cells(VIEWS)
            for output in cell.outputs
            if WIDGET in output.data
        ]

    def transferred(self) -> int:
        """Requests for weights; cards and configurations are also looked at to register a model."""
        return self._hub.count(origin="cdn")

    def _cells(self, which: slice) -> list[object]:
        return self._client.nb.cells[which]


def test_N1_run_all_twice_out_of_order_and_after_a_restart(hub: DemoHub, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed of the orders: {seed}")
    shuffled = random.Random(seed)
    setup = SETUP.format(endpoint=hub.url, cache=str(tmp_path / "cache"), data=str(tmp_path / "data"))
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in [setup, *CELLS, CHECK]])
    with running(notebook, tmp_path / "demo") as client:
        session = Session(client, hub)
        session.run_all()
        first_views = session.views()
        assert len(first_views) == 3
        once = session.transferred()
        assert once > 0
        session.run_all()
        assert session.transferred() == once, "a second Run All fetched files"
        for _ in range(ORDERS):
            order = list(range(1, len(CELLS) + 1))
            shuffled.shuffle(order)
            session.run_all(order)
        assert session.transferred() == once, "another order fetched files"
        again = session.views()
        assert again[-1] == first_views[-1], "%rmm shows the one panel again"
        assert len(set(again[:2]) & set(first_views)) == 0, "new cells' runs, new views"
    # A new kernel on the same folders: after a restart.
    with running(notebook, tmp_path / "demo") as client:
        session = Session(client, hub)
        session.run_all()
        assert session.transferred() == once, "a Run All after a restart fetched files"
        assert len(session.views()) == 3
        assert set(session.views()).isdisjoint(first_views)
