"""The views need neither eval nor inline script, nor anything from anywhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from .rows import every_state
from .scenes import button
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
