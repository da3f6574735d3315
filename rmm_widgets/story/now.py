"""How a model is now and what to do next, in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..error_links import pointer
from ..lifecycle.states import Stage
from ..quantities import bytes_text
from ..types import ModelHealth
from .facts import plain

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["advice_for", "standing"]

_STAGES = {
    Stage.QUEUED: "Its download waits for its turn.",
    Stage.RESOLVING: "It is being downloaded: its files are being looked up.",
    Stage.VERIFYING: "It is being downloaded: the last files are being verified.",
    Stage.CANCELLING: "Its download is being stopped.",
    Stage.DISCARDING: "What was fetched of it is being removed.",
    Stage.WAITING: "Its load waits for its turn.",
    Stage.LOADING: "It is being loaded.",
    Stage.ABORTING: "Its load is being stopped.",
    Stage.UNLOADING: "It is being unloaded.",
}


def standing(description: ModelDescription) -> str:
    """How it is."""
    progress = description.progress
    percent = int(progress.progress) if progress is not None else 0
    match description.stage:
        case Stage.REGISTERED if description.partial_bytes:
            return f"It is not on disk; {bytes_text(description.partial_bytes)} of an unfinished download are."
        case Stage.REGISTERED:
            return "It is registered and not on disk."
        case Stage.DOWNLOADING:
            return f"It is being downloaded: {percent} %."
        case Stage.PAUSED:
            return f"Its download is paused at {percent} %."
        case Stage.DOWNLOADED:
            return "It is on disk and not in memory."
        case Stage.LOADED:
            return _loaded(description)
        case Stage.ERROR:
            return f"Error: {_full(description.error)}"
        case stage:
            return _STAGES[stage]


def advice_for(description: ModelDescription) -> str:
    """What to do next; empty where nothing needs to be done."""
    model_id = description.info.model_id
    match description.stage:
        case Stage.REGISTERED if description.partial_bytes and not description.given_up:
            return f"%rmm resume {model_id} goes on with the download."
        case Stage.REGISTERED:
            return f"%rmm download {model_id} fetches it; %rmm load {model_id} loads it, too."
        case Stage.PAUSED:
            return f"%rmm resume {model_id} goes on."
        case Stage.DOWNLOADED:
            return f"%rmm load {model_id} brings it into memory."
        case Stage.ERROR:
            advice = _full(description.hint) or f"%rmm load {model_id} tries again."
            return f"{advice} {pointer(description.guide_name)}"
        case Stage.LOADED:
            return _advice_for_health(description)
        case _:
            return ""


def _loaded(description: ModelDescription) -> str:
    memory = f", {bytes_text(description.memory_bytes)} of memory" if description.memory_bytes else ""
    where = f" on {plain(description.device)}" if description.device else ""
    sentence = f"It is loaded{where}{memory}, and {description.health.value}"
    return f"{sentence}: {_full(description.health_reason)}" if description.health_reason else f"{sentence}."


def _advice_for_health(description: ModelDescription) -> str:
    model_id = description.info.model_id
    match description.health:
        case ModelHealth.UNHEALTHY:
            return (
                f"%rmm health {model_id} asks it again; %rmm unload {model_id} ends it whatever it does, and "
                f"%rmm load {model_id} starts afresh."
            )
        case ModelHealth.DEGRADED:
            return f"%rmm health {model_id} shows its last probes; unloading and loading it may help."
        case _:
            return ""


def _full(text: str) -> str:
    line = plain(text).rstrip()
    return line if not line or line[-1] in ".!?…" else f"{line}."
