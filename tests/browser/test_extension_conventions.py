"""What JupyterLab and those who extend it expect of an extension, asked of the running application."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, cast

from .conftest import REPOSITORY
from .lab import LabPage

PLUGINS = {f"rmm-widgets:{name}" for name in ("commands", "connection", "panel", "status")}
COMMANDS = """() => {
    const { commands } = window.jupyterapp;
    const ids = commands.listCommands().filter((id) => id.startsWith('rmm-widgets:'));
    return Promise.all(ids.map(async (id) => ({
        id,
        label: commands.label(id),
        caption: commands.caption(id),
        described: await commands.describedBy(id),
    })));
}"""
SCHEMAS = sorted((REPOSITORY / "js" / "schema").glob("*.json"))


def commands_of(lab: LabPage) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", lab.page.evaluate(COMMANDS))


def test_the_plugins_are_there_and_say_what_they_are(lab: LabPage) -> None:
    ours = set(lab.page.evaluate("window.jupyterapp.listPlugins().filter((id) => id.startsWith('rmm-widgets'))"))
    assert ours == PLUGINS
    described = lab.page.evaluate(
        "(ids) => ids.map((id) => window.jupyterapp.getPluginDescription?.(id) ?? '')", sorted(PLUGINS)
    )
    assert all(text.endswith(".") for text in described), described
    assert lab.page.evaluate("(ids) => ids.every((id) => window.jupyterapp.isPluginActivated(id))", sorted(PLUGINS))


def test_every_schema_belongs_to_a_plugin_and_explains_itself(lab: LabPage) -> None:
    assert {f"rmm-widgets:{path.stem}" for path in SCHEMAS} == PLUGINS
    known = {each["id"] for each in commands_of(lab)}
    named: set[str] = set()
    for path in SCHEMAS:
        schema = json.loads(path.read_text())
        assert schema["title"], path
        assert schema["description"], path
        for name, setting in schema["properties"].items():
            assert {"title", "description", "default", "type"} <= setting.keys(), name
        named |= {value for key, value in _pairs(schema) if key == "command"}
    assert named <= known, "menus, toolbars and keys lead to commands that exist"
    served = lab.page.evaluate("() => fetch('/lab/api/settings').then((answer) => answer.json())")
    assert {each["id"] for each in served["settings"] if each["id"].startswith("rmm-widgets:")} == PLUGINS


def test_every_command_says_what_it_does_and_takes(lab: LabPage) -> None:
    commands = commands_of(lab)
    assert len(commands) == 9
    for each in commands:
        assert each["label"], each
        assert each["caption"], each
        assert each["described"]["args"]["type"] == "object", each
        assert all(argument["description"] for argument in each["described"]["args"]["properties"].values()), each


def test_jupyter_finds_nothing_wrong_with_it() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True, check=True
    )
    (ours,) = [line for line in (listed.stdout + listed.stderr).splitlines() if " rmm-widgets " in f" {line.strip()} "]
    assert "enabled" in ours
    assert "OK" in ours
    assert "(python, rmm_widgets)" in ours


def _pairs(value: object) -> list[tuple[str, Any]]:
    """Every key with its value, however deep."""
    if isinstance(value, list):
        return [pair for each in cast("list[object]", value) for pair in _pairs(each)]
    if not isinstance(value, dict):
        return []
    pairs = cast("dict[str, Any]", value)
    return [*pairs.items(), *(pair for each in pairs.values() for pair in _pairs(each))]
