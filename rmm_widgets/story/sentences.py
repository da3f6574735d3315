"""From an event to a sentence: one method for each action, of a teller that remembers what came before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..quantities import bytes_text
from ..types import ModelEvent, ModelEventType
from .facts import Facts, lasting, plain

__all__ = ["Sentence", "Teller"]

_NAME = 80
"""Characters of the name of what holds memory."""
_PLACES = {"process": "in a process of its own", "kernel": "in the kernel"}


class Sentence(NamedTuple):
    """What to say of an event.

    Attributes:
        opens: What has begun, so that a sentence that `closes` it may take its place.
    """

    text: str
    opens: str = ""
    closes: str = ""


class Teller:
    """Tells the events of one model, in their order."""

    def __init__(self) -> None:
        self._seq = 0
        self._in_memory = False
        self._fetching = False
        self._fetched_before = False
        """Some bytes may be there from an earlier download, so that a rate would be wrong."""
        self._moving_since: datetime | None = None
        self._moved = 0.0
        """Seconds that the download took so far, without its pauses."""
        self._resumed = 0
        self._loading_since: datetime | None = None
        self._attempt = ""
        self._known = False
        self._config: Mapping[str, Any] = {}
        self._reason = ""
        """Why it is unhealthy, where that was said already."""
        self.actions: Mapping[str, Callable[[Facts], Sentence]] = {
            "registered": self._registered,
            "deleted": self._deleted,
            "config_updated": self._config_updated,
            "unsafe_allowed": self._unsafe_allowed,
            "unsafe_revoked": self._unsafe_revoked,
            "download_started": self._download_started,
            "download_paused": self._download_paused,
            "download_resumed": self._download_resumed,
            "download_moved": self._download_moved,
            "download_discarded": self._download_discarded,
            "discard_failed": self._discard_failed,
            "download_completed": self._download_completed,
            "download_cancelled": self._download_cancelled,
            "download_failed": self._download_failed,
            "files_damaged": self._files_damaged,
            "load_started": self._load_started,
            "restart_started": self._restart_started,
            "load_completed": self._load_completed,
            "load_cancelled": self._load_cancelled,
            "load_failed": self._load_failed,
            "worker_died": self._worker_died,
            "crash_loop": self._crash_loop,
            "restart_cancelled": self._restart_cancelled,
            "unload_failed": self._unload_failed,
            "delete_failed": self._delete_failed,
            "unloaded": self._unloaded,
            "evicted": self._evicted,
            "idle": self._idle,
            "error_cleared": self._error_cleared,
            "health_changed": self._health_changed,
        }
        """What tells each `data["action"]`."""

    def break_before(self, event: ModelEvent) -> str:
        """What to say where an event is not of the same session as the one before it; empty where it is."""
        other = event.seq <= self._seq
        self._seq = event.seq
        if not other:
            return ""
        left = [
            *(["with the model in memory"] if self._in_memory else []),
            *(["in the middle of a download"] if self._fetching else []),
            *(["in the middle of a load"] if self._loading_since else []),
        ]
        self._fetched_before = self._fetched_before or self._fetching
        self._in_memory = self._fetching = False
        self._loading_since = None
        return f"A session ended {' and '.join(left)}; another one went on." if left else "Another session went on."

    def sentence(self, event: ModelEvent) -> Sentence:
        """What to say of an event; an empty text where other sentences say it."""
        facts = Facts(event)
        if not facts.action and event.type is ModelEventType.DOWNLOAD_PROGRESS:
            return Sentence("")
        tell = self.actions.get(facts.action, _unknown)
        return tell(facts)

    # The registry

    def _registered(self, facts: Facts) -> Sentence:
        info = facts.mapping("model_info")
        kind = plain(str(info.get("model_type", "model"))).replace("_", " ")
        repository, version = plain(str(info.get("repo_id", ""))), info.get("version")
        metadata = info.get("metadata")
        commit = metadata.get("commit") if isinstance(metadata, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        parts = [
            f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}{f' from {repository}' if repository else ''}"
            + (f"@{plain(str(version))}" if version else "")
        ]
        if isinstance(commit, str):
            parts.append(f"commit {plain(commit)[:12]}")
        size = info.get("total_size_estimate")
        if isinstance(size, int) and size > 0:
            parts.append(f"{bytes_text(size)} to download")
        verb = "Its registration was changed" if self._known else "Registered"
        self._known = True
        newer = facts.commit("newer_commit")
        return Sentence(f"{verb}: {', '.join(parts)}." + (f" A newer commit is {newer}." if newer else ""))

    def _deleted(self, facts: Facts) -> Sentence:
        freed = facts.count("freed_bytes")
        self._known = self._fetching = self._fetched_before = self._in_memory = False
        self._config = {}
        return Sentence("Deleted from the registry" + (f"; {bytes_text(freed)} freed on disk." if freed else "."))

    def _config_updated(self, facts: Facts) -> Sentence:
        config = facts.mapping("config")
        changed = {key: value for key, value in config.items() if self._config.get(key, _NOTHING) != value}
        self._config = config
        return Sentence(f"Configuration changed: {_settings(changed or config)}.")

    def _unsafe_allowed(self, facts: Facts) -> Sentence:
        return Sentence(f"The user allowed the code and pickles of commit {facts.commit()}.")

    def _unsafe_revoked(self, facts: Facts) -> Sentence:
        return Sentence(f"The code and pickles of commit {facts.commit()} are no longer allowed.")

    # Downloads

    def _download_started(self, facts: Facts) -> Sentence:
        self._fetching, self._resumed, self._moved = True, 0, 0.0
        self._moving_since = facts.at
        return Sentence("A download began.", opens="download")

    def _download_paused(self, facts: Facts) -> Sentence:
        self._stand_still(facts.at)
        return Sentence(f"The download was paused at {facts.count('progress')} %.")

    def _download_resumed(self, facts: Facts) -> Sentence:
        self._resumed += 1
        self._moving_since = facts.at
        return Sentence("The download was resumed.", opens="download")

    def _download_moved(self, facts: Facts) -> Sentence:
        place = facts.count("position")
        return Sentence(f"The download was moved to place {place} of those that wait." if place else "")

    def _download_discarded(self, facts: Facts) -> Sentence:
        self._fetched_before = False
        return Sentence(f"What was fetched was removed: {bytes_text(facts.number('freed_bytes'))} freed.")

    def _discard_failed(self, facts: Facts) -> Sentence:
        return Sentence(f"What was fetched could not be removed: {_with_hint(facts)}")

    def _download_completed(self, facts: Facts) -> Sentence:
        timed = self._fetching
        self._stand_still(facts.at)
        size, took = facts.number("bytes"), self._moved
        parts = ["Downloaded" + (f" {bytes_text(size)}" if size else "") + (f" in {lasting(took)}" if timed else "")]
        if size and timed and took > 0 and not self._fetched_before:
            parts.append(f"{bytes_text(size / took)} a second")
        if self._resumed:
            parts.append("resumed " + {1: "once", 2: "twice"}.get(self._resumed, f"{self._resumed} times"))
        if commit := facts.commit():
            parts.append(f"commit {commit}")
        self._fetching = self._fetched_before = False
        return Sentence(f"{', '.join(parts)}.", closes="download")

    def _download_cancelled(self, facts: Facts) -> Sentence:
        paused = self._moving_since is None
        self._end_download(facts)
        if facts.flag("closing"):
            return Sentence("" if paused else "The session ended, and its download with it.")
        return Sentence("The download was cancelled.")

    def _download_failed(self, facts: Facts) -> Sentence:
        self._end_download(facts)
        return Sentence(f"The download failed: {_with_hint(facts)}")

    def _files_damaged(self, facts: Facts) -> Sentence:
        return Sentence(f"Its files turned out to be damaged: {_with_hint(facts)}")

    def _stand_still(self, at: datetime) -> None:
        if self._moving_since is not None:
            self._moved += max((at - self._moving_since).total_seconds(), 0.0)
        self._moving_since = None

    def _end_download(self, facts: Facts) -> None:
        self._stand_still(facts.at)
        self._fetching, self._fetched_before = False, True

    # Loads

    def _load_started(self, facts: Facts) -> Sentence:
        self._loading_since, self._attempt = facts.at, ""
        return Sentence("A load began.", opens="load")

    def _restart_started(self, facts: Facts) -> Sentence:
        self._loading_since, self._attempt = facts.at, f"attempt {_attempt(facts)}"
        return Sentence(f"It is loaded again after the crash, {self._attempt}.", opens="load")

    def _load_completed(self, facts: Facts) -> Sentence:
        # The seconds of the load itself, where it says so; those since it was asked for hold waiting and downloads.
        took = facts.number("seconds")
        if not took and self._loading_since is not None:
            took = max((facts.at - self._loading_since).total_seconds(), 0.0)
        again = f" again ({self._attempt})" if self._attempt else ""
        place, device, loader = facts.text("placement"), facts.text("device"), facts.text("loader")
        parts = [f"Loaded{again}" + (f" in {lasting(took)}" if took else "") + (f" on {device}" if device else "")]
        if place:
            parts.append(_PLACES.get(place, f"in {place}"))
        if loader:
            parts.append(f"by {loader}")
        if memory := facts.number("memory_bytes"):
            estimate = facts.number("estimated_bytes")
            parts.append(
                f"{bytes_text(memory)} of memory" + (f" ({bytes_text(estimate)} estimated)" if estimate else "")
            )
        self._loading_since, self._in_memory, self._attempt, self._reason = None, True, "", ""
        warning = facts.sentence("warning")
        return Sentence(f"{', '.join(parts)}." + (f" {warning}" if warning else ""), closes="load")

    def _load_cancelled(self, _facts: Facts) -> Sentence:
        self._loading_since = None
        return Sentence("The load was cancelled.")

    def _load_failed(self, facts: Facts) -> Sentence:
        self._fail(facts)
        return Sentence(f"The load failed: {_with_hint(facts)}{_reload(facts)}")

    def _worker_died(self, facts: Facts) -> Sentence:
        self._fail(facts)
        error = facts.sentence("error") or "its process ended."
        return Sentence(f"It crashed: {error}{_reload(facts)}")

    def _crash_loop(self, facts: Facts) -> Sentence:
        self._fail(facts)
        return Sentence(facts.sentence("error") or "It crashed after every reload, and is not loaded again by itself.")

    def _restart_cancelled(self, _facts: Facts) -> Sentence:
        return Sentence("The reload after the crash was called off.")

    def _unload_failed(self, facts: Facts) -> Sentence:
        self._reason = facts.text("error")
        return Sentence(f"It could not be unloaded: {_with_hint(facts)}")

    def _delete_failed(self, facts: Facts) -> Sentence:
        return Sentence(f"It could not be deleted: {_with_hint(facts)}")

    def _unloaded(self, facts: Facts) -> Sentence:
        self._in_memory = False
        return Sentence(f"Unloaded{_held(facts)}.")

    def _evicted(self, facts: Facts) -> Sentence:
        self._in_memory = False
        other, memory, idle = facts.text("evicted_for"), facts.number("memory_bytes"), facts.number("idle_seconds")
        parts = [
            "Evicted to make room" + (f" for {other}" if other else ""),
            *([f"{bytes_text(memory)} given back"] if memory else []),
            *([f"it was idle for {lasting(idle)}"] if idle else []),
        ]
        return Sentence(f"{', '.join(parts)}{_held(facts)}.")

    def _idle(self, facts: Facts) -> Sentence:
        self._in_memory = False
        idle = facts.number("idle_seconds")
        unused = f" for {lasting(idle)}" if idle else ""
        return Sentence(f"Unloaded because nobody used it{unused}{_held(facts)}.")

    def _error_cleared(self, _facts: Facts) -> Sentence:
        return Sentence("The error was cleared by an unload.")

    def _fail(self, facts: Facts) -> None:
        self._loading_since, self._in_memory = None, False
        self._reason = facts.text("error")

    # Health

    def _health_changed(self, facts: Facts) -> Sentence:
        health, before, reason = facts.text("health"), facts.text("previous"), facts.sentence("reason")
        expected = health == "unknown" or (health == "healthy" and before == "unknown")
        if expected or (self._reason and facts.text("reason") == self._reason):
            return Sentence("")  # a load, an unload or a crash says so
        again = " again" if health == "healthy" else ""
        return Sentence(f"It became {health or 'unknown'}{again}" + (f": {reason}" if reason else "."))


_NOTHING = object()


def _unknown(facts: Facts) -> Sentence:
    held = ", ".join(facts.names())
    name = plain(facts.action or str(facts.type)).replace("_", " ")
    return Sentence(plain(f"Noted: {name}{f' ({held})' if held else ''}."))


def _settings(config: Mapping[str, Any]) -> str:
    return plain(", ".join(f"{key}={value!r}" for key, value in config.items())) or "nothing is set"


def _with_hint(facts: Facts) -> str:
    hint = "" if facts.count("attempt") else facts.sentence("hint")
    return " ".join(filter(None, (facts.sentence("error") or "no reason is known.", hint)))


def _attempt(facts: Facts) -> str:
    attempts = facts.count("attempts")
    return str(facts.count("attempt")) + (f" of {attempts}" if attempts else "")


def _reload(facts: Facts) -> str:
    if not facts.count("attempt"):
        return ""
    return f" It is loaded again in {lasting(facts.number('restart_in'))}, attempt {_attempt(facts)}."


def _held(facts: Facts) -> str:
    names = facts.words("held_by")
    return f"; its memory is still held by {', '.join(name[:_NAME] for name in names[:5])}" if names else ""
