"""The JupyterLab page as tests use it: open notebooks, run cells, ask the kernel."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from typing import Any, cast

import nbformat
from nbformat import v4
from playwright.sync_api import Dialog, Error, Locator, Page, Route

from .console import Console
from .server import JupyterServer

CELL_TIMEOUT = 90_000.0


class LabPage:
    """A page with JupyterLab; requests that would leave the machine are stopped and remembered.

    Attributes:
        page: The playwright page.
        external_requests: URLs that were asked for outside of the server.
        console: What the page complained about in its console.
        dialogs: Messages of alerts and the like; they are dismissed.
    """

    def __init__(self, page: Page, server: JupyterServer) -> None:
        self.page = page
        self.server = server
        self.external_requests: list[str] = []
        self.console = Console(page)
        self.dialogs: list[str] = []
        page.on("dialog", self._dismiss)
        page.route(self._is_external, self._stop)

    @property
    def page_errors(self) -> list[str]:
        """Uncaught errors of the page's scripts."""
        return self.console.uncaught

    def load(self, workspace: str = "") -> None:
        """Load JupyterLab, or load it again; a second page beside another needs a workspace of its own."""
        place = f"lab/workspaces/{workspace}" if workspace else "lab"
        self.page.goto(f"{self.server.url}/{place}?reset", wait_until="commit")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for JupyterLab to have started in the page."""
        self.page.wait_for_function("window.jupyterapp?.shell", timeout=CELL_TIMEOUT)
        self.page.evaluate("async () => { await window.jupyterapp.restored; }")

    def forget_incidents(self) -> None:
        self.external_requests.clear()
        self.console.forget()
        self.dialogs.clear()

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        """Run a JupyterLab command and wait for its end."""
        # `.then(() => 0)`: playwright would copy a returned widget, which takes seconds.
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => 0)",
            [command, arguments or {}],
        )

    def open_notebook(self, cells: Sequence[str], kernel: str, name: str = "") -> Notebook:
        """Write a notebook, open it and wait for its kernel; without a name it gets one of its own."""
        path = f"{name or uuid.uuid4().hex}.ipynb"
        content = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
        content.metadata.kernelspec = {"name": kernel, "display_name": kernel}
        nbformat.write(content, self.server.root / path)
        return self.open_file(path, kernel)

    def open_file(self, path: str, kernel: str = "python3") -> Notebook:
        """Open a notebook of the server's folder and wait for its kernel."""
        # JupyterLab asks the user where it does not know a kernel; it may have been added since it looked.
        self.page.evaluate("async () => { await window.jupyterapp.serviceManager.kernelspecs.refreshSpecs(); }")
        self.execute("docmanager:open", {"path": path, "kernel": {"name": kernel}})
        notebook = Notebook(self, path)
        notebook.wait_for_kernel()
        return notebook

    def open_console(self, *, path: str | None = None) -> str:
        """Open a console: with a kernel of its own, or that of the notebook at `path`. Returns its id."""
        known = set(self._consoles())
        if path is None:
            self.execute("console:create", {"kernelPreference": {"name": "python3"}, "activate": True})
        else:
            self.page.evaluate(
                """async (path) => {
                    const { shell, commands } = window.jupyterapp;
                    const notebook = [...shell.widgets('main')].find((widget) => widget.context?.path === path);
                    const { id } = notebook.sessionContext.session.kernel;
                    await commands.execute('console:create', { kernelPreference: { id }, activate: true });
                }""",
                path,
            )
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.console?.sessionContext.session?.kernel?.status === 'idle'"
        )
        (new,) = set(self._consoles()) - known
        return new

    def _consoles(self) -> list[str]:
        return cast(
            "list[str]",
            self.page.evaluate(
                "[...window.jupyterapp.shell.widgets('main')].filter((each) => each.console).map((each) => each.id)"
            ),
        )

    def close_console(self, widget_id: str) -> None:
        """Close a console and shut its kernel down."""
        self.page.evaluate(
            """async (id) => {
                const widget = [...window.jupyterapp.shell.widgets('main')].find((each) => each.id === id);
                await widget?.console.sessionContext.shutdown();
                widget?.close();
            }""",
            widget_id,
        )

    def show(self, widget_id: str) -> None:
        """Bring something that is open to the front."""
        self.page.evaluate("(id) => window.jupyterapp.shell.activateById(id)", widget_id)

    def models_panel(self) -> Locator:
        """Open the "Models" side panel."""
        self.execute("rmm-widgets:open")
        return self.page.get_by_role("region", name="Models")

    def hide_models_panel(self) -> None:
        """Collapse the side that the panel is on, whichever way it is now."""
        self.page.evaluate("window.jupyterapp.shell.collapseRight()")

    def drag_side_bar(self, x: float) -> None:
        """Have the side bar that is shown on the right begin there, or as near as it can."""
        handle = self.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle").filter(visible=True).last
        handle.hover()  # Waits until the layout has come to rest.
        self.page.mouse.down()
        self.page.mouse.move(x, 400, steps=5)
        self.page.mouse.up()

    def _is_external(self, url: str) -> bool:
        return url.startswith(("http:", "https:", "ws:", "wss:")) and "//127.0.0.1:" not in url

    def _stop(self, route: Route) -> None:
        self.external_requests.append(route.request.url)
        route.abort()

    def _dismiss(self, dialog: Dialog) -> None:
        # Leaving a page with unsaved changes asks, too.
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()


