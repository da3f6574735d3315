"""Documents about the health probes of loaded models. Pure; `render` decides how they look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..health import Outcome, ProbeRecord
from ..types import ModelHealth
from .render import Bar, Chart, Column, Table, size, sparkline

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["health_chart", "health_table"]

_SHOWN = 20
"""Probes that a line of the table shows."""
_WITHOUT_ANSWER = {Outcome.MISSED: "no answer", Outcome.FAILED: "failed", Outcome.DEAD: "process gone"}


def health_table(descriptions: Iterable[ModelDescription]) -> Table:
    """The loaded models and how they answer."""
    return Table(
        columns=(Column("id"), Column("health"), Column("memory", "right"), Column("last probes"), Column("reason")),
        rows=tuple(
            (
                each.info.model_id,
                each.health.value,
                size(each.memory_bytes),
                sparkline(_bars(each.probes[-_SHOWN:])),
                each.health_reason,
            )
            for each in descriptions
        ),
        empty="No model is loaded.",
    )


def health_chart(description: ModelDescription) -> Chart:
    """How one model is, with a bar for each of its last probes: the higher, the longer it took."""
    probes = description.probes
    told = f"{description.info.model_id}: {description.health.value}"
    if description.health_reason:
        told += f" ({description.health_reason})"
    return Chart(text=told, bars=_bars(probes), caption=_caption(probes))


def _bars(probes: Sequence[ProbeRecord]) -> tuple[Bar, ...]:
    longest = max((probe.latency for probe in probes if _answered(probe)), default=0.0)
    return tuple(_bar(probe, longest) for probe in probes)


def _bar(probe: ProbeRecord, longest: float) -> Bar:
    at = probe.timestamp.astimezone().strftime("%H:%M:%S")
    if probe.outcome is Outcome.BUSY:
        return Bar(tone="idle", label=f"{at} busy")
    if not _answered(probe):
        return Bar(tone="bad", label=f"{at} {_WITHOUT_ANSWER[probe.outcome]}")
    tone = "good" if probe.health is ModelHealth.HEALTHY else "warn"
    return Bar(tone=tone, height=probe.latency / longest if longest else 0.0, label=f"{at} {probe.latency:.3f} s")


def _answered(probe: ProbeRecord) -> bool:
    return probe.outcome in {Outcome.OK, Outcome.DEGRADED}


def _caption(probes: Sequence[ProbeRecord]) -> str:
    answers = sorted(probe.latency for probe in probes if _answered(probe))
    silent = sum(not _answered(probe) and probe.outcome is not Outcome.BUSY for probe in probes)
    busy = sum(probe.outcome is Outcome.BUSY for probe in probes)
    parts = [f"{len(probes)} {'probe' if len(probes) == 1 else 'probes'}"] if probes else []
    if answers:
        parts.append(f"usually {answers[len(answers) // 2]:.3f} s, at most {answers[-1]:.3f} s")
    if silent:
        parts.append(f"{silent} without a good answer (!)")
    if busy:
        parts.append(f"{busy} while it was busy (·)")
    return ", ".join(parts)
