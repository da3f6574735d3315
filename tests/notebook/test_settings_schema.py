"""The settings that an editor shows are those of the typed records, with their ranges and explanations."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rmm_widgets.errors import InvalidConfigError
from rmm_widgets.loading.config import config_record, parse_config
from rmm_widgets.notebook.settings_schema import key_of, problems, settings
from rmm_widgets.types import ModelType


def by_key(model_type: ModelType, **config: Any) -> dict[str, Any]:
    return {each.key: each for each in settings(model_type, config)}


@pytest.mark.parametrize("model_type", ModelType)
def test_every_setting_of_a_record_is_there_and_its_default_is_right(model_type: ModelType) -> None:
    record = config_record(model_type)
    found = settings(model_type, {})
    assert tuple(each.key for each in found) == record.__struct_fields__
    defaults = msgspec.structs.asdict(record())
    assert {each.key: each.default for each in found} == {each.key: each.value for each in found} == defaults
    assert all(len(each.note) > 10 for each in found), "each is explained"
    assert {each.key for each in found if each.at_load} == {"force_cpu", "dtype", "file"}
    assert problems(model_type, defaults) == {}


def test_kinds_and_ranges() -> None:
    detection = by_key(ModelType.DETECTION_MODEL, input_size=[64, 32], confidence=0.25)
    assert (detection["confidence"].kind, detection["confidence"].value) == ("number", 0.25)
    assert (detection["confidence"].minimum, detection["confidence"].maximum) == (0, 1)
    assert not detection["confidence"].optional
    assert (detection["nms_threshold"].kind, detection["nms_threshold"].optional) == ("number", True)
    assert (detection["input_size"].kind, detection["input_size"].value) == ("size", [64, 32])
    assert (detection["input_size"].minimum, detection["input_size"].maximum) == (1, 16_384)
    assert (detection["batch_size"].kind, detection["batch_size"].maximum) == ("whole", 4096)
    assert (detection["dtype"].kind, set(detection["dtype"].choices)) == (
        "choice",
        {"auto", "float32", "float16", "bfloat16"},
    )
    assert (detection["file"].kind, detection["file"].minimum) == ("text", None)
    assert by_key(ModelType.EMBEDDING_MODEL)["normalize"].kind == "flag"
    assert by_key(ModelType.DIFFUSION_LM)["steps"].note.startswith("Denoising steps; more are slower and better.")


@pytest.mark.parametrize("model_type", ModelType)
def test_what_the_schema_allows_is_what_the_record_takes(model_type: ModelType) -> None:
    for each in settings(model_type, {}):
        good: list[Any] = [each.default, *([None] if each.optional else []), *each.choices]
        bad: list[Any] = [{}, [], *([] if each.optional else [None])]
        match each.kind:
            case "flag":
                good, bad = [*good, True, False], [*bad, 1, "true"]
            case "whole" | "number":
                step = 1 if each.kind == "whole" else 0.001
                good += [each.minimum, each.maximum]
                bad += [each.minimum - step, each.maximum + step, True, "1", float("nan"), float("inf")]
            case "size":
                good += [[each.minimum, each.maximum], (5, 7)]
                bad += [[each.minimum - 1, 5], [5], [5, 6, 7], ["5", "6"], 5]
            case "choice":
                bad += ["else", 1, True]
            case "text":
                good += ["Q4_K_M", "sub/model.gguf", "model.gguf"]
                bad += ["", "x" * 1025, 7]
        assert [value for value in good if problems(model_type, {each.key: value})] == []
        assert [value for value in bad if not problems(model_type, {each.key: value})] == []


@pytest.mark.parametrize(
    "path",
    [
        "../other/model.gguf",
        "/etc/passwd",
        "a/../../b",
        "C:\\model.gguf",
        "c:model.gguf",
        "~/../x",
        "a//b",
        "nul",
        "a\0b",
    ],
)
def test_S5_a_file_setting_names_no_file_outside_of_the_repository(path: str) -> None:
    told = problems(ModelType.EMBEDDING_MODEL, {"file": path})
    assert told["file"].startswith("it must be a file of the repository")
    with pytest.raises(InvalidConfigError):
        parse_config(ModelType.EMBEDDING_MODEL, {"file": path})


def test_problems_say_what_would_be_right() -> None:
    told = problems(
        ModelType.DETECTION_MODEL,
        {"confidnce": 1, "confidence": 2, "max_detections": 0, "input_size": 3, "dtype": "int4", "batch_size": 4},
    )
    assert told == {
        "confidnce": "unknown configuration key 'confidnce'; did you mean 'confidence'?",
        "confidence": "it must be a number from 0 to 1",
        "max_detections": "it must be a whole number from 1 to 1000000",
        "input_size": "it must be height and width, two whole numbers from 1 to 16384, or nothing",
        "dtype": "it must be one of auto, bfloat16, float16, float32",
    }


def test_an_error_of_a_loader_belongs_to_its_key() -> None:
    config = {"dtype": "float16", "batch_size": 4}
    assert key_of("dtype is 'float16': the loader onnxruntime cannot change that", config) == "dtype"
    assert key_of("the model is busy", config) == ""
