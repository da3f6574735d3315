"""One JupyterLab page with a notebook and its kernel, in a real Chromium, and what can be read off it.

Servers and pages are those of the browser tests, which are in the same repository.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec.structs import astuple
from playwright.sync_api import Page, WebSocket, sync_playwright

from tests.browser.lab import LabPage, Notebook
from tests.browser.server import JupyterServer

REPOSITORY = Path(__file__).parents[1]
QUIET = 0.5
"""Seconds without a message after which everything that was sent has arrived."""
PATIENCE = 60.0

_PROBE = (Path(__file__).parent / "probe.js").read_text()
_FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]


class Wire:
    """What came over the page's kernel connections.

    Attributes:
        messages: How many, of any kind.
        bytes: Their sizes together.
    """

    def __init__(self, page: Page) -> None:
        self.messages = 0
        self.bytes = 0
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        if socket.url.partition("?")[0].endswith("/channels"):
            socket.on("framereceived", self._received)

    def _received(self, payload: str | bytes) -> None:
        self.messages += 1
        self.bytes += len(payload)


class Spent(msgspec.Struct, frozen=True):
    """Messages and their bytes to the page, seconds of processor time of the kernel and of the page's main thread."""

    messages: float
    bytes: float
    kernel: float
    browser: float

    def since(self, before: Spent) -> Spent:
        """What was spent between two moments."""
        return Spent(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


def median(spent: Sequence[Spent]) -> Spent:
    """The median of each."""
    return Spent(*(statistics.median(each) for each in zip(*map(astuple, spent), strict=True)))


class Lab:
    """The page, the notebook in it, and its kernel.

    Attributes:
        folder: For whatever the kernel writes; gone at the end.
    """

    def __init__(self, lab: LabPage, cells: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.page = lab.page
        self.wire = Wire(lab.page)
        self._devtools = lab.page.context.new_cdp_session(lab.page)
        # The thread's own time: what other programs of the machine take is not in it.
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        lab.load()
        self.notebook: Notebook = lab.open_notebook(cells, "python3")
        self.kernel = psutil.Process(int(self.ask("import os; print(os.getpid())")))
        self._check_clocks()

    def ask(self, code: str) -> str:
        """Run code in the kernel, beside the cells; returns what it printed."""
        return self.notebook.ask(code).strip()

    def run(self, cell: int, *, wait: bool = True) -> None:
        """Run a cell; one that fails ends the measurement."""
        self.notebook.run(cell, wait=wait)
        failed = [each for each in self.notebook.outputs(cell) if each["output_type"] == "error"]
        if failed:
            raise SystemExit(f"{failed[0]['ename']}: {failed[0]['evalue']}")

    def probe(self, call: str, argument: object = None) -> Any:
        """Call one of `probe.js`'s functions."""
        return self.page.evaluate(f"(argument) => rmmBench.{call}(...(argument ?? []))", argument)

    def clear(self) -> None:
        """Take the output of the cell that ran last away, and wait until the page has come to rest."""
        self.notebook.lab.execute("notebook:clear-cell-output")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing more arrives and the page has nothing to do."""
        seen, since, deadline = -1, time.monotonic(), time.monotonic() + PATIENCE
        while time.monotonic() - since < QUIET and time.monotonic() < deadline:
            if self.wire.messages != seen:
                seen, since = self.wire.messages, time.monotonic()
            self.page.wait_for_timeout(50)
        self.page.evaluate("() => new Promise((resolve) => requestIdleCallback(() => resolve(0)))")

    def main_thread(self) -> float:
        """Seconds of processor time that the page's main thread has used for its tasks so far."""
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "TaskDuration")

    def spent(self) -> Spent:
        """What has been spent so far."""
        return Spent(self.wire.messages, self.wire.bytes, self.kernel_cpu(), self.main_thread())

    def kernel_cpu(self) -> float:
        """Seconds of processor time that the kernel's process has used so far, without its children."""
        times = self.kernel.cpu_times()
        return times.user + times.system

    def _check_clocks(self) -> None:
        """The kernel's clock must lie between two looks at the page's, or no time between them means anything."""
        before = self.probe("now")
        kernel = float(self.ask("import time; print(time.time())")) * 1e3
        after = self.probe("now")
        if not before - 1 <= kernel <= after + 1:
            raise SystemExit(f"the clocks of kernel and browser differ: {before} {kernel} {after}")


@contextlib.contextmanager
def open_lab(cells: Sequence[str]) -> Iterator[Lab]:
    """A page with a notebook of these cells, in folders of their own; all gone at the end."""
    labextension = REPOSITORY / "rmm_widgets" / "labextension"
    if not (labextension / "package.json").is_file():
        raise SystemExit("The front end is not built: run `make dev`.")
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="rmm-bench-", dir=memory if memory.is_dir() else None) as folder,
        _python_path(REPOSITORY),
        JupyterServer(Path(folder), labextension) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=_chromium(), args=_FLAGS) as browser,
    ):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(_PROBE)
        lab = Lab(LabPage(context.new_page(), server), cells, Path(folder) / "models")
        yield lab
        lab.notebook.close()


def installed(*modules: str) -> list[str]:
    """Those peers that are there; says how to get the others."""
    there = [name for name in modules if importlib.util.find_spec(name) is not None]
    if missing := [name for name in modules if name not in there]:
        print(f"Without {', '.join(missing)}: pip install 'rmm_widgets[bench]'", flush=True)
    return there


def kernel_value(lab: Lab, expression: str) -> Any:
    """The value of an expression in the kernel, of types that JSON has."""
    return json.loads(lab.ask(f"import json; print(json.dumps({expression}))"))


@contextlib.contextmanager
def _python_path(folder: Path) -> Iterator[None]:
    """Let the server's kernels import what lies in a folder."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), before]))
    try:
        yield
    finally:
        os.environ["PYTHONPATH"] = before


def _chromium() -> str:
    for name in (os.environ.get("RMM_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise SystemExit("Chromium is needed: install it, or set RMM_CHROMIUM to its path")
