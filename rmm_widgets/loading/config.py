"""What can be set on a model, per type: records with their ranges, and the check of what a user gave.

Every loader of a type takes the same record. Merging with the configuration in force is the
manager's business; what a particular model cannot do is checked by its loader.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

import msgspec
from msgspec import inspect as types

from .. import names
from ..errors import InvalidConfigError
from ..types import ModelType

__all__ = [
    "CaptionGeneratorConfig",
    "ClassificationModelConfig",
    "DetectionModelConfig",
    "DiffusionLMConfig",
    "EmbeddingModelConfig",
    "ModelConfig",
    "as_mapping",
    "config_record",
    "parse_config",
    "refuse_settings",
    "setting_words",
]

_DType: TypeAlias = Literal["auto", "float32", "float16", "bfloat16"]
_File: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Fraction: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Batch: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Pixels: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=16_384)]
_Seed: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Temperature: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=100)]


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    """What every type has.

    Attributes:
        force_cpu: Stay on the CPU whatever device was asked for; takes effect at the next load.
        dtype: In which precision to hold the weights; "auto" is that of the files. Takes effect at the next load;
            refused by loaders that cannot change it.
        file: Which weights to load where the repository has several, such as the quantisations of a GGUF
            repository: a path inside of it, a file's name, or a quantisation. None for the loader's choice. Takes
            effect at the next load; refused by loaders that have no choice.
    """

    force_cpu: bool = False
    dtype: _DType = "auto"
    file: _File | None = None


class CaptionGeneratorConfig(_Config, frozen=True, kw_only=True):
    """Settings of a caption_generator.

    Attributes:
        threshold: Leave out captions whose tokens have a lower mean probability than this (geometric mean).
        batch_size: Images in one run.
        max_length: Longest caption in tokens; None for what the model's own configuration says.
        post_process: Drop special tokens and surplus blanks; False shows the raw text.
    """

    threshold: _Fraction = 0.0
    batch_size: _Batch = 8
    max_length: _Count | None = None
    post_process: bool = True


class DetectionModelConfig(_Config, frozen=True, kw_only=True):
    """Settings of a detection_model.

    Attributes:
        confidence: Leave out boxes with a lower score.
        nms_threshold: Of two boxes with the same label that overlap more than this (IoU), keep the surer;
            None keeps both.
        max_detections: At most this many boxes an image, the surest ones.
        input_size: Height and width in pixels to resize to; None for what the repository says.
        batch_size: Images in one run.
    """

    confidence: _Fraction = 0.5
    nms_threshold: _Fraction | None = None
    max_detections: _Count = 100
    input_size: tuple[_Pixels, _Pixels] | None = None
    batch_size: _Batch = 8


class EmbeddingModelConfig(_Config, frozen=True, kw_only=True):
    """Settings of an embedding_model.

    Attributes:
        dimension: Keep the first so many dimensions; None keeps all.
        normalize: Scale to length 1.
        batch_size: Texts in one run.
        max_sequence_length: Cut texts after so many tokens; None for what the repository says.
    """

    dimension: _Count | None = None
    normalize: bool = True
    batch_size: _Batch = 32
    max_sequence_length: _Count | None = None


class ClassificationModelConfig(_Config, frozen=True, kw_only=True):
    """Settings of a classification_model.

    Attributes:
        top_k: At most so many labels, the surest ones.
        threshold: Leave out labels with a lower score.
        batch_size: Inputs in one run.
        max_sequence_length: Cut texts after so many tokens; None for what the repository says.
    """

    top_k: _Count = 3
    threshold: _Fraction = 0.0
    batch_size: _Batch = 32
    max_sequence_length: _Count | None = None


class DiffusionLMConfig(_Config, frozen=True, kw_only=True):
    """Settings of a diffusion_lm; each can also be given with a call.

    Attributes:
        steps: Denoising steps; more are slower and better. None for what the repository says.
        max_new_tokens: Tokens to write after the prompt; None fills the model's block.
        temperature: 0 takes the likeliest token, 1 draws as the model learnt.
        seed: Same seed, same text; None draws anew with every call.
    """

    steps: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    max_new_tokens: _Count | None = None
    temperature: _Temperature = 1.0
    seed: _Seed | None = None


ModelConfig: TypeAlias = (
    CaptionGeneratorConfig | DetectionModelConfig | EmbeddingModelConfig | ClassificationModelConfig | DiffusionLMConfig
)

_RECORDS: dict[ModelType, type[ModelConfig]] = {
    ModelType.CAPTION_GENERATOR: CaptionGeneratorConfig,
    ModelType.DETECTION_MODEL: DetectionModelConfig,
    ModelType.EMBEDDING_MODEL: EmbeddingModelConfig,
    ModelType.CLASSIFICATION_MODEL: ClassificationModelConfig,
    ModelType.DIFFUSION_LM: DiffusionLMConfig,
}


def config_record(model_type: ModelType | str) -> type[ModelConfig]:
    """The record of a type's settings."""
    return _RECORDS[ModelType(model_type)]


