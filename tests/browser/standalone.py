"""A bare page that shows one built widget to a kernel played by the test, under a strict content security policy.

For what needs no Jupyter: how views behave with state that no real kernel makes quickly, and what they ask of a page.
"""

from __future__ import annotations

import http.server
import json
import threading
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page

from rmm_widgets.notebook.protocol import PROTOCOL_VERSION

from .server import REPOSITORY

STATIC = REPOSITORY / "rmm_widgets" / "static"
POLICY = "default-src 'none'; script-src 'self' blob:; style-src 'self' 'unsafe-inline'"
_PAGE = """<!doctype html>
<html lang="en"{theme}><head><title>Models</title><link rel="stylesheet" href="/rmm.css">
<link rel="stylesheet" href="/page.css"></head>
<body><main></main><script type="module" src="/{widget}.host.js"></script></body></html>
"""
_CSS = "body { margin: 0; padding: 8px; background: #fff; } .dark-page body, .dark-page { background: #111; }"
_HOST = """
// What anywidget does: the module is text, loaded from a blob; the model has get, on, off and send.
const SOURCE = %s;
const PROTOCOL = %d;
const state = { _rows: [], _rows_seq: 1, _changes: {}, _progress: {}, _summary: {}, _model_ids: null };
const callbacks = new Map();
const emit = (event, ...args) => {
    for (const callback of [...(callbacks.get(event) ?? [])]) { callback(...args); }
};
const host = {
    sent: [],
    violations: [],
    set(changes) {
        Object.assign(state, changes);
        for (const name of Object.keys(changes)) { emit(`change:${name}`); }
    },
    reply(content) { emit('msg:custom', content, []); },
    async show() {
        const url = URL.createObjectURL(new Blob([SOURCE], { type: 'text/javascript' }));
        const frontEnd = await (await import(url)).default();
        frontEnd.initialize({ model });
        const el = document.querySelector('main');
        host.remove = frontEnd.render({ model, el });
    },
};
const model = {
    get: (name) => state[name],
    set() {},
    save_changes() {},
    on(event, callback) { callbacks.set(event, (callbacks.get(event) ?? new Set()).add(callback)); },
    off(event, callback) { callbacks.get(event)?.delete(callback); },
    send(content) {
        const { rid, name } = content;
        host.sent.push(content);
        if (name === 'ping' || name === 'hello') {
            const value = { version: '0', protocol: PROTOCOL };
            queueMicrotask(() => host.reply({ kind: 'rmm/reply', rid, ok: true, value }));
        }
    },
};
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    host.violations.push(`${violatedDirective}: ${blockedURI}`);
});
window.host = host;
"""


class Pages:
    """Serves such pages on a loopback port; use as a context manager."""

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        widget = Path(address.path).name.partition(".")[0]
        if address.path == "/rmm.css":
            self._answer("text/css", (STATIC / "rmm.css").read_text())
        elif address.path == "/page.css":
            self._answer("text/css", _CSS)
        elif address.path.endswith(".host.js"):
            source = (STATIC / f"{widget}.js").read_text()
            self._answer("text/javascript", _HOST % (json.dumps(source), PROTOCOL_VERSION))
        elif (STATIC / f"{widget}.js").is_file():
            dark = parse_qs(address.query).get("dark")
            theme = ' class="dark-page" data-theme="dark" data-jp-theme-light="false"' if dark else ""
            self._answer("text/html", _PAGE.format(widget=widget, theme=theme))
        else:
            self.send_error(404)

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests look at the page, not at this."""


class StandaloneView:
    """One widget in a page of its own.

    Attributes:
        requests: Everything that the page asked for.
        dialogs: Messages of alerts and the like.
        page_errors: Uncaught errors of scripts.
    """

    def __init__(self, browser: Browser, pages: Pages, *, width: int, height: int, dark: bool) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.page_errors: list[str] = []
        self._dark = dark
        self._url = pages.url
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    def show(self, widget: str = "panel", **state: Any) -> Locator:
        """Draw a widget with this state; traits are given without their underscore."""
        self.page.goto(f"{self._url}/{widget}{'?dark=1' if self._dark else ''}")
        self.page.wait_for_load_state()
        self.set(**state)
        self.page.evaluate("window.host.show()")
        root = self.page.locator(".rmm-root")
        root.wait_for()
        return root

    def set(self, **state: Any) -> None:
        """The kernel changes its state. Sent as text, so that keys such as `__proto__` arrive as they are."""
        text = json.dumps({f"_{name}": value for name, value in state.items()})
        self.page.evaluate("(text) => window.host.set(JSON.parse(text))", text)

    def sent(self, name: str) -> dict[str, Any]:
        """The last command of that name."""
        return self.page.evaluate("(name) => window.host.sent.findLast((each) => each.name === name)", name)

    def refuse(self, command: dict[str, Any], text: str) -> None:
        """The kernel says no, with this text wherever it may say something."""
        error = {"type": text, "message": text, "hint": text}
        self._reply({"kind": "rmm/reply", "rid": command["rid"], "ok": False, "error": error})

    def answer(self, command: dict[str, Any], value: Any) -> None:
        """The kernel answers."""
        self._reply({"kind": "rmm/reply", "rid": command["rid"], "ok": True, "value": value})

    @property
    def violations(self) -> list[str]:
        """What the content security policy stopped."""
        return self.page.evaluate("window.host.violations")

    def close(self) -> None:
        self.page.context.close()

    def _reply(self, content: dict[str, Any]) -> None:
        self.page.evaluate("(text) => window.host.reply(JSON.parse(text))", json.dumps(content))
