"""What must be true of the machine after every step, as one function that tests and debug runs call."""

from __future__ import annotations

from .machine import Lifecycle
from .states import FETCHING, LOADING, RESTARTING, TRANSFERRING, WITH_WORKER, ModelState, Stage

__all__ = ["violations"]

_ON_DISK = frozenset({Stage.DOWNLOADED, Stage.WAITING, Stage.LOADING, Stage.ABORTING, Stage.LOADED, Stage.UNLOADING})


def violations(machine: Lifecycle) -> list[str]:
    """Every broken invariant in words; an empty list is what callers expect."""
    broken: list[str] = []
    queued: list[str] = []
    waiting: list[str] = []
    transferring: set[str] = set()
    loading: set[str] = set()
    tickets: list[int] = []
    for model_id, state in machine.models.items():
        if state.stage is Stage.QUEUED:
            queued.append(model_id)
        elif state.stage is Stage.WAITING:
            waiting.append(model_id)
        elif state.stage in TRANSFERRING:
            transferring.add(model_id)
        elif state.stage in LOADING:
            loading.add(model_id)
        tickets.extend(set(state.tickets()))
        broken.extend(f"{model_id} in {state.stage}: {problem}" for problem in _of_model(state))
    if sorted(machine.downloads.waiting) != sorted(queued):
        broken.append("the download queue is not the set of queued models")
    if sorted(machine.loads.waiting) != sorted(waiting):
        broken.append("the load queue is not the set of waiting models")
    if set(machine.downloads.running) != transferring:
        broken.append("the held download slots are not the running transfers")
    if set(machine.loads.running) != loading:
        broken.append("the held load slots are not the running loads")
    if len(tickets) != len(set(tickets)) or set(tickets) != machine.open_tickets:
        broken.append("the open jobs are not those that the models hold")
    if queued and machine.downloads.busy < machine.downloads.limit:
        broken.append("a model is queued although a download slot is free")
    if waiting and machine.loads.busy < machine.loads.limit:
        broken.append("a model waits although a load slot is free")
    return broken


def _of_model(state: ModelState) -> list[str]:
    stage = state.stage
    rules = {
        "percent is out of range": 0.0 <= state.percent <= 100.0,
        "on disk or not, against its stage": state.on_disk == (stage in _ON_DISK) or stage is Stage.ERROR,
        "a worker without a stage for one": not state.worker or stage in WITH_WORKER,
        "no worker of the current generation": state.worker == state.generation > 0
        or stage not in WITH_WORKER - {Stage.ERROR},
        "a download job without a download": bool(state.download)
        == (stage in FETCHING or stage in {Stage.PAUSED, Stage.CANCELLING}),
        "a load job is missing": bool(state.load) or stage not in {Stage.WAITING, Stage.LOADING, Stage.ABORTING},
        "a load job in a resting stage": not state.load
        or stage not in {Stage.REGISTERED, Stage.DOWNLOADED, Stage.LOADED, Stage.ERROR},
        "an unload job without an unload": not state.unload or stage in {Stage.UNLOADING, Stage.ABORTING},
        "a removal that nothing will end": not state.remove
        or stage in {Stage.CANCELLING, Stage.DISCARDING, Stage.ABORTING, Stage.UNLOADING},
        "a next download without a cancel": not state.next_download or stage in {Stage.CANCELLING, Stage.DISCARDING},
        "a discard job without a discard": not state.discard or stage in {Stage.CANCELLING, Stage.DISCARDING},
        "a discard without a job": bool(state.discard) or stage is not Stage.DISCARDING,
        "a discard that is also a pause": not (state.discard and state.pausing),
        "a next load without an abort": not state.next_load or stage is Stage.ABORTING,
        "pausing without a cancel": not state.pausing or stage is Stage.CANCELLING,
        "a reload without a crash": not state.restart
        or (stage in RESTARTING and not (stage is Stage.ERROR and (state.worker or state.failure is None))),
        "an error without a reason": (state.failure is not None) == (stage is Stage.ERROR) or stage is Stage.UNLOADING,
    }
    return [name for name, holds in rules.items() if not holds]
