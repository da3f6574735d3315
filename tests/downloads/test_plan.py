"""The Hub's word is checked before any of it becomes a path."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.downloads.plan import plan_download

COMMIT = "c" * 40
SHA1, SHA256 = "1" * 40, "2" * 64


def sibling(path: str, **changes: Any) -> dict[str, Any]:
    return {"rfilename": path, "size": 3, "blobId": SHA1} | changes


def document(*siblings: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"id": "o/n", "sha": COMMIT, "siblings": list(siblings)} | changes).encode()


def plan(body: bytes, **arguments: Any) -> Any:
    return plan_download(body, **({"repo_id": "o/n", "revision": "main"} | arguments))


def test_a_plan_lists_what_to_fetch_and_what_there_is() -> None:
    lfs = {"sha256": SHA256, "size": 100, "pointerSize": 134}
    made = plan(
        document(
            sibling("model.safetensors", size=100, lfs=lfs),
            sibling("copy/model.safetensors", size=100, lfs=lfs),
            sibling("pytorch_model.bin", size=100, blobId="3" * 40),
            sibling("config.json"),
            gated="manual",
        )
    )
    assert made.commit == COMMIT
    assert [(f.path, f.size, f.digest) for f in made.files] == [
        ("model.safetensors", 100, SHA256),
        ("copy/model.safetensors", 100, SHA256),
        ("config.json", 3, SHA1),
    ]
    assert made.total_bytes == 103, "content under two names counts once"
    assert set(made.tree) == {"model.safetensors", "copy/model.safetensors", "pytorch_model.bin", "config.json"}
    assert made.gated


HOSTILE = [
    "..",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "C:/x",
    "c:x",
    "\\\\host\\share",
    "a\\b",
    "a\0b",
    "a\nb",
    "\u202etxt",
]
HOSTILE += ["CON", "con.txt", "a/NUL", "x.", "x ", "a/ b", "", "a//b", "./a", "x" * 300, "a/" * 600 + "b", 'a"b', "a?b"]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("chosen", [True, False])
def test_S5_hostile_names_refuse_the_whole_repository(path: str, chosen: bool) -> None:
    with pytest.raises(ValueError):
        plan(document(sibling(path), sibling("config.json")), allow_patterns=None if chosen else ["config.json"])


@settings(max_examples=500)
@given(st.lists(st.text(st.sampled_from("aA./\\:~ \n\0\u202e-*CON"), max_size=12), min_size=1, max_size=3))
def test_S5_generated_names_are_refused_or_stay_inside(paths: list[str]) -> None:
    try:
        made = plan(document(*(sibling(path) for path in paths)), allow_patterns=["*"])
    except ValueError:
        return
    for file in made.files:
        assert Path("/root", file.path).resolve().is_relative_to("/root")
        for kind in (PurePosixPath, PureWindowsPath):
            path = kind(file.path)
            assert not path.is_absolute()
            assert not path.drive
            assert ".." not in path.parts


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.txt", "a.txt"),
        ("README.md", "readme.MD"),
        ("stra\u00dfe", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("a", "a/b"),
        ("a/b/c", "A/B"),
    ],
)
def test_S5_names_that_are_one_file_somewhere_are_refused(first: str, second: str) -> None:
    with pytest.raises(ValueError, match=r"same file|both a file"):
        plan(document(sibling(first), sibling(second)))


bad_hex = st.one_of(
    st.text(max_size=70),
    st.text("0123456789abcdef", max_size=70).filter(lambda t: len(t) not in {40, 64}),
    st.text("0123456789ABCDEF", min_size=40, max_size=40).filter(lambda t: t != t.lower()),
    st.sampled_from(["../../x", "/tmp/x", SHA1 + "\n", SHA1 + "/..", f"sha256:{SHA256}"]),
).filter(lambda t: not (len(t) in {40, 64} and all(c in "0123456789abcdef" for c in t)))


@settings(max_examples=300)
@given(bad_hex, st.sampled_from(["commit", "blob", "sha256"]))
def test_S8_anything_but_a_hash_is_refused(text: str, where: str) -> None:
    file = sibling("model.safetensors", **{"blobId": text} if where == "blob" else {})
    if where == "sha256":
        file["lfs"] = {"sha256": text, "size": 3}
    with pytest.raises(ValueError):
        plan(document(file, **{"sha": text} if where == "commit" else {}))


@pytest.mark.parametrize(
    "file",
    [
        sibling("a", size=None),
        sibling("a", size=-1),
        sibling("a", size=1 << 60),
        sibling("a", blobId=None),
        sibling("a", lfs={"sha256": SHA1, "size": 3}),
        sibling("a", lfs={"sha256": SHA256, "size": -3}),
    ],
)
def test_files_that_could_not_be_checked_are_refused(file: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        plan(document(file))


def test_one_content_with_two_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        plan(document(sibling("a", size=1), sibling("b", size=2)))


def test_another_commit_than_the_one_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="instead of"):
        plan(document(sibling("a")), revision="d" * 40)


@pytest.mark.parametrize(
    "body", [b"", b"<html>log in</html>", b"[]", b"{}", b'{"sha": 1, "siblings": []}', b"\xff\xfe"]
)
def test_what_is_no_description_of_a_repository_is_told_apart(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        plan(body)


def test_nothing_to_fetch_is_an_error() -> None:
    with pytest.raises(ValueError, match="no file"):
        plan(document())
    with pytest.raises(ValueError, match="patterns"):
        plan(document(sibling("a")), allow_patterns=["*.onnx"])