@functools.cache
def setting_words(model_type: ModelType) -> Mapping[str, tuple[str, ...]]:
    """The settings of a type by name, each with the words for its values where these are few."""
    description = cast("types.StructType", types.type_info(config_record(model_type)))
    return {field.name: _words(field.type) for field in description.fields}


def _words(kind: types.Type) -> tuple[str, ...]:
    match kind:
        case types.BoolType():
            return ("false", "true")
        case types.LiteralType():
            return tuple(map(str, kind.values))
        case types.NoneType():
            return ("null",)
        case types.UnionType():
            return tuple(word for each in kind.types for word in _words(each))
        case _:
            return ()


def parse_config(model_type: ModelType | str, config: Mapping[str, Any], *, model_id: str | None = None) -> ModelConfig:
    """The typed record of a configuration; what it does not name keeps its default.

    Raises:
        InvalidConfigError: A key is unknown or a value is wrong.
    """
    record = config_record(model_type)
    if not isinstance(config, Mapping):
        raise InvalidConfigError(
            f"the configuration must be a mapping, not {type(config).__name__}",
            model_id=model_id,
            hint=_all_keys(record),
        )
    for key, value in config.items():
        _check(record, key, value, model_id)
    return msgspec.convert(dict(config), record)


def as_mapping(config: object) -> object:
    """A record of settings as a mapping of all of them; anything else as it is."""
    return msgspec.structs.asdict(config) if isinstance(config, _Config) else config


def refuse_settings(settings: ModelConfig, *keys: str, loader: str) -> None:
    """Refuse settings that a loader cannot honour, unless they have their default values.

    Raises:
        InvalidConfigError: One of them has another value.
    """
    defaults = type(settings)()
    for key in keys:
        default = getattr(defaults, key)
        if getattr(settings, key) != default:
            raise InvalidConfigError(
                f"{key} is {getattr(settings, key)!r}: the loader {loader} cannot change that",
                hint=f"Leave it at {default!r}, or load the model with another loader (see `%rmm info`).",
            )


def _check(record: type[ModelConfig], key: object, value: object, model_id: str | None) -> None:
    known = record.__struct_fields__
    if key not in known:
        near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
        raise InvalidConfigError(
            f"unknown configuration key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            model_id=model_id,
            hint=_all_keys(record),
        )
    try:
        msgspec.convert({key: value}, record)
        if key == "file" and value is not None:
            names.check_file_path(value)
    except ValueError as error:
        reason = str(error).partition(" - at ")[0]
        if key == "dtype":
            reason = f"it must be one of {', '.join(get_args(_DType))}"
        raise InvalidConfigError(
            f"{key} is {value!r:.80}: {reason[:1].lower()}{reason[1:]}",
            model_id=model_id,
            hint=f"Nothing was changed; see help({record.__module__}.{record.__name__}) for the settings.",
        ) from None


def _all_keys(record: type[ModelConfig]) -> str:
    return f"This type takes: {', '.join(sorted(record.__struct_fields__))}."
