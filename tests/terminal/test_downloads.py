"""`rmm download`: progress on pipes and terminals, Ctrl-C, and one download of a kernel and a terminal."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.manager import ModelManager

from ..downloads.fetching import MIB, assert_intact, wait_until
from .terminal import Terminal, interrupt

REPO = "rmm-demo/model"
FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": random.Random(7).randbytes(6 * MIB)}
TOTAL = sum(map(len, FILES.values()))
SLOW = 0.75 * MIB
"""Bytes per second: time for another process to start. A change on the way would make the fetcher split ranges anew."""


@pytest.fixture
def big(terminal: Terminal, hub: DemoHub) -> Terminal:
    """A terminal with a model that takes seconds to download."""
    hub.add(REPO, FILES)
    terminal.ok("add", REPO, "--as", "big", "--type", "embedding_model")
    hub.reset_log()
    hub.rate = 2 * MIB
    return terminal


def cache(terminal: Terminal) -> Path:
    return terminal.folder / "cache"


def kernel(terminal: Terminal, hub: DemoHub) -> ModelManager:
    """A manager as a kernel has it, on the same registry and cache."""
    folder = terminal.folder
    return ModelManager(endpoint=hub.url, cache_dir=folder / "cache", data_dir=folder / "data", token=False)


def is_under_way(terminal: Terminal) -> bool:
    return partial_bytes(cache(terminal), REPO) > MIB


def test_a_pipe_gets_few_plain_lines(big: Terminal) -> None:
    done = big.run("download", "big")
    assert done.returncode == 0
    assert done.stdout.startswith("big: on disk, 6.3 MB, in ")
    assert 1 <= len(done.stderr.splitlines()) <= 3
    assert all(line.startswith("big: ") for line in done.stderr.splitlines())
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stderr
    assert_intact(cache(big))


def test_an_interrupt_pauses_and_says_how_to_go_on(big: Terminal, hub: DemoHub) -> None:
    process = big.begin("download", "big")
    wait_until(lambda: is_under_way(big))
    code, out, err = interrupt(process)
    assert (code, out) == (130, "")
    assert re.fullmatch(r"big: paused, \d\.\d MB of 6\.3 MB are kept\.", err.splitlines()[-2])
    assert err.splitlines()[-1] == "`rmm download big` goes on."
    kept = partial_bytes(cache(big), REPO)
    assert kept > MIB
    assert "partial" in big.ok("status", "big")
    told = big.ok("why", "big")
    assert "The download was paused at" in told
    assert "cancelled" not in told, "what ended the program was no cancel"
    hub.rate = None
    sent = hub.bytes_sent(REPO, "*")
    assert big.run("download", "big").returncode == 0
    assert hub.bytes_sent(REPO, "*") - sent <= TOTAL - kept, "nothing that was kept is fetched again"
    assert_intact(cache(big))


def test_what_is_kept_can_be_discarded(big: Terminal) -> None:
    process = big.begin("download", "big")
    wait_until(lambda: is_under_way(big))
    interrupt(process)
    refused = big.run("cancel", "big")
    assert refused.returncode == 2
    assert "rmm cancel big --discard removes" in refused.stderr
    assert big.ok("cancel", "big", "--discard").startswith("Discarded what was fetched of big, ")
    assert partial_bytes(cache(big), REPO) == 0


def test_an_interrupt_names_all_that_go_on(big: Terminal) -> None:
    for number in range(4):
        big.ok("add", REPO, "--as", f"copy {number}", "--type", "embedding_model")
    process = big.begin("download", "big", "copy 0", "copy 1", "copy 2", "copy 3")
    wait_until(lambda: is_under_way(big))
    code, _, err = interrupt(process)
    assert code == 130
    assert err.splitlines()[-1] == "`rmm download big 'copy 0' 'copy 1' 'copy 2' 'copy 3'` goes on."


def test_a_terminal_shows_bars_and_takes_ctrl_c(big: Terminal) -> None:
    code, shown = big.on_screen("download", "big", keys=[("MB/s", b"\x03")], COLUMNS="100")
    assert code == 130
    assert re.search(r"━.* \d+ %, \d\.\d MB of 6\.3 MB, .*/s, \d+ s left", shown)
    assert "\x1b[36m" in shown, "in colour"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"
    assert shown.endswith("are kept.\r\n`rmm download big` goes on.\r\n")


def test_no_colour_where_none_is_wanted(big: Terminal, hub: DemoHub) -> None:
    hub.rate = None
    code, shown = big.on_screen("download", "big", NO_COLOR="1")
    assert code == 0
    assert re.findall(r"\x1b\[[\d;]*m", shown) == []
    assert "\x1b[31merror:\x1b[0m there is no" in big.on_screen("lss")[1]
    assert "\x1b" not in big.on_screen("lss", NO_COLOR="1")[1]
    code, shown = big.on_screen("download", "big", TERM="dumb")
    assert code == 0
    assert "\x1b" not in shown


def test_a_terminal_joins_the_download_of_a_kernel(big: Terminal, hub: DemoHub) -> None:
    with kernel(big, hub) as manager:
        hub.rate = SLOW
        job = manager.download_model("big")
        wait_until(lambda: is_under_way(big))
        process = big.begin("download", "big")
        assert process.stderr is not None
        assert any("another program is downloading it" in line for line in process.stderr)
        out, _ = process.communicate(timeout=60)
        job.result(60)
    assert process.returncode == 0
    assert out.startswith("big: on disk, 6.3 MB, in ")
    assert hub.bytes_sent(REPO, "*") <= TOTAL * 1.01, "the bytes travelled once"
    assert_intact(cache(big))


def test_a_kernel_joins_the_download_of_a_terminal_and_takes_over(big: Terminal, hub: DemoHub) -> None:
    hub.rate = SLOW
    process = big.begin("download", "big")
    wait_until(lambda: is_under_way(big))
    with kernel(big, hub) as manager:
        job = manager.download_model("big")
        wait_until(lambda: job.progress is not None and job.progress.phase == "waiting_for_other")
        code, _, err = interrupt(process)
        assert code == 130
        assert "big: paused, " in err
        hub.rate = None
        job.result(60)
    assert hub.bytes_sent(REPO, "*") <= TOTAL + MIB, "only what was under way at the interrupt was fetched again"
    assert_intact(cache(big))


def test_an_interrupt_leaves_the_download_of_a_kernel_alone(big: Terminal, hub: DemoHub) -> None:
    with kernel(big, hub) as manager:
        hub.rate = SLOW
        job = manager.download_model("big")
        wait_until(lambda: is_under_way(big))
        code, shown = big.on_screen("download", "big", keys=[("another program", b"\x03")], COLUMNS="100")
        assert code == 130
        assert "big: another program goes on with it." in shown
        assert not job.done()
        job.result(60)
    assert hub.bytes_sent(REPO, "*") <= TOTAL * 1.01
    assert find_snapshot(cache(big), REPO, None) is not None


def test_an_update_is_followed_like_a_download(big: Terminal, hub: DemoHub) -> None:
    hub.rate = None
    assert big.run("download", "big").returncode == 0
    hub.update(REPO, {"config.json": b'{"model_type": "bert", "vocab_size": 8}'})
    asked = big.run("outdated")
    assert asked.returncode == 0
    assert "rmm update ID accepts the newer commit." in asked.stdout
    assert big.run("update", "big", "--wait").returncode == 0
    assert big.ok("outdated", "big") == "Nothing newer was found.\n"


def test_an_interrupted_search_is_quiet(terminal: Terminal, hub: DemoHub) -> None:
    hub.latency = 3600.0
    process = terminal.begin("search", "minilm")
    wait_until(lambda: bool(hub.requests))
    assert interrupt(process) == (130, "", "Interrupted.\n")
