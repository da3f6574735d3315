"""The cache as other programs see it: what we write, they read; what they wrote, we adopt."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot
from rmm_widgets.downloads.verify import verify_snapshot

from .fetching import run, spec
from .programs import hf, python

MODEL = "rmm-demo/minilm-toy"


@pytest.fixture
def written(hub: DemoHub, cache: Path) -> Path:
    """A snapshot that we wrote."""
    return Path(run(spec(hub, cache, MODEL)).snapshot)


def test_hf_cache_ls_lists_what_we_wrote(hub: DemoHub, cache: Path, written: Path) -> None:
    shown = hf(hub, cache, "cache", "ls", "--revisions", "--format", "json", "--cache-dir", str(cache))
    assert MODEL in shown
    assert written.name in shown


def test_hf_cache_verify_accepts_what_we_wrote(hub: DemoHub, cache: Path, written: Path) -> None:
    hf(hub, cache, "cache", "verify", MODEL, "--cache-dir", str(cache), "--fail-on-extra-files")


def test_hf_cache_verify_finds_the_damage_that_we_find(hub: DemoHub, cache: Path, written: Path) -> None:
    file = written / "config.json"
    file.write_bytes(file.read_bytes().replace(b"{", b"[", 1))
    snapshot = find_snapshot(cache, MODEL, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot).corrupt == ("config.json",)
    with pytest.raises(AssertionError, match=r"config\.json"):
        hf(hub, cache, "cache", "verify", MODEL, "--cache-dir", str(cache))


def test_a_scan_counts_what_we_wrote_and_warns_of_nothing(hub: DemoHub, cache: Path, written: Path) -> None:
    scan = scan_cache_dir(cache)
    snapshot = find_snapshot(cache, MODEL, None)
    assert snapshot is not None
    assert scan.warnings == []
    assert not scan.incomplete_files
    assert scan.size_on_disk == snapshot.size
    (repo,) = scan.repos
    assert (repo.repo_id, repo.nb_files) == (MODEL, len(snapshot.files))
    assert set(repo.refs) == {"main"}


def test_what_we_wrote_is_complete_without_a_network(hub: DemoHub, cache: Path, written: Path) -> None:
    for path in ("config.json", "onnx/model.onnx", "1_Pooling/config.json"):
        found = hf_hub_download(MODEL, path, cache_dir=cache, local_files_only=True)
        assert Path(found) == written / path
    assert Path(snapshot_download(MODEL, cache_dir=cache, local_files_only=True)) == written
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(MODEL, "none.json", cache_dir=cache, local_files_only=True)


def test_their_download_of_what_we_wrote_moves_no_body_byte(hub: DemoHub, cache: Path, written: Path) -> None:
    snapshot = find_snapshot(cache, MODEL, None)
    assert snapshot is not None
    hub.reset_log()
    hf(hub, cache, "download", MODEL, *snapshot.files)
    assert hub.bytes_sent(path="*") == 0


def test_what_they_wrote_is_adopted_without_a_body_byte(hub: DemoHub, cache: Path) -> None:
    hf(hub, cache, "download", MODEL)
    hub.reset_log()
    result = run(spec(hub, cache, MODEL))
    assert hub.bytes_sent(path="*") == 0
    assert result.fetched_bytes == 0
    assert result.verified == (), "nobody has read it yet"
    snapshot = find_snapshot(cache, MODEL, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot)[:2] == ((), ())


def test_a_file_of_theirs_with_the_wrong_size_is_fetched_again(hub: DemoHub, cache: Path) -> None:
    hf(hub, cache, "download", MODEL)
    found = find_snapshot(cache, MODEL, None)
    assert found is not None
    size = (found.path / "onnx/model.onnx").stat().st_size
    os.truncate((found.path / "onnx/model.onnx").resolve(), 1000)
    hub.reset_log()
    result = run(spec(hub, cache, MODEL))
    assert hub.bytes_sent(path="*") == size
    assert [file.paths for file in result.verified] == [("onnx/model.onnx",)]


def test_hf_cache_rm_frees_what_we_wrote(hub: DemoHub, cache: Path, written: Path) -> None:
    hf(hub, cache, "cache", "rm", f"model/{MODEL}", "--yes", "--cache-dir", str(cache))
    assert find_snapshot(cache, MODEL, None) is None
    assert not written.exists()


def test_transformers_reads_what_we_wrote_offline(hub: DemoHub, cache: Path, written: Path) -> None:
    program = os.environ.get("RMM_TEST_TRANSFORMERS_PYTHON", sys.executable)
    if program == sys.executable:
        pytest.importorskip("transformers")
    code = (
        "from transformers import AutoConfig, AutoTokenizer\n"
        f"config = AutoConfig.from_pretrained({MODEL!r})\n"
        f"tokens = AutoTokenizer.from_pretrained({MODEL!r})('a small test')['input_ids']\n"
        "print(config.model_type, len(tokens))"
    )
    hub.reset_log()
    shown = python(hub, cache, "-c", code, offline=True, program=program)
    kind, count = shown.split()[-2:]
    assert kind == "bert"
    assert int(count) > 2
    assert hub.requests == []
