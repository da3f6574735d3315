"""The lock file's format: the same text for the same models, and nothing else is taken for one."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from rmm_widgets.errors import LockFileError
from rmm_widgets.registry import lockfile
from rmm_widgets.registry.lockfile import (
    LockedFile,
    LockedModel,
    LockFile,
    parse_lock,
    read_lock,
    render_lock,
    write_lock,
)
from rmm_widgets.types import ModelType

from .samples import seeded

COMMIT, SHA1, SHA256 = "c" * 40, "1" * 40, "2" * 64
GOOD = f"""\
version = 1
[[model]]
id = "m"
type = "embedding_model"
repository = "me/m"
commit = "{COMMIT}"
files = [
    {{path = "a.json", size = 3, git-sha1 = "{SHA1}"}},
    {{path = "b/w.safetensors", size = 5, sha256 = "{SHA256}"}},
]
"""


def locked(model_id: str, **fields: object) -> LockedModel:
    given: dict[str, object] = {
        "model_type": ModelType.EMBEDDING_MODEL,
        "repo_id": "me/m",
        "commit": COMMIT,
        "files": (LockedFile.of("a.json", 3, SHA1), LockedFile.of("w.safetensors", 5, SHA256)),
    }
    return LockedModel(model_id=model_id, **(given | fields))  # type: ignore[arg-type]


def parsed(text: str | bytes) -> LockFile:
    return parse_lock(text.encode() if isinstance(text, str) else text, "my.lock")


def test_what_is_written_is_read_again() -> None:
    lock = LockFile(
        1,
        (
            locked("a"),
            locked(
                "b'''\" é\N{GRINNING FACE}",
                revision="v1.0",
                allow_patterns=("*.json", "x \"y\" '''.bin"),
                ignore_patterns=("t\\*",),
                config={"batch_size": 8, "threshold": 0.5, "normalize": True, "input_size": [3, 4], "dtype": "auto"},
            ),
        ),
    )
    assert parsed(render_lock(lock)) == lock
    assert parsed(render_lock(LockFile(1))) == LockFile(1)


def test_the_same_models_give_the_same_text_in_any_order() -> None:
    files = tuple(LockedFile.of(f"f{n}", n, SHA256) for n in range(20))
    models = [locked(f"m{n}", config={"b": 1, "a": 2}, files=files) for n in range(9)]
    text = render_lock(LockFile(1, tuple(models)))
    random = seeded()
    for _ in range(5):
        random.shuffle(models)
        shuffled = tuple(random.sample(files, len(files)))
        again = [LockedModel(**{**_fields(m), "files": shuffled, "config": {"a": 2, "b": 1}}) for m in models]
        assert render_lock(LockFile(1, tuple(again))) == text


def _fields(model: LockedModel) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


def test_a_changed_file_is_one_changed_line() -> None:
    before = render_lock(LockFile(1, (locked("a"), locked("b")))).splitlines()
    changed = (LockedFile.of("a.json", 4, SHA1), LockedFile.of("w.safetensors", 5, SHA256))
    after = render_lock(LockFile(1, (locked("a"), locked("b", files=changed)))).splitlines()
    assert len(before) == len(after)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        (
            f'    {{path = "a.json", size = 3, git-sha1 = "{SHA1}"}},',
            f'    {{path = "a.json", size = 4, git-sha1 = "{SHA1}"}},',
        )
    ]
    assert "\n".join(before).isascii()


BAD = {
    "no TOML": ("version = ", "cannot be read"),
    "no text": (b"\xff\xfe\x00", "UTF-8"),
    "empty": ("", "no version"),
    "something else": ('[package]\nname = "x"', "no version"),
    "a newer version": (GOOD.replace("version = 1", "version = 2"), "version 2"),
    "a version that is true": (GOOD.replace("version = 1", "version = true"), "no version"),
    "a version that is text": (GOOD.replace("version = 1", 'version = "1"'), "no version"),
    "a merge that was not finished": (GOOD.replace("commit", "<<<<<<< HEAD\ncommit"), "cannot be read"),
    "an unknown field": (GOOD.replace("id =", 'token = "x"\nid ='), "unknown field `token`"),
    "a field of a file": (GOOD.replace("size = 3,", "size = 3, url = 'http://x',"), "unknown field `url`"),
    "no commit": (GOOD.replace(f'commit = "{COMMIT}"\n', ""), "commit"),
    "a branch for a commit": (GOOD.replace(COMMIT, "main"), "not a commit hash"),
    "a short commit": (GOOD.replace(COMMIT, COMMIT[:12]), "not a commit hash"),
    "another commit as revision": (GOOD.replace("type =", f'revision = "{"d" * 40}"\ntype ='), "another commit"),
    "a bad revision": (GOOD.replace("type =", 'revision = "a/../b"\ntype ='), "not a branch"),
    "an absolute path": (GOOD.replace("a.json", "/etc/passwd"), "leave its folder"),
    "a path that climbs": (GOOD.replace("b/w", "b/../../w"), "leave its folder"),
    "a drive": (GOOD.replace("a.json", "C:/x"), "colon"),
    "a device": (GOOD.replace("a.json", "NUL"), "reserves"),
    "a hidden character": (GOOD.replace("a.json", "a\u202ejson"), "invisible"),
    "a repository that is a path": (GOOD.replace("me/m", "../../m"), "not a repository"),
    "a repository that is an address": (GOOD.replace("me/m", "http://me/m"), "not a repository"),
    "an id like an option": (GOOD.replace('"m"', '"--files"'), "starts with '-'"),
    "an unknown type": (GOOD.replace("embedding_model", "exec"), "type"),
    "a size that is text": (GOOD.replace("size = 3", 'size = "3"'), "Expected `int`"),
    "a size below zero": (GOOD.replace("size = 3", "size = -3"), "impossible size"),
    "a size beyond all disks": (GOOD.replace("size = 3", "size = 99999999999999999999"), "size"),
    "a hash that is a path": (GOOD.replace(SHA256, "../" + SHA256[3:]), "sha1 or sha256"),
    "a hash in capitals": (GOOD.replace(SHA256, "A" * 64), "sha1 or sha256"),
    "a hash of the other kind": (GOOD.replace("sha256", "git-sha1"), "another kind"),
    "two hashes": (GOOD.replace("sha256 =", f'git-sha1 = "{SHA1}", sha256 ='), "either"),
    "no hash": (GOOD.replace(f', sha256 = "{SHA256}"', ""), "either"),
    "no files": (GOOD[: GOOD.index("files")] + "files = []\n", "no files"),
    "a file twice": (GOOD.replace("b/w.safetensors", "a.json"), "a.json is there twice"),
    "an id twice": (GOOD + GOOD.replace("version = 1\n", ""), "m is there twice"),
    "a key twice": (GOOD.replace("id =", 'commit = "x"\nid ='), "cannot be read"),
    "models that are none": ("version = 1\nmodel = 3", "Expected `array`"),
    "patterns that are text": (GOOD.replace("type =", 'allow_patterns = "*"\ntype ='), "Expected `array | null`"),
    "settings that are none": (GOOD.replace("type =", "config = [1]\ntype ="), "Expected `object`"),
    "deep nesting": ("version = 1\nx = " + "[" * 100_000, "nested"),
    "a number of many digits": ("version = 1\nx = " + "1" * 10_000, "cannot be read"),
    "a key of many parts": ("version = 1\n" + ".".join("a" * 50_000) + " = 1", "too many parts"),
    "a quoted key of many parts": ("version = 1\n" + ".".join(['"a.b"', "'c'"] * 50_000) + " = 1", "too many parts"),
    "many parts beside a text": ('version = 1\nx = ["""q"q""", {' + ".".join("a" * 9000) + " = 1}]", "several lines"),
    "too much": (GOOD + "#" * lockfile.MAX_LOCK, "larger than 8 MiB"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=BAD.keys())
def test_S20_what_is_no_lock_file_is_refused(text: str | bytes, told: str) -> None:
    with pytest.raises(LockFileError, match=r"my\.lock") as caught:
        parsed(text)
    assert told in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_the_sample_itself_is_good() -> None:
    (model,) = parsed(GOOD).models
    assert [file.digest for file in model.files] == [SHA1, SHA256]
    assert parsed(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()) == parsed(GOOD), (
        "as editors on Windows save it"
    )


def test_damage_is_refused_or_changes_no_meaning() -> None:
    good = render_lock(LockFile(1, (locked("a"), locked("b")))).encode()
    random, refused = seeded(), 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            found = parsed(bytes(data[: random.randint(len(data) // 2, len(data))]))
        except LockFileError:
            refused += 1
        else:
            assert all(len(file.digest) in {40, 64} for model in found.models for file in model.files)
    assert refused > 300


def test_a_file_is_replaced_in_one_step_and_a_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.lock", tmp_path / "rmm.lock"
    link.symlink_to(real)
    write_lock(link, LockFile(1, (locked("a"),)), "rmm.lock")
    inode = real.stat().st_ino
    write_lock(link, LockFile(1, (locked("b"),)), "rmm.lock")
    assert link.is_symlink()
    assert real.stat().st_ino != inode
    assert [model.model_id for model in read_lock(link, "rmm.lock").models] == ["b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real.lock", "rmm.lock"]
    assert real.stat().st_mode & 0o777 == 0o666 & ~_umask(), "for others to read, as the user wishes"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_is_no_lock_file_is_not_written_over(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("my only copy")
    for place in (notes, tmp_path, Path("/dev/null")):
        with pytest.raises(LockFileError, match="left alone"):
            write_lock(place, LockFile(1), str(place))
    assert notes.read_text() == "my only copy"
    (tmp_path / "empty.lock").touch()
    write_lock(tmp_path / "empty.lock", LockFile(1), "empty.lock")
    conflict = tmp_path / "conflict.lock"
    conflict.write_text(render_lock(LockFile(1, (locked("a"),))).replace("[[model]]", "<<<<<<< HEAD"))
    write_lock(conflict, LockFile(1, (locked("a"),)), "conflict.lock")
    assert tomllib.loads(conflict.read_text())["version"] == 1


def test_a_place_that_cannot_be_written_or_read_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "rmm.lock"
    for name, use in (
        ("missing", lambda: read_lock(missing, "missing")),
        ("odd", lambda: read_lock(Path("a\0b"), "odd")),
    ):
        with pytest.raises(LockFileError, match=f"{name} cannot be read"):
            use()
    with pytest.raises(LockFileError, match="No such file"):
        write_lock(missing, LockFile(1), "rmm.lock")
    with pytest.raises(LockFileError, match="is no file"):
        read_lock(tmp_path, "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LockFileError, match="is no file"):
        read_lock(tmp_path / "pipe", "pipe")


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "rmm.lock"
    write_lock(place, LockFile(1, (locked("a"),)), "rmm.lock")
    before = place.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LockFileError, match="No space left"):
        write_lock(place, LockFile(1, (locked("b"),)), "rmm.lock")
    assert place.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["rmm.lock"]


def test_more_than_a_lock_file_may_hold_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "MAX_LOCK", 500)
    with pytest.raises(LockFileError, match="larger"):
        render_lock(LockFile(1, (locked("a"), locked("b"))))
