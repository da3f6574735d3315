"""How long a kernel takes to complete a `%rmm` line, beside the attributes of an object.

Whole requests to a kernel of their own, with ten thousand registered models and five hundred repositories in the cache.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel

MODELS = 10_000
REPOSITORIES = 500
EACH_ROUND = 20
AIM = 50.0
LONG = 120.0

_PEER = "frame.app"
_SETUP = """
import os
os.environ.update(RMM_DATA_DIR={data!r}, HF_HUB_CACHE={cache!r})
import rmm_widgets
from pathlib import Path
frame = [1]

manager = rmm_widgets.get_manager()
infos = [rmm_widgets.ModelInfo(f"model-{{n:05}}", "embedding_model", f"org/model-{{n}}") for n in range({models})]
manager.register_models(infos)
%load_ext rmm_widgets
"""
LINES = {
    "a command": "%rmm loa",
    "an option": "%rmm load --dev",
    "an id": "%rmm info model-0999",
    "any id": "%rmm info ",
    "a setting": "%rmm config model-00001 dtype=",
    "a repository of the cache": "%rmm add org/cached-12",
    "any repository": "%rmm add ",
}


def _once(client: Any, code: str) -> float:
    began = time.perf_counter()
    matches = client.complete(code, len(code), reply=True, timeout=LONG)["content"]["matches"]
    took = time.perf_counter() - began
    if not matches:
        raise RuntimeError(f"nothing completes {code!r}")
    return took * 1e3


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "hub")
        for number in range(REPOSITORIES):
            (cache / f"models--org--cached-{number:03}" / "snapshots" / ("a" * 40)).mkdir(parents=True)
        manager, client = start_new_kernel(kernel_name="python3", cwd=folder)
        try:
            setup = _SETUP.format(data=str(Path(folder, "data")), cache=str(cache), models=MODELS)
            client.execute_interactive(setup, timeout=LONG, output_hook=lambda _message: None)
            times = _measured(client, rounds)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    peer = statistics.median(times.pop("attributes of an object"))
    print(f"attributes of an object, by IPython     median {peer:6.1f} ms")
    for name, each in times.items():
        middle, worst = statistics.median(each), max(each)
        print(
            f"{name:39} median {middle:6.1f} ms, worst {worst:6.1f} ms (aim {AIM:.0f})   {middle / peer:5.2f} x those"
        )


def _measured(client: Any, rounds: int) -> dict[str, list[float]]:
    lines = {"attributes of an object": _PEER, **LINES}
    times: dict[str, list[float]] = {name: [] for name in lines}
    for code in lines.values():  # what is imported or read for the first time
        _once(client, code)
    for _ in range(rounds * EACH_ROUND):
        for name, code in lines.items():
            times[name].append(_once(client, code))
    return times