class Notebook:
    """One notebook document inside the page."""

    def __init__(self, lab: LabPage, path: str) -> None:
        self.lab = lab
        self.path = path

    @property
    def panel(self) -> Locator:
        return self.lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, index: int) -> Locator:
        return self.panel.locator(".jp-Notebook .jp-Cell").nth(index)

    def bring_to_front(self) -> None:
        """Make the document the one the user works in."""
        self._evaluate("window.jupyterapp.shell.activateById(widget.id);")

    def show(self) -> None:
        """Open the document, and wait for its kernel: after the page was loaded again."""
        self.lab.execute("docmanager:open", {"path": self.path})
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel answers."""
        self._wait("widget?.content?.widgets?.length && widget.sessionContext?.session?.kernel?.status === 'idle'")

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run one cell; with `wait`, until it has ended."""
        self._evaluate(
            """const notebook = widget.content;
            notebook.activeCellIndex = value;
            notebook.deselectAll();
            window.jupyterapp.shell.activateById(widget.id);
            (widget.finished ||= {})[value] = false;
            window.jupyterapp.commands.execute('notebook:run-cell').finally(() => { widget.finished[value] = true; });
            """,
            index,
        )
        if wait:
            self.wait_for_cell(index)

    def wait_for_cell(self, index: int) -> None:
        """Wait for the end of a cell that `run` started."""
        self._wait("widget.finished[value]", index)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """A cell's outputs, as in the notebook file."""
        return cast(
            "list[dict[str, Any]]",
            self._evaluate("return widget.content.widgets[value].model.toJSON().outputs;", index),
        )

    def errors(self, index: int) -> list[str]:
        """The exceptions that a cell raised, by name and text."""
        return [
            f"{output['ename']}: {output['evalue']}"
            for output in self.outputs(index)
            if output["output_type"] == "error"
        ]

    def text(self, index: int) -> str:
        """What a cell printed."""
        return "".join("".join(output.get("text", "")) for output in self.outputs(index))

    def ask(self, code: str) -> str:
        """Run code in the kernel beside the cells; returns what it printed, or its error."""
        return str(
            self._evaluate(
                """return (async () => {
                    let printed = '';
                    const kernel = widget.sessionContext.session.kernel;
                    const future = kernel.requestExecute({ code: value, silent: false, store_history: false });
                    future.onIOPub = ({ header, content }) => {
                        if (header.msg_type === 'stream') { printed += content.text; }
                        if (header.msg_type === 'error') { printed += `${content.ename}: ${content.evalue}`; }
                    };
                    await future.done;
                    return printed;
                })();""",
                code,
            )
        )

    def restart_kernel(self) -> None:
        """Restart the kernel and wait until it answers again."""
        self._evaluate("return widget.sessionContext.restartKernel().then(() => 0);")
        self.wait_for_kernel()

    def is_running(self, index: int) -> bool:
        """Whether a cell that `run` started has not ended yet."""
        return not self._evaluate("return widget.finished[value];", index)

    def interrupt(self) -> None:
        """Interrupt what the kernel runs."""
        self._evaluate("return widget.sessionContext.session.kernel.interrupt();")

    def save(self) -> None:
        """Write the notebook to its file."""
        self._evaluate("return widget.context.save().then(() => 0);")

    def change_kernel(self, name: str) -> None:
        """Have the document use a new kernel of this name."""
        self.lab.page.evaluate("async () => { await window.jupyterapp.serviceManager.kernelspecs.refreshSpecs(); }")
        self._evaluate("return widget.sessionContext.changeKernel({ name: value }).then(() => 0);", name)
        self.wait_for_kernel()

    def is_dirty(self) -> bool:
        """Whether the document has changes that are not saved."""
        return bool(self._evaluate("return widget.context.model.dirty;"))

    def shut_kernel_down(self) -> None:
        """End the kernel; the document stays open."""
        self._evaluate("return widget.sessionContext.shutdown().then(() => 0);")

    def leave(self) -> None:
        """Close the document; its kernel goes on."""
        self._evaluate("widget.context.model.dirty = false; widget.close();")

    def close(self) -> None:
        """Shut the kernel down and close the document; nothing is saved."""
        with contextlib.suppress(Error):  # a test may have closed it, or left the page
            self._evaluate(
                """return (async () => {
                    if (!widget) { return; }
                    await widget.sessionContext.shutdown();
                    // Outputs come until then, and each makes the notebook one to be saved.
                    widget.context.model.dirty = false;
                    widget.close();
                })();"""
            )

    _WIDGET = "[...window.jupyterapp.shell.widgets('main')].find((widget) => widget.context?.path === path)"

    def _evaluate(self, body: str, value: object = None) -> Any:
        """Run JavaScript with the notebook's `widget` and a `value`; must not return a widget."""
        script = f"([path, value]) => {{ const widget = {self._WIDGET}; {body} }}"
        return self.lab.page.evaluate(script, [self.path, value])

    def _wait(self, condition: str, value: object = None) -> None:
        script = f"([path, value]) => {{ const widget = {self._WIDGET}; return {condition}; }}"
        self.lab.page.wait_for_function(script, arg=[self.path, value], timeout=CELL_TIMEOUT)
