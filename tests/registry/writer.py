"""A process that writes to a registry, for the tests that share one or kill its writer.

`python -m tests.registry.writer share FOLDER NAME COUNT` puts COUNT models and says "ok".
`python -m tests.registry.writer nursery` reads folders from its standard input, forks a writer for each
and says its pid; the writer says what it is about to save and what it has saved, until it is killed.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from pathlib import Path
from typing import NoReturn

from rmm_widgets.registry import store as store_module
from rmm_widgets.registry.store import RegistryStore

from .samples import event, model


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def share(folder: Path, name: str, count: int) -> None:
    store = RegistryStore(folder)
    store.open()
    for number in range(count):
        store.put(model(number, description=name))
        store.put(model(1000 * (1 + int(name)) + number))
        store.append_events([event(number + 1)], session=name)
    store.close()
    say("ok")


def write_until_killed(folder: Path) -> NoReturn:
    store_module.JOURNAL_SLACK = 2000  # the journal is rewritten every few saves
    numbers = random.Random(os.getpid())
    store = RegistryStore(folder)
    store.open()
    for version in itertools.count():
        number = numbers.randrange(12)
        value = "removed" if version % 7 == 6 else f"{os.getpid()}.{version}"
        say(f"try {number} {value}")
        if value == "removed":
            store.remove(f"model-{number}")
        else:
            store.put(model(number, description=value))
        say(f"done {number} {value}")
    raise AssertionError


def nursery() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            write_until_killed(Path(line.rstrip("\n")))
        say(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    if sys.argv[1] == "nursery":
        nursery()
    else:
        share(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
