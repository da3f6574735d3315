"""What `import rmm_widgets`, `%load_ext rmm_widgets` and `rmm` cost, beside what every widget library imports."""

from __future__ import annotations

import statistics
import subprocess
import sys

_TIMED = """
import time
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
"""
_IN_IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import time
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
"""
_PROCESS = """
import subprocess, sys, time
began = time.perf_counter()
subprocess.run([sys.executable, *{words}], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - began)
"""
CASES = {
    "import rmm_widgets": _TIMED.format(work="import rmm_widgets"),
    "import ipywidgets, anywidget": _TIMED.format(work="import ipywidgets, anywidget"),
    "%load_ext rmm_widgets": _IN_IPYTHON.format(work="shell.run_line_magic('load_ext', 'rmm_widgets')"),
    "%load_ext rmm_widgets; get_manager()": _IN_IPYTHON.format(
        work="shell.run_line_magic('load_ext', 'rmm_widgets'); import rmm_widgets; rmm_widgets.get_manager()"
    ),
    "python -c pass, the whole process": _PROCESS.format(words=["-c", "pass"]),
    "rmm --version, the whole process": _PROCESS.format(words=["-m", "rmm_widgets", "--version"]),
    "rmm ls, the whole process": _PROCESS.format(words=["-m", "rmm_widgets", "ls"]),
}


def _once(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def main(rounds: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, code in CASES.items():
            seconds[name].append(_once(code))
    peer = statistics.median(seconds["import ipywidgets, anywidget"])
    for name, runs in seconds.items():
        middle = statistics.median(runs)
        print(f"{name:40} median {middle * 1e3:7.1f} ms   {middle / peer:6.3f} x import ipywidgets, anywidget")
