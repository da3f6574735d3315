"""Names from outside, by the thousand: no file, digest or commit becomes a path unless its form is right."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.plan import plan_download

from .fetching import REPO, content, run, spec

COMMIT, SHA1, SHA256 = "c" * 40, "1" * 40, "2" * 64
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789")}

plain = st.sampled_from(["a", "config", "model", "Readme", "é", "データ", "1_Pooling", "x" * 60, "c", "com", "lib"])
reserved = st.sampled_from(
    ["..", ".", "", "C:", "c:x", "\\\\host\\share", "con", "CON", "nul", "LPT1", "com¹", "aux .txt"]
)
unfit = st.sampled_from(
    ["\u202etxt", "\0", "\n", "\u200b", "\ud800", "*", "?", "|", '"', "<", ">", "x" * 300, "é" * 120]
)
harmless = st.sampled_from(["~", "$HOME", "%2e%2e", "-rf", "#", "a b"])
hostile = reserved | unfit | harmless
ending = st.sampled_from(["", "", "", ".json", ".safetensors", ".txt", ".", " ", "...", ". ", "\t", ":stream", "/"])
odd = st.text(st.sampled_from("aA1./\\:~ \n\0\u202e-*CONé\u0301"), max_size=10)
part = st.builds(lambda body, end: body + end, plain | plain | plain | hostile | odd, ending)
path = st.builds(
    lambda lead, parts: lead + "/".join(parts),
    st.sampled_from(["", "", "", "", "/", "//", "./", "../", "C:/", "\\\\?\\", "~/"]),
    st.lists(part, min_size=1, max_size=3),
)


def document(*names: str, **changes: Any) -> bytes:
    siblings = [{"rfilename": name, "size": 3, "blobId": SHA1} for name in names]
    return json.dumps({"sha": COMMIT, "siblings": siblings} | changes).encode("utf-8", "surrogatepass")


def planned(body: bytes) -> Any:
    return plan_download(body, repo_id="o/n", revision="main", allow_patterns=["*"])


def assert_stays_inside(name: str) -> None:
    """By the rules of both families of systems, written down once more."""
    assert Path("/root/snapshot", name).resolve().is_relative_to("/root/snapshot")
    for kind in (PurePosixPath, PureWindowsPath):
        found = kind(name)
        assert not found.is_absolute()
        assert not found.drive
        assert not found.root
        assert found.as_posix() == name, "it means the same, part by part"
    for each in name.split("/"):
        assert each not in {"", ".", ".."}
        assert each == each.rstrip(". ")
        assert len(each.encode()) <= 255
        assert each.split(".")[0].strip().lower() not in DEVICES
        assert not any(char in '<>:"|?*\\' or unicodedata.category(char)[0] == "C" for char in each)


@pytest.mark.slow
def test_S5_ten_thousand_generated_names_are_refused_or_stay_inside() -> None:
    """A listing of the Hub has names, sizes and hashes only: links and archive entries do not exist in it."""
    outcomes = {"refused": 0, "inside": 0}

    @settings(max_examples=1000, deadline=None, database=None)
    @given(st.lists(path, min_size=10, max_size=10))
    def check(names: list[str]) -> None:
        for name in names:
            try:
                made = planned(document(name))
            except ValueError:
                outcomes["refused"] += 1
                continue
            outcomes["inside"] += 1
            (file,) = made.files
            assert file.path == name
            assert_stays_inside(name)
            for twin in {name.upper(), name.lower(), unicodedata.normalize("NFD", name)} - {name}:
                with pytest.raises(ValueError):
                    planned(document(name, twin))

    check()
    assert sum(outcomes.values()) >= 10_000
    assert min(outcomes.values()) > 500, outcomes


hex_text = st.text("0123456789abcdef", max_size=70)
bad_hash = st.one_of(
    st.text(max_size=70),
    hex_text.filter(lambda text: len(text) not in {40, 64}),
    st.builds(lambda text, at: f"{text[:at]}G{text[at + 1 :]}", st.just(SHA256), st.integers(0, 63)),
    st.builds(lambda text: text.upper(), st.just("abcdef0123" * 4)),
    st.builds(
        lambda head, tail: head + tail, st.sampled_from([SHA1, SHA256]), st.sampled_from(["\n", " ", "/..", "\0"])
    ),
    st.builds(lambda up, tail: "../" * up + tail, st.integers(1, 8), st.sampled_from(["etc/passwd", SHA1, SHA256])),
    st.sampled_from(["", ".", "..", "/tmp/x", f"sha256:{SHA256}", f"sha256-{SHA256}", f'"{SHA256}"', "C:\\x"]),
).filter(lambda text: not (len(text) in {40, 64} and set(text) <= set("0123456789abcdef")))


@pytest.mark.slow
def test_S8_a_thousand_generated_hashes_are_refused_before_they_are_a_path(tmp_path: Path) -> None:
    layout = CacheLayout(tmp_path, "o/n")
    layout.prepare(COMMIT, {})
    before = sorted(tmp_path.rglob("*"))
    seen = 0

    @settings(max_examples=100, deadline=None, database=None)
    @given(st.lists(bad_hash, min_size=10, max_size=10))
    def check(texts: list[str]) -> None:
        nonlocal seen
        for text in texts:
            seen += 1
            refused_by_the_plan(text)
            for use in (layout.blob, layout.partial, layout.snapshot, layout.tree, layout.lock, layout.read_sidecar):
                with pytest.raises(ValueError):
                    use(text)
            passed_over_on_disk(layout, text)

    def refused_by_the_plan(text: str) -> None:
        file = {"rfilename": "model.safetensors", "size": 3, "blobId": SHA1}
        for body in (
            document("a", sha=text),
            document(siblings=[{**file, "blobId": text}]),
            document(siblings=[{**file, "lfs": {"sha256": text, "size": 3}}]),
        ):
            with pytest.raises(ValueError):
                planned(body)

    check()
    assert seen >= 1000
    layout.tree(COMMIT).unlink()
    (layout.refs / "main").unlink()
    for name in (f"{SHA256}.rmm-part", f"{SHA256}.rmm-part.json"):
        (layout.blobs / name).unlink()
    assert sorted(tmp_path.rglob("*")) == sorted({*before, layout.refs} - {layout.tree(COMMIT)})


def passed_over_on_disk(layout: CacheLayout, text: str) -> None:
    """The same text where another program, or somebody's hand, left it in the cache."""
    for digests in ({"blob_id": text}, {"blob_id": SHA1, "lfs_sha256": text, "lfs_size": 3}):
        entry = {"size": 3, **digests}
        written(layout.tree(COMMIT), json.dumps({"format_version": 1, "files": {"a": entry}}))
        tree = layout.read_tree(COMMIT)
        assert tree is None or tree["a"].digest == SHA1, "an empty one counts as none"
    written(layout.refs / "main", text)
    assert layout.commit_of("main") in {None, text.strip()}
    assert layout.commit_of("main") != text
    (layout.blobs / f"{SHA256}.rmm-part").write_bytes(b"123")
    record = {"v": 1, "size": 3, "digest": text, "have": [[0, 3]]}
    written(layout.blobs / f"{SHA256}.rmm-part.json", json.dumps(record))
    assert layout.read_sidecar(SHA256) is None


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("text", ["../../../../evil", "x" * 40, SHA256[:-1], f"{SHA1}/../../evil", "C:\\evil", ""])
def test_S8_headers_of_an_answer_never_become_a_path(
    no_leaks: None, empty_hub: DemoHub, cache: Path, text: str
) -> None:
    files = {"model.safetensors": content(5000), "config.json": b"{}"}
    commit = empty_hub.add(REPO, files)
    empty_hub.inject(Fault(path="*", headers={"X-Repo-Commit": text, "ETag": text, "X-Linked-Etag": f'"{text}"'}))
    result = run(spec(empty_hub, cache))
    assert result.commit == commit
    assert {name: Path(result.snapshot, name).read_bytes() for name in files} == files
    names = {found.name for found in cache.rglob("*") if found.is_file()}
    assert not any("evil" in name for name in names)
    assert not list(cache.parent.glob("*evil*"))
