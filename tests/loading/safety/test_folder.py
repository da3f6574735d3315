"""What passes, what else is refused, and that looking takes neither long nor harm."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import ModelNotAvailableError
from rmm_widgets.loading.safety import folder as looking
from rmm_widgets.loading.safety.folder import inspect_folder

from .. import onnx_files

FLOATS = np.arange(1000, dtype=np.float32)
COMMIT = "c" * 40


def safetensors(*, size: int = 16) -> bytes:
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    return struct.pack("<Q", len(header)) + header + bytes(size)


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(out, kind)
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(100))
    return out.getvalue()


def array(values: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(values), allow_pickle=False)
    return out.getvalue()


def sentencepiece() -> bytes:
    """The head of a real vocabulary: pieces with a text, a score and mostly a kind."""
    field = onnx_files.field

    def piece(text: str, score: float, kind: int | None = None) -> bytes:
        score_field = bytes([0x15]) + struct.pack("<f", score)
        return field(1, field(1, text) + score_field + (field(3, kind) if kind else b""))

    words = [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)]
    return b"".join(words + [piece(f"\u2581w{n}", -n) for n in range(500)]) + field(2, b"\x0a\x00")


GOOD: dict[str, bytes] = {
    "README.md": b"# A model\n\nIt was `pickle`d once: `os.system`.\n",
    "LICENSE": b"Apache License\n" * 50,
    ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    "vocab.txt": "[PAD]\n[UNK]\nthe\n\u00e9t\u00e9\n\u4e2d\nc\ncos\nsystem\n.".encode(),
    "merges.txt": "#version: 0.2\n\u0120 t\n\u0120 a\n".encode(),
    "notes-latin1.txt": "caf\u00e9 \u00fcber".encode("latin-1"),
    "notes-utf16.txt": "hello \u4e2d".encode("utf-16"),
    "spiece.model": sentencepiece(),
    "tokenizer.model": b"IQ== 0\nIg== 1\nIw== 2\n",
    "qwen.tiktoken": b"IQ== 0\nIg== 1\n",
    "tokenizer.json": json.dumps({"model": {"vocab": {f"w{n}": n for n in range(20_000)}}}).encode(),
    "special_tokens_map.json": b'{"unk_token": "[UNK]"}',
    "chat_template.jinja": b"{% for m in messages %}{{ m }}{% endfor %}",
    "model.safetensors": safetensors(),
    "onnx/model.onnx": onnx_files.with_external_table("model.onnx_data"),
    "onnx/model.onnx_data": FLOATS.tobytes(),
    "numbers.npy": array(FLOATS.reshape(10, 100)),
    "truth.npy": array([True, False]),
    "words.npy.txt": b"",
    "model.Q4.gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
    "example.png": picture("PNG"),
    "example.JPG": picture("JPEG"),
    "example.gif": picture("GIF"),
    "example.webp": picture("WEBP"),
    "example.bmp": picture("BMP"),
    "diagram.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "sound.wav": sound(),
    "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "empty.txt": b"",
    "run.sh": b"#!/bin/sh\necho hello\n",
    "notebook.ipynb": b'{"cells": []}',
    "results.csv": b"a,b\n1,2\n",
    "requirements.txt": b"torch\n",
}


def test_what_holds_no_code_passes(tmp_path: Path) -> None:
    for name, data in GOOD.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    report = inspect_folder(tmp_path)
    assert report.findings == ()
    assert report.unread == ()
    assert sum(count for _, count in report.formats) == len(GOOD)
    assert report.formats[0][0] == "text"


@pytest.mark.parametrize("name", [path.name for path in MODELS_DIR.iterdir() if path.is_dir()])
def test_the_demo_models_pass(name: str) -> None:
    started = time.process_time()
    report = inspect_folder(MODELS_DIR / name)
    assert report.safe
    assert report.unread == ()
    assert time.process_time() - started < 1


BAD: dict[str, tuple[bytes, str]] = {
    "model.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "damaged"),
    "cut.safetensors": (struct.pack("<Q", 1000) + b"{}", "damaged"),
    "huge.safetensors": (struct.pack("<Q", 2**63) + b"{" * 100, "damaged"),
    "model.gguf": (b"GGML" + bytes(100), "damaged"),
    "newer.gguf": (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "damaged"),
    "short.gguf": (b"GGUF\x03\x00\x00\x00", "damaged"),
    "model.onnx": (b"\x00\x01\x02" * 100, "damaged"),
    "text.onnx": (b"hello", "damaged"),
    "weights.bin": (FLOATS.tobytes(), "pickle"),
    "text.pt": (b"hello", "pickle"),
    "other.bin": (safetensors(), "pickle"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "code"),
    "renamed.txt": (b"\x89HDF\r\n\x1a\n" + bytes(100), "code"),
    "flax_model.msgpack": (b"\x81\xa1w\xc4\x02\x00\x00", "unknown"),
    "saved_model.pb": (b"\x08\x01\x12\x03abc", "unknown"),
    "tool": (b"\x7fELF\x02\x01\x01" + bytes(100), "executable"),
    "tool.weird": (b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\x00\x00" + bytes(20), "executable"),
    "mac": (b"\xcf\xfa\xed\xfe" + bytes(40), "executable"),
    "data": (b"\x00\x01\x02\x03" * 20, "unknown"),
    "vocab.txt": (FLOATS.tobytes(), "unknown"),
    "picture.png": (b"\x00\x01\x02\x03" * 20, "unknown"),
    "mixed.npy": (array(np.zeros(1, dtype=[("a", "<f4"), ("b", "<i4")])), "pickle"),
}


def test_what_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    for name, (data, _) in BAD.items():
        (tmp_path / name).write_bytes(data)
    found = {finding.path: finding.kind for finding in inspect_folder(tmp_path).findings}
    assert found == {name: kind for name, (_, kind) in BAD.items()}


def test_what_no_loader_opens_is_listed_as_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"\x18\x00\x00\x00\x00" * 20)
    report = inspect_folder(tmp_path)
    assert report.safe
    assert report.unread == ("events.out.tfevents.1.host",)


def cached(root: Path) -> Path:
    """A snapshot in the layout of the Hub's cache."""
    snapshot = root / "models--o--n" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def test_links_inside_of_the_cache_are_followed(tmp_path: Path) -> None:
    snapshot = cached(tmp_path / "cache")
    for where in ("models--o--n/blobs", "blobs/ab"):
        blob = tmp_path / "cache" / where / ("a" * 64)
        blob.parent.mkdir(parents=True)
        blob.write_bytes(safetensors())
        link = snapshot / f"{blob.parent.name}.safetensors"
        link.symlink_to(os.path.relpath(blob, snapshot))
    (snapshot / "gone.json").symlink_to("../../blobs/nothing")
    assert inspect_folder(snapshot).formats == (("safetensors", 2),)


