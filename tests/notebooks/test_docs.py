"""The documentation names what exists, all of it, and leads nowhere else."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import rmm_widgets
from rmm_widgets import ModelManager, errors
from rmm_widgets.lifecycle.states import Stage, public_status

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])


def _read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _section(page: str, title: str) -> str:
    """The text from a heading to the next one."""
    _, found, rest = page.partition(f"\n{title}\n")
    assert found, f"no heading {title!r}"
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_pages_of_the_commands_are_current() -> None:
    written = runpy.run_path(str(DOCS / "generate_commands.py"))["document"]()
    assert _read("commands.md") == written, "run: python docs/generate_commands.py"


def test_the_errors_are_as_the_guide_has_them() -> None:
    page = _read("troubleshooting.md")
    written = runpy.run_path(str(DOCS / "generate_troubleshooting.py"))["document"](page)
    assert page == written, "run: python docs/generate_troubleshooting.py"


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_its_section(name: str) -> None:
    assert _section(_read("troubleshooting.md"), f"### {name}").strip()
    assert name.lower() in _anchors(DOCS / "troubleshooting.md")


@pytest.mark.parametrize("name", rmm_widgets.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert re.search(rf"(`|^### ){name}\b", _read("api.md") + _read("troubleshooting.md"), re.MULTILINE)


def test_every_method_of_the_manager_is_documented() -> None:
    page = _read("api.md") + (ROOT / "README.md").read_text(encoding="utf-8")
    methods = {
        name
        for owner in ModelManager.__mro__
        if owner.__module__.startswith("rmm_widgets")
        for name, member in vars(owner).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    methods -= {"refuse_unknown"}  # for the constructor
    assert len(methods) > 40
    assert [name for name in sorted(methods) if not re.search(rf"`(await )?{name}[(`]", page)] == []


def test_every_setting_stands_with_its_default() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \|", _section(_read("api.md"), "### Settings"), re.MULTILINE)
    stated = {name: default.strip('"') for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    settings = {*ModelManager.class_trait_names(config=True), "token"} - {"log", "parent", "config"}
    traits = ModelManager.class_traits()

    def shown(value: object) -> str:
        return str(int(value)) if isinstance(value, float) else str(value)

    assert stated == {name: shown(traits[name].default()) for name in settings}


def test_every_setting_of_a_model_is_documented() -> None:
    from rmm_widgets.loading import config

    page = _section(_read("api.md"), "### Settings of a model")
    records = [getattr(config, name) for name in config.__all__ if inspect.isclass(getattr(config, name))]
    names = {field for record in records for field in record.__struct_fields__}
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_stages_stand_with_their_public_status() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| ([a-z_]+) \|$", _section(_read("architecture.md"), "## State"), re.MULTILINE)
    stated = {stage: status for stages, status in rows for stage in stages.split(", ")}
    assert stated == {stage.value: public_status(stage).value for stage in Stage}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for link in links:
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    assert 'id="rmm_widgets.ModelManager.download_model"' in reference


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
