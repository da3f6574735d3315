"""Who imports whom: lower layers never import higher ones, and importing the package costs next to nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import rmm_widgets

PACKAGE = Path(rmm_widgets.__file__).parent

LAYERS: list[set[str]] = [
    {
        "error_guide",
        "error_links",
        "errors",
        "names",
        "types",
        "disk_records",
        "file_records",
        "lock_records",
        "memory_records",
        "quantities",
        "safety_records",
    },
    {"lifecycle", "base_model"},
    {"registry"},
    {"downloads"},
    {"hub"},
    {"loading"},
    {"workers"},
    {"health"},
    {"runtime"},
    {"story"},
    {"manager_reading", "manager_settings"},
    {"manager_lifetime"},
    {"manager_files", "manager_locking", "manager_safety", "manager_catalogue", "manager_observers"},
    {"manager_downloads"},
    {"manager_loading"},
    {"manager", "comm_targets"},
    {"default_manager"},
    {"commands"},
    {"notebook", "terminal"},
    {"demo", "__main__"},
]
"""Lowest first. Modules of one layer may import each other."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in it, as full names."""
    own = module_name(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found |= {f"{name}.{alias.name}" for alias in node.names} if node.module is None else {name}
            if name == "rmm_widgets":
                found |= {f"{name}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "rmm_widgets"}


def layer(name: str) -> str | None:
    """The layer of a full name; None for the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


def test_every_module_has_a_layer() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    found |= {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert found == set(LEVEL)


def test_imports_point_down() -> None:
    wrong: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        own = layer(module_name(path))
        if own is None:
            continue  # the package itself hands out names of all layers, on demand
        for name in imported(path):
            target = layer(name)
            if target is not None and LEVEL.get(target, -1) > LEVEL[own]:
                wrong.append(f"{module_name(path)} imports {name}")
    assert wrong == []


def test_the_check_sees_imports_of_every_form(tmp_path: Path) -> None:
    assert "rmm_widgets.errors" in imported(PACKAGE / "manager.py")
    assert "rmm_widgets.hub.catalogue" in imported(PACKAGE / "manager.py"), "also inside of functions"
    assert "rmm_widgets.workers.api" in imported(PACKAGE / "runtime" / "residents.py")


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in json.loads(output.stdout.splitlines()[-1])}


HEAVY = {
    "PIL",
    "anywidget",
    "huggingface_hub",
    "ipykernel",
    "ipywidgets",
    "onnxruntime",
    "ray",
    "sentence_transformers",
    "tokenizers",
    "torch",
    "transformers",
}


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = loaded_after("import rmm_widgets")
    assert loaded & (HEAVY | {"IPython", "asyncio", "msgspec", "numpy", "psutil", "sqlite3", "traitlets"}) == set()


def test_records_and_errors_need_no_more_than_msgspec() -> None:
    loaded = loaded_after("from rmm_widgets import ModelInfo, RMMError; ModelInfo('a', 'embedding_model', 'a/b')")
    assert loaded & (HEAVY | {"IPython", "numpy", "psutil", "sqlite3", "traitlets"}) == set()


def test_making_an_error_does_not_read_the_guide() -> None:
    code = "import rmm_widgets; rmm_widgets.LoadError('what happened', hint='what to do')"
    script = f"{code}\nimport sys; print([name for name in sys.modules if name.startswith('rmm_widgets.error')])"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.split() == ["['rmm_widgets.error_links',", "'rmm_widgets.errors']"]


def test_a_manager_needs_neither_the_hub_nor_widgets(tmp_path: Path) -> None:
    loaded = loaded_after(
        "from rmm_widgets import ModelInfo, ModelManager\n"
        f"manager = ModelManager(data_dir={str(tmp_path / 'data')!r}, cache_dir={str(tmp_path / 'cache')!r})\n"
        "manager.register_model(ModelInfo('a', 'embedding_model', 'a/b'))\n"
        "manager.get_state()\n"
        "manager.close()"
    )
    assert loaded & (HEAVY | {"IPython", "numpy"}) == set()
