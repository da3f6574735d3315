"""What a manager tells Prometheus: counters of what happened, gauges of how things are, on the loopback address.

Names follow Prometheus' own conventions: base units, `_total` for counters. `prometheus_client` is imported by
whoever starts this, never before.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InvalidConfigError, MissingDependencyError
from ..types import ModelEvent, ModelEventType, ModelHealth, ModelStatus, Statistics
from .entry import ModelDescription

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["Metrics", "MetricsServer"]

_ADDRESS = "127.0.0.1"
_OUTCOMES = {
    (ModelEventType.DOWNLOAD_COMPLETE, "download_completed"): ("downloads", "completed"),
    (ModelEventType.DOWNLOAD_ERROR, "download_failed"): ("downloads", "failed"),
    (ModelEventType.DOWNLOAD_ERROR, "download_cancelled"): ("downloads", "cancelled"),
    (ModelEventType.LOAD_COMPLETE, "load_completed"): ("loads", "completed"),
    (ModelEventType.LOAD_ERROR, "load_failed"): ("loads", "failed"),
    (ModelEventType.LOAD_ERROR, "load_cancelled"): ("loads", "cancelled"),
}
_FAILURES = {
    ModelEventType.DOWNLOAD_ERROR: frozenset({"download_failed", "files_damaged", "discard_failed"}),
    ModelEventType.LOAD_ERROR: frozenset(
        {"load_failed", "worker_died", "crash_loop", "unload_failed", "delete_failed"}
    ),
}


class Metrics:
    """Counts events, and gives the metrics of this moment as a collector of `prometheus_client`.

    Args:
        look: Gives the counts and the models of this moment.
        version: Of this package.
    """

    def __init__(self, look: Callable[[], tuple[Statistics, list[ModelDescription], int | None]], version: str) -> None:
        self._look = look
        self._version = version
        self._lock = threading.Lock()
        self._outcomes: Counter[tuple[str, str]] = Counter(dict.fromkeys(_OUTCOMES.values(), 0))
        self._failures: Counter[str] = Counter(
            dict.fromkeys((action for actions in _FAILURES.values() for action in actions), 0)
        )
        self._unloads = 0
        self._load_seconds = 0.0
        self._health: Counter[str] = Counter(dict.fromkeys((each.value for each in ModelHealth), 0))

    def note(self, event: ModelEvent) -> None:
        """Count an event; a listener of the manager."""
        action = str(event.data.get("action", ""))
        with self._lock:
            if outcome := _OUTCOMES.get((event.type, action)):
                self._outcomes[outcome] += 1
            if action in _FAILURES.get(event.type, ()):
                self._failures[action] += 1
            match event.type:
                case ModelEventType.LOAD_COMPLETE:
                    self._load_seconds += float(event.data.get("seconds") or 0.0)
                case ModelEventType.UNLOAD if action == "unloaded":
                    self._unloads += 1
                case ModelEventType.HEALTH_CHANGE:
                    self._health[str(event.data.get("health"))] += 1
                case _:
                    pass

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment; called for each request."""
        from prometheus_client.core import InfoMetricFamily

        yield InfoMetricFamily("rmm_build", "The version of rmm_widgets.", value={"version": self._version})
        statistics, models, budget = self._look()
        yield from self._counters(statistics)
        yield from _totals(statistics, models, budget)
        yield from _of_models([each for each in models if each.instance is not None])

    def _counters(self, statistics: Statistics) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        with self._lock:
            outcomes, failures, health = dict(self._outcomes), dict(self._failures), dict(self._health)
            unloads, seconds = self._unloads, self._load_seconds
        for what in ("downloads", "loads"):
            counted = CounterMetricFamily(f"rmm_{what}", f"The {what} that ended, by outcome.", labels=["outcome"])
            for (kind, outcome), number in outcomes.items():
                if kind == what:
                    counted.add_metric([outcome], number)
            yield counted
        yield SummaryMetricFamily(
            "rmm_load_duration_seconds",
            "How long the loads took that were completed.",
            count_value=outcomes["loads", "completed"],
            sum_value=seconds,
        )
        yield CounterMetricFamily("rmm_unloads", "The models that were unloaded.", value=unloads)
        failed = CounterMetricFamily("rmm_failures", "What failed, by what it was.", labels=["action"])
        for action in sorted(failures):
            failed.add_metric([action], failures[action])
        yield failed
        changes = CounterMetricFamily("rmm_health_changes", "Changes of health, by what it became.", labels=["health"])
        for word, number in health.items():
            changes.add_metric([word], number)
        yield changes
        yield CounterMetricFamily(
            "rmm_downloaded_bytes", "Bytes that were downloaded.", value=statistics.total_bytes_downloaded
        )


def _totals(statistics: Statistics, models: list[ModelDescription], budget: int | None) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    stages = Counter({status.value: 0 for status in ModelStatus})
    stages.update(each.status.value for each in models)
    by_status = GaugeMetricFamily("rmm_models", "Registered models, by status.", labels=["status"])
    for status, number in stages.items():
        by_status.add_metric([status], number)
    yield by_status
    gauges = (
        ("rmm_active_downloads", "Downloads that run.", statistics.active_downloads),
        ("rmm_queued_downloads", "Downloads that wait.", statistics.queued_downloads),
        ("rmm_active_loads", "Loads that run.", statistics.active_loads),
        ("rmm_queued_loads", "Loads that wait.", statistics.queued_loads),
        ("rmm_memory_bytes", "Memory of the models' processes, measured.", statistics.total_memory_usage),
        ("rmm_disk_bytes", "Bytes on disk of the models, each by itself.", sum(each.size_on_disk for each in models)),
    )
    for name, told, value in gauges:
        yield GaugeMetricFamily(name, told, value=value)
    if budget is not None:
        yield GaugeMetricFamily("rmm_memory_budget_bytes", "Memory that all models together may have.", value=budget)


def _of_models(models: list[ModelDescription]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    memory = GaugeMetricFamily("rmm_model_memory_bytes", "Memory of a model's process, measured.", labels=["model"])
    health = GaugeMetricFamily("rmm_model_health", "1 for the health that a model has.", labels=["model", "health"])
    for each in models:
        model_id = each.info.model_id
        memory.add_metric([model_id], each.instance.memory_bytes if each.instance is not None else 0)
        for word in ModelHealth:
            health.add_metric([model_id, word.value], float(each.health is word))
    yield memory
    yield health


class MetricsServer:
    """Answers requests for metrics on the loopback address until `close`.

    Raises:
        InvalidConfigError: The port cannot be had.
        MissingDependencyError: `prometheus_client` is not installed.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise MissingDependencyError(
                "Metrics need prometheus-client, not installed here",
                hint='Run `pip install "rmm_widgets[prometheus]"`, then start them again.',
            ) from None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(metrics))
        try:
            self._server, self._thread = start_http_server(port, addr=_ADDRESS, registry=registry)
        except OSError as error:
            raise InvalidConfigError(
                f"Port {port} cannot be used for metrics: {error.strerror or error}",
                hint="Leave the port out for one that is free.",
            ) from None
        self.port: int = self._server.server_port
        self.address = f"http://{_ADDRESS}:{self.port}/metrics"

    def close(self) -> None:
        """End the server and its thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Collected:
    """What a registry asks; it has no `describe`, so that nothing is collected before the first request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        return self._metrics.collect()
