"""Typed configuration: what is taken, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from rmm_widgets.errors import InvalidConfigError
from rmm_widgets.loading.config import (
    CaptionGeneratorConfig,
    ClassificationModelConfig,
    DetectionModelConfig,
    DiffusionLMConfig,
    EmbeddingModelConfig,
    as_mapping,
    parse_config,
    refuse_settings,
)
from rmm_widgets.types import FrozenDict, ModelType


@pytest.mark.parametrize(
    ("model_type", "record"),
    [
        ("caption_generator", CaptionGeneratorConfig()),
        ("detection_model", DetectionModelConfig()),
        ("embedding_model", EmbeddingModelConfig()),
        ("classification_model", ClassificationModelConfig()),
        ("diffusion_lm", DiffusionLMConfig()),
    ],
)
def test_every_type_has_defaults(model_type: str, record: object) -> None:
    assert parse_config(model_type, {}) == parse_config(ModelType(model_type), FrozenDict()) == record


@pytest.mark.parametrize(
    ("model_type", "config"),
    [
        ("detection_model", {"confidence": 0, "input_size": [64, 32], "nms_threshold": 1.0, "max_detections": 1}),
        ("detection_model", {"input_size": (64, 32)}),
        ("embedding_model", {"dimension": None, "normalize": False, "max_sequence_length": 8}),
        ("caption_generator", {"threshold": 0.5, "max_length": 4, "post_process": False, "force_cpu": True}),
        ("classification_model", {"top_k": 10}),
        ("diffusion_lm", {"steps": 4, "temperature": 0, "seed": 2**32 - 1, "max_new_tokens": 3}),
        ("diffusion_lm", {"dtype": "bfloat16", "file": "Q8_0"}),
        ("embedding_model", {"dtype": "float16", "file": "sub/model-Q8_0.gguf"}),
    ],
)
def test_values_are_taken(model_type: str, config: dict[str, Any]) -> None:
    record = parse_config(model_type, config)
    for key, value in config.items():
        assert getattr(record, key) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("model_type", "config", "key"),
    [
        ("detection_model", {"confidence": 1.5}, "confidence"),
        ("detection_model", {"confidence": -0.1}, "confidence"),
        ("detection_model", {"confidence": float("nan")}, "confidence"),
        ("detection_model", {"confidence": "0.5"}, "confidence"),
        ("detection_model", {"confidence": None}, "confidence"),
        ("detection_model", {"confidence": True}, "confidence"),
        ("detection_model", {"max_detections": 1.5}, "max_detections"),
        ("detection_model", {"input_size": [64]}, "input_size"),
        ("detection_model", {"input_size": [64, 0]}, "input_size"),
        ("detection_model", {"input_size": 64}, "input_size"),
        ("embedding_model", {"batch_size": 0}, "batch_size"),
        ("embedding_model", {"normalize": 1}, "normalize"),
        ("diffusion_lm", {"seed": 2**32}, "seed"),
        ("diffusion_lm", {"temperature": float("inf")}, "temperature"),
        ("diffusion_lm", {"steps": object()}, "steps"),
        ("classification_model", {"top_k": 3, "threshold": 2}, "threshold"),
        ("caption_generator", {"dtype": "fp16"}, "dtype"),
        ("caption_generator", {"dtype": None}, "dtype"),
        ("embedding_model", {"file": ""}, "file"),
        ("embedding_model", {"file": 8}, "file"),
    ],
    ids=str,
)
def test_wrong_values_name_the_key(model_type: str, config: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidConfigError, match=f"^{key} is ") as caught:
        parse_config(model_type, config, model_id="m")
    assert caught.value.model_id == "m"
    assert caught.value.hint
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("key", "near"),
    [("confidense", "confidence"), ("nmsThreshold", "nms_threshold"), ("max_detection", "max_detections")],
)
def test_unknown_keys_name_the_nearest(key: str, near: str) -> None:
    with pytest.raises(InvalidConfigError, match=f"'{key}'; did you mean '{near}'"):
        parse_config("detection_model", {key: 1})


@pytest.mark.parametrize("key", ["zzz", "", 3, None])
def test_keys_like_nothing_known_list_what_there_is(key: Any) -> None:
    with pytest.raises(InvalidConfigError, match="unknown") as caught:
        parse_config("detection_model", {key: 1})
    assert "max_detections" in caught.value.hint


def test_a_wrong_dtype_names_the_right_ones() -> None:
    with pytest.raises(InvalidConfigError, match="auto, float32, float16, bfloat16"):
        parse_config("embedding_model", {"dtype": "half"})


def test_what_a_loader_cannot_honour_is_refused() -> None:
    refuse_settings(EmbeddingModelConfig(dimension=3), "dtype", "file", loader="x")
    for setting in ({"dtype": "float16"}, {"file": "Q8_0"}):
        with pytest.raises(InvalidConfigError, match=f"^{next(iter(setting))} is .* loader x cannot") as caught:
            refuse_settings(EmbeddingModelConfig(**setting), "dtype", "file", loader="x")
        assert "Leave it at" in caught.value.hint


def test_records_are_mappings_of_all_their_settings() -> None:
    record = DetectionModelConfig(confidence=0.9, input_size=(64, 32))
    assert parse_config("detection_model", as_mapping(record)) == record  # type: ignore[arg-type]
    assert as_mapping(given := {"confidence": 0.9}) is given
    assert as_mapping(3) == 3


@pytest.mark.parametrize("config", [None, 3, "confidence=1", [("confidence", 1)]])
def test_only_mappings_are_taken(config: Any) -> None:
    with pytest.raises(InvalidConfigError, match="mapping"):
        parse_config("detection_model", config)
