"""KeyboardInterrupt: a real SIGINT at any moment ends a wait, never the work, and leaves everything in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TELL = """
import sys, threading, time, traceback

def main_waits():
    frame = sys._current_frames()[threading.main_thread().ident]
    names = [each.f_code.co_name for each, _ in traceback.walk_stack(frame)]
    return names[0] == "wait" and "start" not in names

def tell_when_waiting():
    def tell():
        while not main_waits():
            time.sleep(0.01)
        print("waiting", flush=True)
    threading.Thread(target=tell).start()
"""

WAIT = """
from rmm_widgets import ModelManager
from tests.manager.models import Barrier, Scripted, info

manager = ModelManager(data_dir=sys.argv[1], endpoint="http://127.0.0.1:9", token=False)
barrier = Barrier()
manager.register_model(info("custom"), model=Scripted("custom", load=barrier))
job = manager.load_model("custom")
barrier.reached.wait()
tell_when_waiting()
try:
    job.result()
except KeyboardInterrupt as interrupt:
    print("interrupted:", interrupt, flush=True)
assert not job.done()
barrier.open.set()
print(job.result(30), flush=True)
manager.close()
"""

CLOSE = """
from rmm_widgets import ModelManager
from tests.manager.models import Barrier, Scripted, info

manager = ModelManager(data_dir=sys.argv[1], endpoint="http://127.0.0.1:9", token=False)
barrier = Barrier()
manager.register_model(info("custom"), model=Scripted("custom", unload=barrier))
manager.load_model("custom").result(30)

def let_go():
    sys.stdin.readline()
    barrier.open.set()

threading.Thread(target=let_go).start()
tell_when_waiting()
try:
    manager.close()
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert not [thread for thread in threading.enumerate() if thread.name.startswith("rmm-")], threading.enumerate()
print("closed", flush=True)
"""

RANDOM = """
import random, signal, sys, threading, time
from rmm_widgets import ModelManager
from rmm_widgets.errors import RMMError
from rmm_widgets.lifecycle.invariants import violations
from tests.manager.models import Scripted, info

folder, seed, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
numbers = random.Random(seed)
manager = ModelManager(data_dir=folder, endpoint="http://127.0.0.1:9", token=False)
pause = lambda: time.sleep(0.002)
names = ["custom-0", "custom-1"]
for name in names:
    manager.register_model(info(name), model=Scripted(name, on_disk=False, download=pause, load=pause, unload=pause))
ready, over = threading.Event(), threading.Event()

def interrupt():
    for _ in range(times):
        ready.wait()
        ready.clear()
        time.sleep(numbers.random() * 0.03)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    over.set()

threading.Thread(target=interrupt, daemon=True).start()
interrupted = 0
while not over.is_set():
    try:
        ready.set()
        while True:
            name = random.choice(names)
            manager.register_model(info(name, description=str(random.random())))
            manager.load_model(name).result(30)(1)
            manager.update_model_config(name, {"value": random.random()})
            manager.unload_model(name).result(30)
            manager.events(limit=3)
            if over.is_set():
                break
    except KeyboardInterrupt:
        interrupted += 1
for name in names:
    assert manager.load_model(name).result(30)(7) == 7
    manager.unload_model(name).result(30)
assert manager._call(lambda: violations(manager._engine.machine)) == []
history = [event.seq for event in manager.events(limit=10**6)]
assert history == list(range(1, len(history) + 1)), "no event is lost or doubled"
known = manager.get_all_models()
manager.close()
left = [thread.name for thread in threading.enumerate() if thread.name.startswith("rmm-")]
assert not left, left
with ModelManager(data_dir=folder, endpoint="http://127.0.0.1:9", token=False) as again:
    assert again.get_all_models() == known, "what is on disk is what was known"
print("interrupted", interrupted, flush=True)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_L17_an_interrupt_ends_the_wait_and_not_the_work(tmp_path: Path) -> None:
    with start(TELL + WAIT, str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.startswith("interrupted: The wait ended, the work goes on")
    assert "job.cancel()" in output
    assert "<ModelInstance 'custom' loaded, healthy>" in output


def test_L17_an_interrupted_close_closes_nevertheless(tmp_path: Path) -> None:
    with start(TELL + CLOSE, str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0, errors
    assert output == "interrupted\nclosed\n"


def interrupt_at_random(folder: Path, seed: int, times: int) -> None:
    with start(RANDOM, str(folder), str(seed), str(times)) as process:
        output, errors = process.communicate(timeout=60 + times)
    assert process.returncode == 0, errors
    word, interrupted = output.split()
    assert word == "interrupted"
    assert int(interrupted) > times // 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_L17_interrupts_at_random_moments(tmp_path: Path, numbers: random.Random) -> None:
    interrupt_at_random(tmp_path, numbers.randrange(2**32), 500)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L17_many_interrupts_at_random_moments(tmp_path: Path, numbers: random.Random) -> None:
    interrupt_at_random(tmp_path, numbers.randrange(2**32), 5_000)
