"""What a manager tells observers: its history, its events as they happen, and metrics for Prometheus."""

from __future__ import annotations

import contextlib
import logging

from .errors import InvalidConfigError, ManagerClosedError, RegistryError
from .manager_lifetime import ManagerLifetime
from .manager_reading import ManagerReading
from .runtime.entry import ModelDescription
from .runtime.feed import EventFeed
from .runtime.metrics import Metrics, MetricsServer
from .types import ModelEvent, Statistics

__all__ = ["ManagerObservers"]

_log = logging.getLogger("rmm_widgets")


class ManagerObservers(ManagerLifetime, ManagerReading):
    """The part of a `ModelManager` about observers."""

    _metrics: tuple[Metrics, MetricsServer] | None = None

    def events(self, model_id: str | None = None, *, limit: int = 100) -> list[ModelEvent]:
        """The last events, newest last, also of earlier kernels.

        The progress reports of earlier kernels are not kept; everything else is. A deleted model's stay readable.

        Raises:
            TypeError: `model_id` is no text.
            ValueError: `limit` is no whole number, or below 0.
        """
        if model_id is not None and not isinstance(model_id, str):
            raise TypeError(f"model_id must be text, not {type(model_id).__name__}")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            raise ValueError(f"limit is {limit!r}; it must be a whole number, 0 or more")
        return self._run(self._registrar.history.events(model_id, limit))

    def follow_events(self, model_id: str | None = None, *, limit: int = 0) -> EventFeed:
        """Events as they happen, also those of other kernels that use the same registry: iterate over it.

            with manager.follow_events() as feed:
                for event in feed:
                    print(event.model_id, event.type)

        Args:
            model_id: Only what happens to this model, registered or not.
            limit: So many earlier events come first.

        Raises:
            TypeError: `model_id` is no text.
            ValueError: `limit` is no whole number, or below 0.
        """
        self.events(model_id, limit=limit)  # refuses what it would refuse below, before anything is begun
        place: int = self._run(self._registrar.history.place())

        async def read() -> list[ModelEvent]:
            nonlocal place
            events, place = await self._registrar.history.of_others(place)
            return events

        def of_others() -> list[ModelEvent]:
            try:
                return self._loop.run(read(), cancel_on_interrupt=False)
            except (ManagerClosedError, RegistryError) as error:
                _log.debug("the events of other kernels cannot be read: %s", error)
                return []

        feed = EventFeed(
            model_id, of_others=of_others, is_over=lambda: self._closed, on_close=lambda: self._forget(feed)
        )
        try:
            self._call(lambda: self._engine.bus.add(feed.put))
            feed.begin_with(self.events(model_id, limit=limit))
        except BaseException:  # an interrupt too
            feed.close()
            raise
        return feed

    def _forget(self, feed: EventFeed) -> None:
        with contextlib.suppress(ManagerClosedError):
            self._call(lambda: self._engine.bus.remove(feed.put))

    def start_metrics(self, port: int = 0) -> str:
        """Serve metrics for Prometheus on 127.0.0.1, until `stop_metrics` or the end of the manager.

        What happens is counted from now on; downloaded bytes since the manager began. Started already: no change.

        Args:
            port: 0 for one that is free.

        Returns:
            The address to scrape.

        Raises:
            InvalidConfigError: `port` is no port, is taken, or the metrics are at another one.
            MissingDependencyError: prometheus-client is not installed.
        """
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise InvalidConfigError(
                f"port is {port!r}; it must be a whole number from 0 to 65535",
                hint="Leave it out for one that is free.",
            )
        self._check_open()
        with self._close_lock:
            self._check_open()
            if self._metrics is None:
                from . import __version__

                metrics = Metrics(self._measured, __version__)
                self._metrics = metrics, MetricsServer(metrics, port)
                self._call(lambda: self._engine.bus.add(metrics.note))
            _, server = self._metrics
            if port not in {0, server.port}:
                raise InvalidConfigError(
                    f"the metrics are at {server.address} already", hint="Call stop_metrics() before another port."
                )
            return server.address

    def stop_metrics(self) -> bool:
        """End the metrics; False where there were none."""
        with self._close_lock:
            if self._metrics is None:
                return False
            metrics, server = self._metrics
            self._metrics = None
            server.close()
            with contextlib.suppress(ManagerClosedError):
                self._call(lambda: self._engine.bus.remove(metrics.note))
            return True

    def _measured(self) -> tuple[Statistics, list[ModelDescription], int | None]:
        budget: int | None = self.memory_budget
        return self.get_statistics(), self.describe_all(), budget

    def _end_services(self) -> None:
        self.stop_metrics()
