"""One download against a hub that behaves."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN, DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import (
    DownloadCancelledError,
    DownloadError,
    GatedModelError,
    HubUnavailableError,
    IntegrityError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .fetching import MIB, REPO, blobs, content, run, spec, unfinished, wait_until

FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": content(3 * MIB + 17),
    "nested/folder/same.safetensors": content(3 * MIB + 17),
    "empty.txt": b"",
    "pytorch_model.bin": content(1000, 2),
    ".gitattributes": b"*.bin filter=lfs",
}
LEFT_OUT = ["pytorch_model.bin", ".gitattributes"]


def test_huggingface_hub_accepts_what_we_write(no_leaks: None, empty_hub: DemoHub, cache: Path) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache

    commit = empty_hub.add(REPO, FILES)
    records: list[FetchProgress] = []
    result = run(spec(empty_hub, cache), records)

    folder = snapshot_download(REPO, cache_dir=cache, local_files_only=True, ignore_patterns=LEFT_OUT)
    assert folder == result.snapshot
    assert result.commit == commit
    for path in result.files:
        assert Path(folder, path).read_bytes() == FILES[path]
    assert set(FILES) - set(result.files) == set(LEFT_OUT)
    assert isinstance(try_to_load_from_cache(REPO, "config.json", cache_dir=cache), str)
    scan = scan_cache_dir(cache)
    assert not scan.warnings
    (found,) = scan.repos
    assert found.size_on_disk == result.total_bytes == 3 * MIB + 17 + len(FILES["config.json"])
    assert set(found.refs) == {"main"}
    assert (cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert unfinished(cache) == []
    assert result.fetched_bytes == result.total_bytes, "content under two names came once"
    assert records[-1] == FetchProgress("done", result.total_bytes, result.total_bytes, None, 4, 4, 0.0, None)


def test_huggingface_hub_goes_on_from_what_we_wrote(empty_hub: DemoHub, cache: Path) -> None:
    from huggingface_hub import snapshot_download

    empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache))
    empty_hub.reset_log()
    snapshot_download(REPO, cache_dir=cache, endpoint=empty_hub.url, token=False)
    assert empty_hub.bytes_sent(path="*") == sum(len(FILES[path]) for path in LEFT_OUT)


def test_we_accept_what_huggingface_hub_wrote(empty_hub: DemoHub, cache: Path) -> None:
    from huggingface_hub import snapshot_download

    empty_hub.add(REPO, FILES)
    snapshot_download(REPO, cache_dir=cache, endpoint=empty_hub.url, token=False)
    snapshot = find_snapshot(cache, REPO, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot).corrupt == ()
    empty_hub.reset_log()
    assert run(spec(empty_hub, cache)).fetched_bytes == 0


def test_a_second_download_asks_once_and_fetches_nothing(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, FILES)
    first = run(spec(empty_hub, cache))
    empty_hub.reset_log()
    again = run(spec(empty_hub, cache))
    assert (again.snapshot, again.fetched_bytes) == (first.snapshot, 0)
    assert [request.path for request in empty_hub.requests] == [f"/api/models/{REPO}/revision/main"]


def test_a_new_commit_fetches_only_what_changed(empty_hub: DemoHub, cache: Path) -> None:
    old = empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache))
    new = empty_hub.update(REPO, {"config.json": b"{}"})
    result = run(spec(empty_hub, cache))
    assert result.fetched_bytes == 2
    assert find_snapshot(cache, REPO, None).commit == new  # type: ignore[union-attr]
    assert find_snapshot(cache, REPO, old).commit == old  # type: ignore[union-attr]


@pytest.mark.parametrize("revision", ["v1.0", "feature/x"])
def test_a_tag_or_branch_becomes_a_ref(empty_hub: DemoHub, cache: Path, revision: str) -> None:
    empty_hub.add(REPO, FILES)
    commit = empty_hub.tag(REPO, revision)
    empty_hub.update(REPO, {"config.json": b"{}"})
    assert run(spec(empty_hub, cache, revision=revision)).commit == commit
    assert (cache / "models--rmm-demo--model" / "refs" / revision).read_text() == commit
    assert find_snapshot(cache, REPO, revision) is not None
    assert find_snapshot(cache, REPO, "main") is None


def test_a_commit_needs_no_ref(empty_hub: DemoHub, cache: Path) -> None:
    commit = empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache, revision=commit))
    assert find_snapshot(cache, REPO, commit) is not None
    assert not (cache / "models--rmm-demo--model" / "refs").exists()


def test_patterns_choose_the_files(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, FILES)
    result = run(spec(empty_hub, cache, allow_patterns=("*.json", "*.bin"), ignore_patterns=("config*",)))
    assert result.files == ("pytorch_model.bin",)
    assert find_snapshot(cache, REPO, None) is None
    assert find_snapshot(cache, REPO, None, allow_patterns=["*.bin"]) is not None


def test_without_symlinks_the_files_themselves_are_in_the_snapshot(
    empty_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download

    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    empty_hub.add(REPO, FILES)
    result = run(spec(empty_hub, cache))
    assert not any(path.is_symlink() for path in Path(result.snapshot).rglob("*"))
    assert all(Path(result.snapshot, path).read_bytes() == FILES[path] for path in result.files)
    assert run(spec(empty_hub, cache)).fetched_bytes == 0
    assert not scan_cache_dir(cache).warnings
    snapshot_download(REPO, cache_dir=cache, local_files_only=True, ignore_patterns=LEFT_OUT)

    monkeypatch.delenv("HF_HUB_DISABLE_SYMLINKS")
    assert run(spec(empty_hub, cache)).fetched_bytes == 0, "links do not take the place of files that are there"
    snapshot = find_snapshot(cache, REPO, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot)[:2] == ((), ())


def test_a_link_that_leads_elsewhere_is_replaced(empty_hub: DemoHub, cache: Path, tmp_path: Path) -> None:
    empty_hub.add(REPO, FILES)
    folder = Path(run(spec(empty_hub, cache)).snapshot)
    (tmp_path / "elsewhere").write_bytes(FILES["config.json"])
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(tmp_path / "elsewhere")
    run(spec(empty_hub, cache))
    assert (folder / "config.json").resolve().parent.name == "blobs"


def test_large_files_come_in_ranges_over_several_connections(empty_hub: DemoHub, cache: Path) -> None:
    data = content(70 * MIB)
    empty_hub.add(REPO, {"model.safetensors": data})
    result = run(spec(empty_hub, cache, connections=3))
    assert Path(result.snapshot, "model.safetensors").read_bytes() == data
    asked = [request.range for request in empty_hub.requests if request.origin == "cdn" and request.range]
    ranges = sorted(tuple(map(int, text.removeprefix("bytes=").split("-"))) for text in asked)
    assert len(ranges) >= 3
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(data) - 1
    assert all(first[1] + 1 >= second[0] for first, second in itertools.pairwise(ranges)), "no gap"


def test_the_storage_address_is_asked_for_once_and_used_for_all_ranges(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, {"model.safetensors": content(70 * MIB)})
    run(spec(empty_hub, cache, connections=1))
    assert empty_hub.count(path="model.safetensors", origin="hub") == 1
    assert empty_hub.count(path="model.safetensors", origin="cdn") == 18


def test_D18_cancel_keeps_what_came_and_the_next_run_fetches_the_rest(
    no_leaks: None, empty_hub: DemoHub, cache: Path
) -> None:
    size = 12 * MIB
    empty_hub.add(REPO, {"model.safetensors": content(size), "config.json": b"{}"})
    empty_hub.rate = 10 * MIB
    transfer = Transfer(spec(empty_hub, cache), lambda _: None)
    failure: list[BaseException] = []

    def work() -> None:
        try:
            transfer.run()
        except DownloadError as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: partial_bytes(cache, REPO) >= 4 * MIB)
    transfer.cancel()
    thread.join(20)
    assert isinstance(failure[0], DownloadCancelledError)
    kept = partial_bytes(cache, REPO)
    assert 4 * MIB <= kept < size
    assert find_snapshot(cache, REPO, None) is None

    empty_hub.rate = None
    records: list[FetchProgress] = []
    result = run(spec(empty_hub, cache), records)
    assert result.fetched_bytes == size - kept
    assert verify_snapshot(find_snapshot(cache, REPO, None)).corrupt == ()  # type: ignore[arg-type]
    assert all(r.downloaded_bytes >= kept for r in records if r.total_bytes), "resumed bytes count from the start"


def test_D19_finished_files_stay_and_a_retry_fetches_only_the_failed_one(empty_hub: DemoHub, tmp_path: Path) -> None:
    from rmm_widgets.demo.faults import Fault

    files = {f"part-{n}.safetensors": content(50_000, n) for n in range(5)}
    empty_hub.add(REPO, files)
    for failing in files:
        cache = tmp_path / failing
        empty_hub.inject(Fault(path=failing, origin="hub", status=404, error_code="EntryNotFound"))
        with pytest.raises(DownloadError, match=failing):
            run(spec(empty_hub, cache))
        empty_hub.clear_faults()
        empty_hub.reset_log()
        run(spec(empty_hub, cache))
        assert {r.file for r in empty_hub.requests if r.file} == {failing}


@pytest.mark.parametrize(
    ("repo", "revision", "token", "error", "text"),
    [
        ("rmm-demo/gated", None, None, GatedModelError, "log in"),
        ("rmm-demo/gated", None, STRANGER_TOKEN, GatedModelError, "Visit {url}/rmm-demo/gated"),
        ("rmm-demo/private", None, None, RepositoryNotFoundError, "private"),
        ("rmm-demo/private", None, STRANGER_TOKEN, RepositoryNotFoundError, "private"),
        ("rmm-demo/none", None, MEMBER_TOKEN, RepositoryNotFoundError, "no repository rmm-demo/none"),
        ("rmm-demo/open", "v9", None, RevisionNotFoundError, "'v9'"),
        ("rmm-demo/open", "a" * 40, None, RevisionNotFoundError, "a" * 40),
        ("rmm-demo/open", None, "hf_wrong", HubUnavailableError, "does not accept the token"),
    ],
)
def test_what_the_hub_refuses_is_said_before_the_first_byte(
    empty_hub: DemoHub, cache: Path, repo: str, revision: str | None, token: str | None, error: type, text: str
) -> None:
    for name, options in (("open", {}), ("gated", {"gated": "manual"}), ("private", {"private": True})):
        empty_hub.add(name, FILES, **options)
    with pytest.raises(error) as caught:
        run(spec(empty_hub, cache, repo, revision=revision, token=token))
    assert text.format(url=empty_hub.url).lower() in f"{caught.value} {caught.value.hint}".lower()
    assert caught.value.hint
    assert not [r for r in empty_hub.requests if r.file], "no file was asked for"
    assert not cache.exists(), "nothing was written"


@pytest.mark.parametrize("repo", ["gated", "private"])
def test_a_member_gets_gated_and_private_models(empty_hub: DemoHub, cache: Path, repo: str) -> None:
    empty_hub.add(repo, FILES, gated=repo == "gated", private=repo == "private")
    run(spec(empty_hub, cache, f"rmm-demo/{repo}", token=MEMBER_TOKEN))


def test_S11_the_token_goes_to_the_hub_and_nowhere_else(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache, token=MEMBER_TOKEN))
    assert {r.authorized for r in empty_hub.requests if r.origin == "hub"} == {True}
    assert {r.authorized for r in empty_hub.requests if r.origin == "cdn"} == {False}


def test_S10_the_token_is_in_no_file_and_no_record(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, FILES)
    wanted = spec(empty_hub, cache, token=MEMBER_TOKEN)
    records: list[FetchProgress] = []
    run(wanted, records)
    assert MEMBER_TOKEN not in repr(wanted) + repr(records)
    for path in cache.rglob("*"):
        if path.is_file():
            assert MEMBER_TOKEN.encode() not in path.read_bytes()


def test_D6_the_whole_job_must_fit_before_the_first_byte(empty_hub: DemoHub, cache: Path) -> None:
    from rmm_widgets.demo.faults import Fault
    from rmm_widgets.errors import DiskFullError

    empty_hub.add(REPO, FILES)

    def enlarge(document: dict[str, object]) -> dict[str, object]:
        for file in document["siblings"]:  # type: ignore[attr-defined]
            if file["rfilename"] == "model.safetensors":
                file["lfs"]["size"] = file["size"] = 1 << 52
                file["lfs"]["sha256"] = "a" * 64
        return document

    empty_hub.inject(Fault(path="/api/*", json=enlarge))
    with pytest.raises(DiskFullError, match=r"needs 4503599.6 GB, has [0-9.]+ [GM]B"):
        run(spec(empty_hub, cache))
    assert not [r for r in empty_hub.requests if r.file]
    assert not cache.exists()


def test_D17_an_unreachable_hub_is_named(empty_hub: DemoHub, cache: Path, quick_retries: None) -> None:
    empty_hub.add(REPO, FILES)
    empty_hub.offline = True
    with pytest.raises(HubUnavailableError, match=r"127\.0\.0\.1:\d+: the connection was refused \(3 tries\)"):
        run(spec(empty_hub, cache))


def test_a_cache_that_cannot_be_written_is_a_clear_error(empty_hub: DemoHub, tmp_path: Path) -> None:
    empty_hub.add(REPO, FILES)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="Cannot write to"):
        run(spec(empty_hub, tmp_path / "file" / "cache"))


def test_hostile_listings_cause_no_file_request(empty_hub: DemoHub, cache: Path) -> None:
    from rmm_widgets.demo.faults import Fault

    empty_hub.add(REPO, FILES)
    for path in ("../../x", "/abs", "C:\\x", "CON", "a\nb"):
        sibling = {"rfilename": path, "size": 1, "blobId": "1" * 40}
        injected = {"sha": "c" * 40, "siblings": [sibling]}
        empty_hub.inject(Fault(path="/api/*", json=injected, times=1))
        with pytest.raises(IntegrityError, match="cannot be downloaded safely"):
            run(spec(empty_hub, cache))
    assert not [r for r in empty_hub.requests if r.file]
    assert blobs(cache) == []
