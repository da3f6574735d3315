"""What a pipe is told of a long download: few lines, and news at once."""

from __future__ import annotations

from typing import Any

from rmm_widgets.runtime.job import Job
from rmm_widgets.terminal.progress import LONGEST_GAP, Lines
from rmm_widgets.types import ModelDownloadProgress


def record(**fields: Any) -> ModelDownloadProgress:
    return ModelDownloadProgress(model_id="big", phase="downloading", total_bytes=10_000_000, **fields)


def test_an_hour_takes_a_dozen_lines() -> None:
    now, said = 0.0, list[str]()
    job: Job[Any] = Job("download", "big", cancel=lambda: False, progress=lambda: record(progress=now / 36))
    lines = Lines(said.append, clock=lambda: now)
    while now < 3600:
        lines.update([job], {})
        now += 0.1
    assert 10 <= len(said) <= 20
    assert said[0].startswith("big: 0 %")
    assert int(said[-1].split()[1]) >= 100 * (3600 - LONGEST_GAP) // 3600


def test_another_program_is_news() -> None:
    now, said = 0.0, list[str]()
    shown = record()
    job: Job[Any] = Job("download", "big", cancel=lambda: False, progress=lambda: shown)
    lines = Lines(said.append, clock=lambda: now)
    lines.update([job], {})
    shown = ModelDownloadProgress(model_id="big", phase="waiting_for_other", total_bytes=10_000_000)
    now = 0.1
    for _ in range(3):
        lines.update([job], {})
    assert len(said) == 2
    assert "another program is downloading it" in said[1]


def test_what_takes_no_time_is_not_told() -> None:
    now, said = 0.0, list[str]()
    job: Job[Any] = Job("verify", "big", cancel=lambda: False)
    lines = Lines(said.append, clock=lambda: now)
    lines.update([job], {})
    assert said == []
    now = 6.0
    lines.update([job], {})
    assert said == ["big: verify under way"]
