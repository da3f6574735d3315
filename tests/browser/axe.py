"""Runs axe-core on a part of a page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from .server import REPOSITORY

SCRIPT = REPOSITORY / "js" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(part: Locator) -> list[str]:
    """What breaks WCAG 2.0, 2.1 or 2.2, levels A and AA, one line for each place."""
    page = part.page
    if not page.evaluate("'axe' in window"):
        # Evaluated, not added as an element: a content security policy may forbid that.
        page.evaluate(f"{SCRIPT.read_text()}; 0")
    found: list[dict[str, Any]] = part.evaluate(
        """async (root, tags) => {
            const options = { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] };
            return (await window.axe.run(root, options)).violations;
        }""",
        TAGS,
    )
    return [
        f"{rule['id']}: {node['html'][:200]} {'; '.join(check['message'] for check in node['any'] + node['all'])}"
        for rule in found
        for node in rule["nodes"]
    ]
