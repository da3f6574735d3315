"""The views need neither eval nor inline script, nor anything from anywhere else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .rows import every_state
from .scenes import button
from .server import REPOSITORY
from .standalone import STATIC, StandaloneView

WIDGETS = sorted(path.stem for path in STATIC.glob("*.js"))


@pytest.mark.parametrize("widget", WIDGETS)
def test_every_widget_works_under_a_strict_policy(standalone: Callable[..., StandaloneView], widget: str) -> None:
    view = standalone()
    root = view.show(widget, **every_state())
    expect(root).to_contain_text("healthy")
    view.set(rows=every_state()["rows"][:1], rows_seq=2)
    expect(root).not_to_contain_text("healthy")
    expect(root).to_contain_text("registered")
    assert view.violations == []
    assert view.page_errors == []
    assert {url.rpartition("/")[2].partition("?")[0] for url in view.requests if not url.startswith("blob:")} == {
        *(widget, "rmm.css", "page.css", f"{widget}.host.js")
    }


def test_the_policy_of_these_tests_stops_what_it_should(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()
    view.show("panel", **every_state())
    view.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.__pwned = 1';
            document.body.append(script);
            document.body.append(Object.assign(new Image(), { src: '/pixel' }));
        }"""
    )
    view.page.wait_for_function("() => window.host.violations.length === 2")
    assert view.page.evaluate("window.__pwned") is None


def test_commands_travel_under_a_strict_policy(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()
    root = view.show("panel", **every_state())
    button(root, "Download registered").click()
    command = view.sent("download")
    assert command["args"] == {"model_id": "registered"}
    view.refuse(command, "Not now.")
    expect(root).to_contain_text("Not now.")
    assert view.violations == []


FORBIDDEN = """
place.innerHTML = text;
place.outerHTML = text;
frame.srcdoc = text;
place.insertAdjacentHTML("beforeend", text);
place.setHTMLUnsafe(text);
document.createRange().createContextualFragment(text);
new DOMParser().parseFromString(text, "text/html");
document.write(text);
document.writeln(text);
eval(text);
new Function("argument", text);
setTimeout("work()", 10);
"""


def test_the_linter_refuses_every_way_from_text_to_markup_or_code(tmp_path: Path) -> None:
    rule = REPOSITORY / "js" / "lint" / "no-code-from-text.grit"
    (tmp_path / "biome.json").write_text(json.dumps({"plugins": [str(rule)]}))
    (tmp_path / "bad.js").write_text(FORBIDDEN)
    (tmp_path / "good.js").write_text("place.textContent = text;\nplace.append(text);\n")
    biome = [str(REPOSITORY / "js" / "node_modules" / ".bin" / "biome"), "lint", "--reporter=github"]
    bad = subprocess.run([*biome, "bad.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    lines = {int(found) for found in re.findall(r"line=(\d+).*Text must not become", bad.stdout)}
    assert lines == set(range(2, 2 + len(FORBIDDEN.split("\n")) - 2)), bad.stdout
    subprocess.run([*biome, "good.js"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    used = json.loads((REPOSITORY / "js" / "biome.json").read_text())
    assert used["plugins"] == [f"./{rule.relative_to(REPOSITORY / 'js')}"]
