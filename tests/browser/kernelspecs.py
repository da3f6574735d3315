"""Kernels other than the usual one, for the tests' server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .server import JupyterServer

LAUNCH = "from ipykernel import kernelapp; kernelapp.launch_new_instance()"

WITHOUT_PACKAGE = f"""
import importlib.util as util, sys
find = util.find_spec
util.find_spec = lambda name, package=None: (
    None if name == 'rmm_widgets' and not hasattr(sys, 'installed') else find(name, package)
)
{LAUNCH}
"""
"""A kernel whose environment has no rmm_widgets until `sys.installed` is set."""

OTHER_LANGUAGE = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Toy(Kernel):
    implementation = banner = 'toy'
    implementation_version = '1'
    language_info = {'name': 'toy', 'mimetype': 'text/plain', 'file_extension': '.toy'}
    asked = 0

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **more):
        self.asked += 1
        self.send_response(self.iopub_socket, 'stream', {'name': 'stdout', 'text': str(self.asked)})
        return {'status': 'ok', 'execution_count': self.asked, 'payload': [], 'user_expressions': {}}

IPKernelApp.launch_instance(kernel_class=Toy)
"""
"""A kernel of another language, which tells how often it was asked to run something."""


def add_kernel(server: JupyterServer, name: str, code: str, *, language: str = "python") -> str:
    """Let the server start kernels with this code; returns their name."""
    place = server.data / "kernels" / name
    place.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
    place.joinpath("kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": language}))
    return name


def add_ipykernel(server: JupyterServer, wanted: str, folder: Path) -> str:
    """A kernel with that version of ipykernel, fetched by pip into the folder; returns its name."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    packages = [f"ipykernel=={wanted}", "nest-asyncio", "nest-asyncio2"]
    subprocess.run([*command, "--target", str(folder), *packages], check=True, timeout=100)
    return add_kernel(server, f"ipykernel-{wanted}", f"import sys; sys.path.insert(0, {str(folder)!r}); {LAUNCH}")
