"""The search for tokens finds them: it ends every session, and a search that finds nothing proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .canary import TOKENS, files_with_tokens

ROOT = Path(__file__).parents[1]
CODE = """
def test_that_leaves_something(tmp_path):
    from tests.canary import TOKENS
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log.bin").write_bytes(b"x" * 5_000_000 + TOKENS[{number}].encode()[:{length}] + b"y")
"""


@pytest.mark.parametrize(("number", "length", "code"), [(0, 99, 1), (2, 99, 1), (0, 20, 0)])
def test_S10_a_session_that_leaves_a_token_in_a_file_fails(tmp_path: Path, number: int, length: int, code: int) -> None:
    test = tmp_path / "test_leaving.py"
    test.write_text(CODE.format(number=number, length=length))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(test)]
    command += ["--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "base")]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout
    assert ("deep/log.bin: hf_" in done.stdout) is bool(code)
    assert "1 passed" in done.stdout
    for path, _ in files_with_tokens([tmp_path]):
        path.unlink()  # or this session would fail for it


def test_S10_links_and_odd_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "secret").write_text(f"token={TOKENS[1]}\n")
    (tmp_path / "link").symlink_to("secret")
    assert list(files_with_tokens([tmp_path])) == [(tmp_path / "secret", TOKENS[1])]
    (tmp_path / "secret").unlink()
