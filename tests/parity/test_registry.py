"""The registry: what a model's record must hold, registering twice, searching, importing, deleting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rmm_widgets import (
    InvalidModelInfoError,
    ModelAlreadyRegisteredError,
    ModelInfo,
    ModelManager,
    ModelNotRegisteredError,
    ModelStatus,
    ModelType,
)

from .custom import TIMEOUT, Gate, add, info, last, story

Make = Callable[..., ModelManager]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model_id": ""}, "Model ID is required"),
        ({"model_id": "  "}, "Model ID is required"),
        ({"model_id": None}, "Model ID is required"),
        ({"repo_id": ""}, "Repository ID is required"),
        ({"repo_id": None}, "Repository ID is required"),
        ({"model_type": "nonsense"}, "Invalid model type"),
        ({"model_type": None}, "Invalid model type"),
        ({"total_size_estimate": -1}, "total_size_estimate"),
        ({"total_size_estimate": 1.5}, "total_size_estimate"),
        ({"file_count_estimate": -1}, "file_count_estimate"),
        ({"file_count_estimate": 2.5}, "file_count_estimate"),
        ({"description": None}, "description"),
        ({"tags": "one"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"x": object()}}, "metadata"),
        ({"version": ""}, "not a branch, tag or commit"),
        ({"model_id": "", "repo_id": "", "model_type": "nonsense"}, "Model ID is required"),
        ({"repo_id": "", "model_type": "nonsense"}, "Repository ID is required"),
    ],
)
def test_kept_a_record_is_validated_now_at_its_making(fields: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"model_id": "m", "repo_id": "me/m", "model_type": "embedding_model", **fields}
    with pytest.raises(InvalidModelInfoError, match=text) as refused:
        ModelInfo(**given)
    assert isinstance(refused.value, ValueError)
    assert refused.value.hint


def test_changed_sizes_and_descriptions_need_not_be_known() -> None:
    record = ModelInfo("m", ModelType.EMBEDDING_MODEL, "me/m")
    assert (record.total_size_estimate, record.file_count_estimate, record.description) == (0, 0, "")


def test_kept_a_type_may_be_given_by_its_value() -> None:
    named: Any = "embedding_model"
    assert ModelInfo("m", named, "me/m").model_type is ModelType.EMBEDDING_MODEL


def test_changed_a_record_does_not_share_what_it_was_made_of(manager: ModelManager) -> None:
    tags, metadata = ["a"], {"nested": {"list": [1]}}
    record = info(tags=tags, metadata=metadata)
    tags.append("b")
    metadata["nested"]["list"].append(2)
    assert record.tags == ("a",)
    assert record.metadata == {"nested": {"list": (1,)}}
    with pytest.raises(AttributeError):
        record.description = "changed"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        record.metadata["x"] = 1  # pyright: ignore[reportIndexIssue]


def test_kept_what_is_registered_can_be_read(manager: ModelManager) -> None:
    add(manager, description="one")
    assert manager.get_model_info("m") == info(description="one")
    assert manager.get_all_models() == {"m": info(description="one")}
    assert manager.get_model_info("x") is None


def test_changed_registering_the_same_again_changes_nothing(manager: ModelManager) -> None:
    add(manager)
    before = story(manager), manager.get_state().revision
    assert manager.register_model(info()) == info()
    assert (story(manager), manager.get_state().revision) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "new"},
        {"tags": ("new",)},
        {"metadata": {"new": True}},
        {"total_size_estimate": 5},
        {"file_count_estimate": 5},
    ],
)
def test_changed_what_describes_a_known_id_is_updated_and_its_state_kept(
    manager: ModelManager, fields: dict[str, Any]
) -> None:
    add(manager)
    manager.download_model("m").result(TIMEOUT)
    instance = manager.load_model("m").result(TIMEOUT)
    manager.register_model(info(**fields))
    assert manager.get_model_info("m") == info(**fields)
    assert manager.get_model_status("m") is ModelStatus.LOADED
    assert manager.get_model_instance("m") is instance
    assert instance(1) == 2
    assert last(manager, "config_update")["action"] == "registered"
    assert story(manager).count(("config_update", "registered")) == 2


OTHERS = [
    ModelInfo("m", ModelType.EMBEDDING_MODEL, "another/m"),
    ModelInfo("m", ModelType.EMBEDDING_MODEL, "me/m", version="v2"),
    ModelInfo("m", ModelType.CAPTION_GENERATOR, "me/m"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_changed_another_model_under_a_known_id_is_refused(manager: ModelManager, other: ModelInfo) -> None:
    add(manager)
    before = story(manager), manager.get_state().revision
    with pytest.raises(ModelAlreadyRegisteredError, match="Model m is already registered") as refused:
        manager.register_model(other)
    assert "replace=True" in refused.value.hint
    assert manager.get_model_info("m") == info()
    assert (story(manager), manager.get_state().revision) == before


@pytest.mark.parametrize("other", OTHERS)
def test_kept_another_model_under_a_known_id_overwrites_where_that_is_said(
    manager: ModelManager, other: ModelInfo
) -> None:
    add(manager)
    manager.download_model("m").result(TIMEOUT)
    manager.register_model(other, replace=True)
    assert manager.get_model_info("m") == other
    assert story(manager)[-1] == ("config_update", "registered")


def test_changed_a_loaded_model_is_not_replaced_under_its_users(manager: ModelManager) -> None:
    add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    with pytest.raises(ModelAlreadyRegisteredError, match="cannot be replaced now"):
        manager.register_model(OTHERS[0], replace=True)
    assert manager.get_model_info("m") == info()
    assert instance(1) == 2


def test_kept_registering_several(manager: ModelManager) -> None:
    records = [info(name) for name in ("a", "b", "c")]
    assert manager.register_models(records) == records
    assert list(manager.get_all_models().values()) == records


def test_kept_importing_skips_what_is_known_unless_told_to_overwrite(manager: ModelManager) -> None:
    manager.register_model(info("known"))
    changed, fresh = ModelInfo("known", ModelType.EMBEDDING_MODEL, "another/known"), info("fresh")
    assert manager.import_models([changed, fresh]) == [fresh]
    assert manager.get_model_info("known") == info("known")
    assert manager.import_models([changed, fresh], overwrite=True) == [changed, fresh]
    assert manager.get_model_info("known") == changed


def test_kept_what_is_exported_can_be_imported_elsewhere(manager: ModelManager, make_manager: Make) -> None:
    manager.register_models([info("a", tags=("x",)), info("b", description="two")])
    exported = manager.export_models()
    for model_id in ("a", "b"):
        manager.delete_model(model_id).result(TIMEOUT)
    assert manager.import_models(exported) == exported
    assert manager.export_models() == exported


@pytest.fixture
def library(manager: ModelManager) -> ModelManager:
    manager.register_models(
        [
            ModelInfo(
                "captions", ModelType.CAPTION_GENERATOR, "Org/Blip", "Describes Pictures", 100, tags=("Vision", "small")
            ),
            ModelInfo("words", ModelType.EMBEDDING_MODEL, "org/minilm", "Sentence vectors", 200, tags=("text",)),
            ModelInfo("faces", ModelType.DETECTION_MODEL, "lab/yolo", "Finds faces", 300, tags=("vision",)),
        ]
    )
    return manager


def found(records: list[ModelInfo]) -> list[str]:
    return [record.model_id for record in records]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["captions", "words", "faces"]),
        ("CAPTION", ["captions"]),
        ("vectors", ["words"]),
        ("ORG/", ["captions", "words"]),
        ("vision", ["captions", "faces"]),
        ("nothing like it", []),
    ],
)
def test_kept_search_is_a_part_of_id_description_repository_or_tag_in_any_case(
    library: ModelManager, query: str, expected: list[str]
) -> None:
    assert found(library.find_models(query)) == expected


def test_kept_a_tag_is_exact_and_case_counts(library: ModelManager) -> None:
    assert found(library.find_models(tag="vision")) == ["faces"]
    assert found(library.find_models(tag="Vision")) == ["captions"]
    assert found(library.find_models(tag="visio")) == []


def test_kept_both_ends_of_a_size_are_included(library: ModelManager) -> None:
    assert found(library.find_models(min_size=200)) == ["words", "faces"]
    assert found(library.find_models(max_size=200)) == ["captions", "words"]
    assert found(library.find_models(min_size=200, max_size=200)) == ["words"]


def test_kept_models_by_type(library: ModelManager) -> None:
    assert found(library.find_models(model_type=ModelType.DETECTION_MODEL)) == ["faces"]
    assert found(library.find_models(model_type="embedding_model")) == ["words"]
    with pytest.raises(InvalidModelInfoError, match="Invalid model type"):
        library.find_models(model_type="nonsense")


def test_kept_delete_unloads_unregisters_and_drops_the_record(manager: ModelManager) -> None:
    model = add(manager)
    manager.download_model("m").result(TIMEOUT)
    manager.load_model("m").result(TIMEOUT)
    assert manager.delete_model("m").result(TIMEOUT) == 0
    assert model.steps[-1] == "unload"
    assert story(manager)[-3:] == [
        ("unload", "unloaded"),
        ("health_change", "health_changed"),
        ("config_update", "deleted"),
    ]
    assert manager.get_all_models() == {}
    assert manager.get_all_instances() == {}
    assert manager.get_all_download_progress() == {}


def test_changed_deleting_an_unknown_id_raises(manager: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError, match=r"(?m)^Model x is not registered$"):
        manager.delete_model("x")
    assert story(manager) == []


def test_changed_delete_with_files_frees_them(hub_manager: ModelManager) -> None:
    hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    folder = hub_manager.download_model("vit-digits").result(TIMEOUT)
    size = hub_manager.describe("vit-digits").size_on_disk
    assert hub_manager.delete_model("vit-digits", remove_files=True).result(TIMEOUT) == size > 0
    assert not folder.exists()


def test_kept_delete_without_files_keeps_them(hub_manager: ModelManager) -> None:
    record = hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    folder = hub_manager.download_model("vit-digits").result(TIMEOUT)
    assert hub_manager.delete_model("vit-digits").result(TIMEOUT) == 0
    assert folder.is_dir()
    hub_manager.register_model(record)
    assert hub_manager.get_model_status("vit-digits") is ModelStatus.DOWNLOADED


def test_changed_deleting_during_a_load_cancels_it(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    gate = model.gates["load"] = Gate()
    job = manager.load_model("m")
    gate.wait_until_reached()
    manager.delete_model("m").result(TIMEOUT)
    assert job.cancelled()
    assert manager.get_all_models() == {}


def test_unregistering_needs_a_model_at_rest(manager: ModelManager) -> None:
    add(manager, on_disk=True)
    manager.load_model("m").result(TIMEOUT)
    with pytest.raises(ModelAlreadyRegisteredError, match="cannot be unregistered now") as refused:
        manager.unregister_model("m")
    assert "delete_model" in refused.value.hint
    manager.unload_model("m").result(TIMEOUT)
    manager.unregister_model("m")
    assert manager.get_all_models() == {}


def test_changed_the_registry_survives_the_manager(make_manager: Make) -> None:
    first = make_manager()
    first.register_model(info(description="kept", tags=("a",), metadata={"n": 1}))
    first.close()
    assert make_manager().get_all_models() == {"m": info(description="kept", tags=("a",), metadata={"n": 1})}


def test_running_a_cell_again_takes_the_new_model_at_the_next_load(manager: ModelManager) -> None:
    first = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    before = story(manager)
    second = add(manager, on_disk=True)
    assert story(manager) == before
    assert instance.model is first, "what is loaded stays"
    manager.unload_model("m").result(TIMEOUT)
    assert first.steps[-1] == "unload"
    assert manager.load_model("m").result(TIMEOUT).model is second
