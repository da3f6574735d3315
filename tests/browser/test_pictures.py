"""How the widgets look, light and dark, wide and narrow."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import expect

from .conftest import SCREENSHOTS
from .pictures import compare
from .rows import every_state
from .standalone import StandaloneView

STILL = "* { animation: none !important; transition: none !important; caret-color: transparent !important; }"


def picture(view: StandaloneView, widget: str) -> bytes:
    root = view.show(widget, **every_state())
    expect(root).to_contain_text("The disk is full")
    return view.page.screenshot(animations="disabled", caret="hide", style=STILL)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("widget", "width", "height"),
    [("panel", 1100, 760), ("panel", 360, 1200), ("progress", 900, 420), ("badge", 700, 260)],
)
def test_it_looks_as_it_did(
    standalone: Callable[..., StandaloneView], widget: str, width: int, height: int, dark: bool
) -> None:
    view = standalone(width=width, height=height, dark=dark)
    compare(picture(view, widget), f"{widget}-{width}-{'dark' if dark else 'light'}", SCREENSHOTS)


def test_light_and_dark_are_unlike(standalone: Callable[..., StandaloneView]) -> None:
    """Otherwise a comparison of either would say nothing about the theme."""
    means = []
    for dark in (False, True):
        png = picture(standalone(dark=dark), "panel")
        with Image.open(io.BytesIO(png)) as image:
            means.append(image.convert("L").resize((1, 1)).getpixel((0, 0)))
    light, dark_ = means
    assert light > 200
    assert dark_ < 80
