"""Servers for tests: loopback only, folders of their own, gone with all their kernels at the end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import psutil

REPOSITORY = Path(__file__).parents[2]
LAUNCH_LAB = "import sys; sys.path.insert(0, {folder!r}); from jupyterlab.labapp import main; main()"
START_TIMEOUT = 90.0
STOP_TIMEOUT = 20.0


class LocalServer:
    """A program that serves pages from a folder; use as a context manager.

    Attributes:
        url: Where it listens, without a slash at the end.
        root: The folder it serves.
        data: Jupyter's data folder, with the list of notebooks that are trusted.

    Args:
        folder: For everything that it writes.
        package: What its kernels import rmm_widgets from.
    """

    def __init__(self, folder: Path, *, package: Path = REPOSITORY) -> None:
        self.root = folder / "root"
        self.data = folder / "data"
        self.url = ""
        self._folder = folder
        self._package = package
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.root.mkdir(parents=True)

    def __enter__(self) -> Self:
        # Another process may take the free port first.
        for _attempt in range(3):
            try:
                if self._start():
                    return self
            except BaseException:  # a test's time is over
                self.stop()
                raise
            self.stop()
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-3000:]}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server, its kernels and what they started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            self._end_kernels()
        started: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, alive = psutil.wait_procs(started, timeout=STOP_TIMEOUT)
        for child in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _start(self) -> bool:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(port),
                env=self._environment(),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}{self._HEALTH}", timeout=30):
                    return True
            except urllib.error.HTTPError:
                return True  # it answers
            except OSError:
                pass
            time.sleep(0.05)
        return False

    _HEALTH = "/"
    """An address that answers once the server is up."""

    def _command(self, port: int) -> list[str]:
        raise NotImplementedError

    def _end_kernels(self) -> None:
        """End what would otherwise be killed with the server."""

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return os.environ | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "HF_HOME": str(folder / "huggingface"),
            "RMM_DATA_DIR": str(folder / "rmm"),
            "RMM_DEMO_DIR": str(folder / "rmm-demo"),
            "PYTHONPATH": os.pathsep.join([str(self._package), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }


class JupyterServer(LocalServer):
    """JupyterLab, or Notebook where that is the application, with a built front end.

    Args:
        folder: For everything that it writes.
        labextension: The built front end.
        application: The module to run.
        package: What its kernels import rmm_widgets from.
        other_lab: A folder with the JupyterLab to run in place of the installed one, without anyone else's extensions.
    """

    _HEALTH = "/api/status"

    def __init__(
        self,
        folder: Path,
        labextension: Path,
        *,
        application: str = "jupyterlab",
        package: Path = REPOSITORY,
        other_lab: Path | None = None,
    ) -> None:
        super().__init__(folder, package=package)
        self._application = application
        self._other_lab = other_lab
        extensions = folder / "labextensions"
        extensions.mkdir()
        (extensions / "rmm-widgets").symlink_to(labextension, target_is_directory=True)
        notifications = folder / "settings" / "@jupyterlab" / "apputils-extension"
        notifications.mkdir(parents=True)
        (notifications / "notification.jupyterlab-settings").write_text(
            '{"fetchNews": "false", "checkForUpdates": false}'
        )

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the server's REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def _environment(self) -> dict[str, str]:
        lab = {} if self._other_lab is None else {"JUPYTERLAB_DIR": str(self._other_lab / "share/jupyter/lab")}
        return super()._environment() | lab

    def _end_kernels(self) -> None:
        for kernel in self.api("GET", "kernels"):
            self.api("DELETE", f"kernels/{kernel['id']}")

    def _command(self, port: int) -> list[str]:
        name = "LabApp" if self._application == "jupyterlab" else "JupyterNotebookApp"
        program = [sys.executable, "-m", self._application]
        if self._other_lab is not None:
            # Not by PYTHONPATH: kernels keep to the installed packages, as in an environment of their own.
            program = [sys.executable, "-c", LAUNCH_LAB.format(folder=str(self._other_lab))]
            program.append("--LabServerApp.labextensions_path=[]")
        return [
            *(*program, "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--PasswordIdentityProvider.hashed_password=",
            "--ServerApp.disable_check_xsrf=True",
            f"--ServerApp.root_dir={self.root}",
            f"--LabServerApp.extra_labextensions_path={self._folder / 'labextensions'}",
            f"--{name}.expose_app_in_browser=True",
            f"--{name}.user_settings_dir={self._folder / 'settings'}",
            f"--{name}.workspaces_dir={self._folder / 'workspaces'}",
            "--FileContentsManager.delete_to_trash=False",
        ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
