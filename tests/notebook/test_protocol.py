"""The TypeScript types follow the Python records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rmm_widgets.notebook import protocol, typescript


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rmm_widgets.notebook.protocol", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ}, check=False)


def test_the_command_writes_and_then_finds_the_file_current(tmp_path: Path) -> None:
    path = tmp_path / "protocol" / "schema.ts"
    assert run(str(path)).returncode == 0
    assert path.read_text(encoding="utf-8") == typescript.generate()
    assert run("--check", str(path)).returncode == 0


def test_check_fails_for_a_file_that_is_old_or_missing_and_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "schema.ts"
    missing = run("--check", str(path))
    assert missing.returncode == 1
    assert "is not current" in missing.stderr
    assert not path.exists()
    path.write_text(typescript.generate().replace("percent", "per_cent"), encoding="utf-8")
    assert typescript.main(["--check", str(path)]) == 1
    assert "per_cent" in path.read_text(encoding="utf-8")


def test_every_record_field_is_there_with_its_note() -> None:
    text = typescript.generate()
    for record in (protocol.Row, protocol.Progress, protocol.Summary, protocol.Command, protocol.Reply):
        body = text.partition(f"export interface {record.__name__} {{")[2].partition("}")[0]
        for field in msgspec.structs.fields(record):
            assert f"  {field.name}{'' if field.required else '?'}: " in body
    assert "/** Measured bytes of the loaded model, 0 where not loaded. */\n  memory: number;" in text
    assert "  actions: Action[];" in text
    assert "  eta: number | null;" in text
    assert 'export type ModelHealth = "healthy" | "degraded" | "unhealthy" | "unknown";' in text


def test_a_type_without_a_translation_is_refused() -> None:
    with pytest.raises(TypeError, match="no TypeScript type"):
        typescript._type(complex)


def test_the_file_in_the_checkout_is_current() -> None:
    path = Path(__file__).parents[2] / "js" / "src" / "protocol" / "schema.ts"
    assert path.read_text(encoding="utf-8") == typescript.generate()