def test_S6_links_out_of_the_cache_are_refused(tmp_path: Path) -> None:
    snapshot = cached(tmp_path / "cache")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.safetensors").write_bytes(safetensors())
    (snapshot / "model.safetensors").symlink_to(tmp_path / "elsewhere" / "model.safetensors")
    (snapshot / "folder").symlink_to(tmp_path / "elsewhere")
    (snapshot / "passwd.txt").symlink_to("/etc/passwd")
    (snapshot / "loop").symlink_to("loop")
    report = inspect_folder(snapshot)
    assert {finding.path for finding in report.findings} >= {"model.safetensors", "folder", "passwd.txt"}
    assert not any(finding.allowable for finding in report.findings)


def test_what_is_no_file_is_refused_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    (finding,) = inspect_folder(tmp_path).findings
    assert (finding.reason, finding.allowable) == ("no ordinary file", False)


HOSTILE_NAMES = [
    b"<img src=x onerror=alert(1)>.bin",
    b"a\nb.bin",
    b"\x1b[31mred.bin",
    "\u202egpj.bin".encode(),
    b"\xff\xfe.bin",
    b"x" * 250 + b".bin",
    b"$(touch x).bin",
    b"{evil}.bin",
]


def test_S13_hostile_names_are_shown_on_one_line(tmp_path: Path) -> None:
    for name in HOSTILE_NAMES:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(b"hello")
    report = inspect_folder(tmp_path)
    assert len(report.findings) == len(HOSTILE_NAMES)
    for finding in report.findings:
        assert finding.path.isprintable()
        assert len(finding.path) <= 120
        finding.path.encode()
    assert "a\\nb.bin" in {finding.path for finding in report.findings}


def test_there_are_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_FILES", 50)
    for number in range(60):
        (tmp_path / f"{number}.txt").write_text("x")
    (finding,) = inspect_folder(tmp_path).findings
    assert (finding.path, finding.kind, finding.reason) == ("", "limit", "there are more than 50 files")
    monkeypatch.setattr(looking, "MOST_SECONDS", 0.0)
    assert any("took longer" in finding.reason for finding in inspect_folder(tmp_path).findings)
    monkeypatch.undo()
    (tmp_path / "/".join("d" * 60)).mkdir(parents=True)
    assert any("deeper" in finding.reason for finding in inspect_folder(tmp_path).findings)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailableError):
        inspect_folder(tmp_path / "nothing")


def test_a_large_model_is_looked_at_in_no_time(tmp_path: Path) -> None:
    size = 8 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    for number in range(20):
        path = tmp_path / f"model-{number:05}-of-00020.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        os.truncate(path, 8 + len(header) + size)  # sparse: it takes no room
    started = time.process_time()
    try:
        assert inspect_folder(tmp_path).safe
    finally:
        shutil.rmtree(tmp_path)  # the search for tokens at the end of all tests would read it
    assert time.process_time() - started < 1


def test_random_bytes_break_nothing(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    pieces = [*GOOD.values(), *(data for data, _ in BAD.values())]
    names = [*GOOD, *BAD]
    for number in range(400):
        data = bytearray(draw.choice(pieces)[:2000])
        for _ in range(draw.randrange(8)):
            at = draw.randrange(len(data) + 1)
            data[at : at + draw.randrange(4)] = draw.randbytes(draw.randrange(6))
        path = tmp_path / str(number) / Path(draw.choice(names)).name
        path.parent.mkdir()
        path.write_bytes(data)
    report = inspect_folder(tmp_path)
    seen = len(report.findings) + len(report.unread) + sum(count for _, count in report.formats)
    assert seen >= 400, "each file is accounted for"
