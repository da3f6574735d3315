"""The wheel holds the front end and works in an environment that never saw this repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SHARE = "rmm_widgets-{version}.data/data/share/jupyter/labextensions/rmm-widgets/"
PANEL_LIMIT = 150_000
"""Bytes, minified."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def version() -> str:
    return str(json.loads((REPOSITORY / "js" / "package.json").read_text())["version"])


@pytest.fixture(scope="session")
def contents(wheel: Path) -> dict[str, int]:
    """Sizes of the wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


@pytest.fixture(scope="session")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and the one library that the public records need."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    _run(str(python), "-m", "pip", "install", "--no-deps", str(wheel))
    _run(str(python), "-m", "pip", "install", "msgspec")
    return python


def test_wheel_has_the_widget_bundles(contents: dict[str, int]) -> None:
    static = {name: size for name, size in contents.items() if name.startswith("rmm_widgets/static/")}
    bundles = {"panel.js", "progress.js", "badge.js", "table.js", "rmm.css"}
    assert {name.rpartition("/")[2] for name in static} == bundles
    assert all(size > 0 for size in static.values())
    assert static["rmm_widgets/static/panel.js"] <= PANEL_LIMIT


def test_wheel_has_the_labextension_once(contents: dict[str, int], version: str) -> None:
    share = SHARE.format(version=version)
    assert contents[f"{share}install.json"] == (REPOSITORY / "install.json").stat().st_size
    assert contents[f"{share}package.json"] > 0
    assert f"{share}schemas/rmm-widgets/connection.json" in contents
    assert any(name.startswith(f"{share}static/remoteEntry") for name in contents)
    assert not [name for name in contents if name.startswith("rmm_widgets/labextension")]


def test_wheel_has_the_demo_and_nothing_of_the_workshop(contents: dict[str, int]) -> None:
    models = {name.split("/")[3] for name in contents if name.startswith("rmm_widgets/demo/models/")}
    assert {"blip-shapes", "mdlm-stories", "minilm-toy", "vit-digits", "yolos-shapes"} <= models
    assert any(name.startswith("rmm_widgets/demo/samples/") for name in contents)
    strangers = [name for name in contents if name.startswith(("tests/", "js/", "bench/", "tools/", "notebooks/"))]
    assert strangers == []


def test_versions_are_equal(wheel: Path, version: str, clean_python: Path) -> None:
    assert wheel.name.split("-")[1] == version
    assert _run(str(clean_python), "-c", "import rmm_widgets; print(rmm_widgets.__version__)").strip() == version


@pytest.mark.parametrize("script", ["rmm", "jupyter-rmm"])
def test_the_scripts_are_installed(clean_python: Path, version: str, script: str) -> None:
    assert _run(str(clean_python.parent / script), "--version") == f"rmm_widgets {version}\n"


def test_import_comes_from_the_wheel(clean_python: Path) -> None:
    code = "import rmm_widgets as r; r.ModelInfo('a', 'embedding_model', 'b/c'); print(r.__file__)"
    origin = _run(str(clean_python), "-c", code).strip()
    assert Path(origin).is_relative_to(clean_python.parents[1])


def test_jupyterlab_lists_the_extension_as_ok(clean_python: Path, tmp_path: Path, version: str) -> None:
    share = clean_python.parents[1] / "share" / "jupyter"
    environment = os.environ | {
        "JUPYTER_PATH": str(share),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
    }
    listing = _run(sys.executable, "-m", "jupyterlab.labextensions", "list", environment=environment)
    _, found, rest = re.sub(r"\x1b\[[0-9;]*m", "", listing).partition(str(share / "labextensions"))
    assert found
    line = next(line for line in rest.splitlines() if "rmm-widgets" in line)
    assert line.split() == ["rmm-widgets", f"v{version}", "enabled", "OK", "(python,", "rmm_widgets)"]


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Run a command outside of the repository; returns all it printed."""
    clean = {name: value for name, value in (environment or dict(os.environ)).items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, env=clean, cwd="/", capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr
