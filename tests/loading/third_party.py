"""A package of somebody else with loaders, built as a wheel and installed by pip: some work, some are broken."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from rmm_widgets.loading.loaders import ENTRY_POINT_GROUP

__all__ = ["MODULE", "install"]

MODULE = "rmm_echo_plugin"
_ENTRIES = {
    "absent": "ABSENT",
    "broken": "Nothing",
    "echo": "ECHO",
    "hollow": "HOLLOW",
    "misnamed": "ECHO",
    "raising": "RAISING",
}

_SOURCE = """
import json, os
from rmm_widgets.loading.loader import Match, MemoryEstimate
from rmm_widgets.loading.servable import Loaded, ProbeAnswer

class EchoServable:
    def __init__(self, given, path):
        self.given, self.path, self.words, self.config = given, path, None, {}
    def load(self, config, device, cancelled):
        self.words = json.loads((self.path / "words.echo").read_text())
        self.config = config
        return Loaded(device=device or "cpu", detail={"words": len(self.words)})
    def call(self, method, args, kwargs):
        if method == "given":
            return self.given
        if method == "pid":
            return os.getpid()
        return [self.words[text] for text in args[0]][: self.config.get("batch_size")]
    def probe(self):
        return ProbeAnswer(bool(self.words), detail="knows no words" if not self.words else "")
    def update_config(self, config):
        self.config = config
    def unload(self):
        self.words = None

class Loader:
    preload = ()
    def __init__(self, name, library, preload=()):
        self.name, self.library, self.preload = name, library, preload
    def match(self, evidence, identity):
        if evidence.has(".echo"):
            return Match(model_type=identity.model_type, detail="*.echo files")
    def estimate(self, folder, model_type, config):
        return MemoryEstimate(weights=(folder / "words.echo").stat().st_size)
    def open(self, *, model_id, model_type, path, trusted):
        given = {"model_id": model_id, "model_type": model_type.value, "path": str(path), "trusted": trusted}
        return EchoServable(given, path)

class Raising(Loader):
    def match(self, evidence, identity):
        raise RuntimeError("no idea")

ABSENT = Loader("absent", "rmm-no-such-library", ("rmm_no_such_module.part",))
ECHO = Loader("echo", "rmm-echo")
RAISING = Raising("raising", "rmm-echo")
HOLLOW = object()
"""


def install(folder: Path) -> Path:
    """Build the wheel and let pip install it into a folder of its own, which is returned."""
    info = "rmm_echo-1.0.dist-info"
    entries = "".join(f"{name} = {MODULE}:{target}\n" for name, target in _ENTRIES.items())
    files = {
        f"{MODULE}.py": _SOURCE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: rmm-echo\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{ENTRY_POINT_GROUP}]\n{entries}",
    }
    wheel = folder / "rmm_echo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True, timeout=100)
    return target
