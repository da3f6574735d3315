"""What the repository promises about its own files."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import rmm_widgets

REPOSITORY = Path(__file__).parents[2]
JS = REPOSITORY / "js"
# In pieces, so that this file does not name what it forbids.
REGISTRY_HOSTS = [".".join(parts) for parts in (("registry", "npmjs"), ("pypi", "org"), ("pythonhosted", "org"))]
REGISTRY_HOSTS += [".".join(parts) for parts in (("registry", "yarnpkg"), ("jsdelivr", "net"), ("unpkg", "com"))]


def _sources() -> list[Path]:
    """Every file that git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [path for name in listing.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_versions_are_equal() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    package = json.loads((JS / "package.json").read_text())
    lock = json.loads((JS / "package-lock.json").read_text())
    assert project["version"] == package["version"] == lock["version"] == rmm_widgets.__version__
    assert project["license"] == package["license"] == "MIT"


def test_lock_file_names_no_address() -> None:
    text = (JS / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "http" not in text


def test_lock_file_has_a_hash_for_every_package() -> None:
    packages = json.loads((JS / "package-lock.json").read_text())["packages"]
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_no_source_names_a_registry() -> None:
    sources = _sources()
    assert len(sources) > 50
    found = [
        f"{path.relative_to(REPOSITORY)}: {host}"
        for path in sources
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def test_built_bundles_fetch_nothing() -> None:
    """Only names of namespaces look like addresses in the bundles."""
    bundles = [path for path in (REPOSITORY / "rmm_widgets" / "static").iterdir() if path.suffix in {".js", ".css"}]
    assert len(bundles) == 5
    for bundle in bundles:
        addresses = set(re.findall(r"https?://[\w.]+", bundle.read_text()))
        assert {address.partition("://")[2] for address in addresses} <= {"www.w3.org"}, bundle
        assert "@import" not in bundle.read_text()
        assert not re.search(r"\bimport\s*\(", bundle.read_text()), bundle
