"""The commands as processes: what they print where, their exit codes, and what they share with kernels."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import rmm_widgets
from rmm_widgets import errors
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.manager import ModelManager
from rmm_widgets.terminal.program import TERMINAL_TABLE

from ..downloads.fetching import wait_until
from ..manager.test_imports import HEAVY, loaded_after
from .terminal import COMMAND, ROOT, Terminal

ONLY_IN_NOTEBOOKS = {"load", "unload", "health", "pin", "unpin", "config", "allow", "pause", "queue"}


def test_the_way_of_a_model(terminal: Terminal) -> None:
    assert "rmm-demo/minilm-toy" in terminal.ok("search", "minilm")
    assert "rmm download tiny fetches it" in terminal.ok("add", "rmm-demo/minilm-toy", "--as", "tiny")
    assert "registered" in terminal.ok("ls")
    done = terminal.run("download", "tiny", "--wait")
    assert done.returncode == 0
    told = re.fullmatch(r"tiny: on disk, [\d.]+ kB, in (.+)\n", done.stdout)
    assert told is not None
    assert Path(told[1]).joinpath("config.json").exists()
    assert "downloaded" in terminal.ok("status", "tiny")
    assert "all 10 files are as published." in terminal.ok("verify")
    assert "tiny: all 10 files are as published." in terminal.ok("verify", "tiny")
    assert "tiny" in terminal.ok("du")
    assert terminal.ok("prune") == "Nothing to remove.\n"
    assert "What to do: %rmm load tiny brings it into memory." in terminal.ok("why", "tiny"), "the notebook's way"
    assert terminal.ok("outdated") == "Nothing newer was found.\n"
    assert re.search(r"downloaded models +1\n", terminal.ok("stats"))
    assert "download_complete" in terminal.ok("events", "tiny")
    assert re.fullmatch(r"Removed tiny\. [\d.]+ kB freed\.\n", terminal.ok("rm", "tiny", "--files"))
    assert terminal.ok("ls") == "No models are registered. `rmm add REPO` registers one.\n"


def test_what_lists_gives_json(terminal: Terminal) -> None:
    terminal.ok("add", "rmm-demo/minilm-toy")
    assert terminal.run("resume", "minilm-toy").returncode == 0
    terminal.ok("freeze", str(terminal.folder / "rmm.lock"))
    values = {
        name: json.loads(terminal.ok(*words, "--json"))
        for name, words in {
            "search": ("search", "minilm"),
            "ls": ("ls",),
            "info": ("info", "minilm-toy"),
            "outdated": ("outdated",),
            "status": ("status",),
            "stats": ("stats",),
            "events": ("events",),
            "why": ("why", "minilm-toy"),
            "verify": ("verify",),
            "verify one": ("verify", "minilm-toy"),
            "du": ("du",),
            "prune": ("prune",),
            "adopt": ("adopt",),
            "sync": ("sync", str(terminal.folder / "rmm.lock")),
        }.items()
    }
    assert values["search"][0]["repo_id"] == "rmm-demo/minilm-toy"
    assert [each["info"]["model_id"] for each in values["ls"]] == ["minilm-toy"]
    assert values["info"]["on_disk"] is True
    assert values["outdated"] == []
    assert values["stats"]["downloaded_models"] == 1
    assert [each["model_id"] for each in values["verify"]] == ["minilm-toy"]
    assert values["verify one"] == values["verify"][0]
    assert [each["model_id"] for each in values["sync"]["models"]] == ["minilm-toy"]
    assert {name for name, each in TERMINAL_TABLE.items() if each.as_json and not each.only_in_notebooks} == {
        name.partition(" ")[0] for name in values
    }


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["lss"], 2, "error: there is no command 'lss' — Did you mean ls or stats?"),
        (["--verson"], 2, "error: there is no option '--verson' before the command — Did you mean --version?"),
        (["ls", "--jsn"], 2, "error: ls has no option '--jsn' — Did you mean --json?"),
        (["search", "x", "--wait"], 2, "error: search has no option '--wait' — Did you mean"),
        (["download"], 2, "error: download: the following arguments are required: ID — Usage: rmm download ID…"),
        (["add", "../x"], 2, "error: "),
        (["load", "x"], 2, "error: load is only in notebooks. A loaded model belongs to a kernel. — In a notebook: "),
        (["connect"], 2, "error: connect comes in a later version — "),
        (["search", b"\xff"], 2, "error: '\\udcff' is no text — "),
        (["info", "x"], 1, "error: there is no model 'x' — `rmm ls` lists the models, `rmm add` registers one."),
        (["info", "%rmm load"], 1, "error: there is no model '%rmm load' — `rmm ls` lists"),
        (["search", "x"], 1, "error: The list of models could not be fetched: 127.0.0.1:9: "),
    ],
)
def test_errors_are_one_line_on_standard_error(offline: Terminal, words: list[str], code: int, told: str) -> None:
    done = offline.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(told)
    assert re.search(r" — `rmm help (\w+Error)` tells more\.\n$", done.stderr)


def test_a_lock_file_is_a_check_for_scripts(terminal: Terminal) -> None:
    lock = str(terminal.folder / "class.lock")
    terminal.ok("add", "rmm-demo/minilm-toy", "--as", "tiny")
    assert terminal.ok("freeze", lock) == f"Wrote {lock}: 1 model.\n"
    differs = terminal.run("sync", lock, "--check")
    assert (differs.returncode, differs.stdout) == (1, "")
    assert "tiny" in differs.stderr
    assert f"`rmm sync {lock}` registers and fetches what is missing." in differs.stderr
    assert "1 model as " in terminal.ok("sync", lock)
    assert "1 model as " in terminal.ok("sync", lock, "--check")
    missing = terminal.run("sync", lock + ".old", "--check")
    assert (missing.returncode, missing.stdout) == (1, "")


def test_a_damaged_model_fails_the_verification_and_is_repaired(terminal: Terminal, hub: DemoHub) -> None:
    terminal.ok("add", "rmm-demo/minilm-toy")
    terminal.run("download", "minilm-toy")
    (weights,) = terminal.folder.glob("cache/models--*/snapshots/*/model.safetensors")
    blob = weights.resolve()
    blob.chmod(0o644)
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    found = terminal.run("verify", "minilm-toy")
    assert found.returncode == 1
    assert "rmm verify minilm-toy --repair fetches only these." in found.stdout
    repaired = terminal.run("verify", "minilm-toy", "--repair")
    assert (repaired.returncode, repaired.stdout) == (0, "minilm-toy: all files are as published\n")
    assert terminal.run("verify", "--json").returncode == 0


def test_one_that_fails_does_not_hide_the_others(terminal: Terminal, hub: DemoHub) -> None:
    for name in ("minilm-toy", "vit-digits"):
        terminal.ok("add", f"rmm-demo/{name}")
    hub.remove("rmm-demo/minilm-toy")
    done = terminal.run("download", "minilm-toy", "vit-digits")
    assert done.returncode == 1
    assert done.stdout.startswith("vit-digits: on disk, ")
    assert done.stderr.splitlines()[-1].startswith("error: minilm-toy: ")
    hub.remove("rmm-demo/vit-digits")
    asked = terminal.run("outdated", "--json")
    assert asked.returncode == 1
    assert json.loads(asked.stdout) == []
    assert asked.stderr.startswith("error: vit-digits: ")


def test_help_tells_what_a_terminal_has(offline: Terminal) -> None:
    shown = offline.ok()
    assert shown == offline.ok("help") == offline.ok("--help")
    listed = {line.split()[0] for line in shown.splitlines()}
    assert set(TABLE) - listed == ONLY_IN_NOTEBOOKS
    last = shown.splitlines()[-1]
    assert last.startswith(
        "rmm help COMMAND tells more, rmm help ERROR explains an error by its name. In notebooks also"
    )
    assert offline.ok("help", "download") == offline.ok("download", "--help")
    assert offline.ok("download", "-h").startswith("rmm download ID…\n"), "there is no --wait"
    assert "Only in notebooks: A loaded model belongs to a kernel." in offline.ok("help", "load")
    explained = offline.ok("help", "moDelnotregisterederror")
    assert explained.startswith("ModelNotRegisteredError\n")
    assert "`rmm ls` lists all" in explained
    listed = {line.split()[0] for line in offline.ok("help", "errors").splitlines()}
    assert set(errors.__all__) <= listed
    assert offline.ok("--version") == f"rmm_widgets {rmm_widgets.__version__}\n"
    assert not offline.folder.joinpath("data").exists(), "nothing was opened for that"


def test_the_scripts_lead_here(offline: Terminal) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert set(scripts) == {"rmm", "jupyter-rmm"}
    for target in scripts.values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_a_table_on_a_pipe_is_not_folded(terminal: Terminal) -> None:
    terminal.ok("add", "rmm-demo/minilm-toy", "--as", "a" * 90)
    lines = terminal.ok("ls").splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["a" * 90]


def test_a_reader_that_leaves_is_no_fault(terminal: Terminal) -> None:
    terminal.ok("add", "rmm-demo/minilm-toy")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        done = subprocess.run(
            [*COMMAND, "ls"], env=terminal.environment, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_any_encoding_will_do(terminal: Terminal) -> None:
    terminal.environment["PYTHONIOENCODING"] = "ascii"
    terminal.ok("add", "rmm-demo/minilm-toy")
    assert "minilm-toy" in terminal.ok("ls")


def test_the_settings_are_those_of_notebooks(offline: Terminal, hub: DemoHub) -> None:
    profile = offline.folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    settings = profile / "ipython_config.py"
    settings.write_text(f"c.ModelManager.endpoint = {hub.url!r}\nc.InteractiveShell.colors = 'NoColor'\n")
    kernels = profile / "ipython_kernel_config.py"
    kernels.write_text(f"c.ModelManager.cache_dir = {str(offline.folder / 'shared')!r}\n")
    assert "rmm-demo/minilm-toy" in offline.ok("search", "minilm")
    assert json.loads(offline.ok("du", "--json"))["cache_dir"] == str(offline.folder / "shared")
    kernels.write_text("1 / 0\n")
    done = offline.run("search", "minilm")
    assert done.returncode == 0
    told = f"warning: {kernels} raised ZeroDivisionError: division by zero Its settings are left out.\n"
    assert done.stderr == told
    settings.write_text("c.ModelManager.max_concurrent_downloads = 'many'\n")
    kernels.unlink()
    done = offline.run("ls")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "max_concurrent_downloads" in done.stderr
    assert offline.run("help").returncode == 0


def test_a_registry_that_cannot_be_used_is_an_error(offline: Terminal) -> None:
    offline.folder.joinpath("data").write_text("not a folder")
    done = offline.run("ls")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["warning", "error"]


def test_a_kernel_and_a_terminal_have_the_same_models(terminal: Terminal, hub: DemoHub) -> None:
    folder = terminal.folder
    with ModelManager(
        endpoint=hub.url, cache_dir=folder / "cache", data_dir=folder / "data", token=False, cleanup_interval=0.5
    ) as kernel:
        kernel.register_from_hub("rmm-demo/minilm-toy", model_id="of-the-kernel").result(60)
        assert "of-the-kernel" in terminal.ok("ls")
        terminal.ok("add", "rmm-demo/vit-digits", "--as", "of-the-terminal")
        assert terminal.run("download", "of-the-kernel", "of-the-terminal").returncode == 0
        wait_until(lambda: kernel.is_model_available("of-the-terminal") and kernel.is_model_available("of-the-kernel"))
        hub.reset_log()
        kernel.download_model("of-the-terminal").result(60)
        assert hub.requests == [], "nothing is fetched twice"


def test_no_heavy_library_is_imported(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.ok("add", "rmm-demo/minilm-toy")
    for name, value in terminal.environment.items():
        monkeypatch.setenv(name, value)
    loaded = loaded_after("from rmm_widgets.terminal.program import run\nassert run(['ls']) == 0")
    assert loaded & (HEAVY | {"IPython", "jinja2", "numpy"}) == set()
    loaded = loaded_after("from rmm_widgets.terminal.program import run\nassert run(['help']) == 0")
    assert loaded & {"asyncio", "sqlite3", "traitlets", "psutil"} == set()
