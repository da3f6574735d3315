"""Snapshots: what did not change is taken over, and nothing of it shows in what comes out."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from rmm_widgets.lifecycle.states import Stage
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.fallback import progress_line, rows_text
from rmm_widgets.notebook.snapshots import Snapshots
from rmm_widgets.runtime.entry import ModelDescription, Picture
from rmm_widgets.types import ModelDownloadProgress, ModelHealth, ModelStatus

from ..commands.custom import Echo

STAGES = {
    Stage.REGISTERED: ModelStatus.NOT_DOWNLOADED,
    Stage.DOWNLOADING: ModelStatus.DOWNLOADING,
    Stage.LOADED: ModelStatus.LOADED,
    Stage.ERROR: ModelStatus.ERROR,
}


@pytest.fixture
def described(manager: ModelManager, echo: Echo) -> ModelDescription:
    return manager.describe("echo")


def named(described: ModelDescription, model_id: str) -> ModelDescription:
    info = msgspec.structs.replace(described.info, model_id=model_id)
    return msgspec.structs.replace(described, info=info)


def changed(described: ModelDescription, draw: random.Random) -> ModelDescription:
    stage = draw.choice(list(STAGES))
    progress = ModelDownloadProgress(
        model_id=described.info.model_id,
        total_bytes=100,
        downloaded_bytes=draw.randrange(100),
        bytes_per_second=draw.randrange(1000),
        phase=draw.choice(("downloading", "paused")),
    )
    return msgspec.structs.replace(
        described,
        stage=stage,
        status=STAGES[stage],
        on_disk=draw.random() < 0.5,
        memory_bytes=draw.randrange(10),
        health=draw.choice(list(ModelHealth)),
        progress=draw.choice((None, progress)),
    )


def test_a_long_row_of_snapshots_shows_the_same_as_fresh_ones(
    manager: ModelManager, described: ModelDescription
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    snapshots = Snapshots()
    models: dict[str, ModelDescription] = {}
    picture: Picture = manager.picture
    for _ in range(400):
        models = dict(models)
        for model_id in draw.sample(list(models), min(len(models), draw.choice((0, 0, 1)))):
            del models[model_id]
        for model_id in draw.sample(list(models), min(len(models), draw.choice((0, 1, 2)))):
            models[model_id] = changed(models[model_id], draw)
        if draw.random() < 0.3:
            model_id = f"m{draw.randrange(10)}"
            models[model_id] = named(described, model_id)
        queue = tuple(draw.sample(list(models), min(2, len(models))))
        picture = msgspec.structs.replace(picture, models=models, revision=picture.revision + 1, download_queue=queue)
        kept, fresh = snapshots.take(picture, None, "1"), Snapshots().take(picture, None, "1")
        assert kept == fresh
        assert list(kept.rows) == list(fresh.rows) == list(models)


def test_what_did_not_change_is_the_same_object(manager: ModelManager, described: ModelDescription) -> None:
    snapshots = Snapshots()
    models = {name: named(described, name) for name in ("a", "b")}
    picture = msgspec.structs.replace(manager.picture, models=models)
    first = snapshots.take(picture, None, "1")
    assert snapshots.take(picture, None, "1").rows is first.rows
    # A change that no row shows.
    models = {**models, "a": msgspec.structs.replace(models["a"], generation=7)}
    assert snapshots.take(msgspec.structs.replace(picture, models=models), None, "1").rows is first.rows
    models = {**models, "a": msgspec.structs.replace(models["a"], pinned=True)}
    second = snapshots.take(msgspec.structs.replace(picture, models=models), None, "1")
    assert second.rows["a"].pinned
    assert second.rows["b"] is first.rows["b"]


def test_N4_a_row_is_short_and_names_no_home_folder(manager: ModelManager, described: ModelDescription) -> None:
    home = str(Path.home())
    model = msgspec.structs.replace(
        described,
        info=msgspec.structs.replace(described.info, description="d" * 5000),
        error=f"no space in {home}/.cache/huggingface",
        hint=f"Free some of {home}. " + "x" * 5000,
        error_type="DiskFullError",
        health_reason=home,
    )
    picture = msgspec.structs.replace(manager.picture, models={"echo": model})
    (row,) = Snapshots().take(picture, None, "1").rows.values()
    assert row.error == "no space in ~/.cache/huggingface"
    assert home not in row.hint
    assert row.health_reason == "~"
    assert len(row.description) + len(row.hint) < 700
    assert row.guide == "DiskFullError"
    assert rows_text([row]).count("`%rmm help DiskFullError` tells more.") == 1
    assert progress_line(row, None).endswith("`%rmm help DiskFullError` tells more.")
