"""What a repository is, from its metadata alone: the library it was made for and the type of model.

Pure: an ordered table of rules over `Evidence`, first match wins; the card's pipeline tag counts only where
nothing stronger does. Where the evidence comes from (the Hub's answer, a folder on disk) and which loader can
run the result is the callers' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from ..downloads.copies import is_foreign, is_weights, spare_copies, training_leftovers
from ..downloads.onnx_files import is_external_data
from ..types import ModelType

__all__ = ["Evidence", "Identity", "identify", "search_words"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a repository; every field may be empty.

    Attributes:
        files: Paths inside the repository, with forward slashes.
        config: `config.json`.
        index: `model_index.json`.
        pipeline_tag, library, tags: From the model card.
        gguf_architecture: `general.architecture` of the GGUF file that would be loaded.
    """

    files: tuple[str, ...] = ()
    config: Mapping[str, Any] = {}
    index: Mapping[str, Any] = {}
    pipeline_tag: str | None = None
    library: str | None = None
    tags: tuple[str, ...] = ()
    gguf_architecture: str | None = None

    @property
    def architecture(self) -> str:
        """The first of `config.json`'s architectures, or empty."""
        match self.config.get("architectures"):
            case [str(first), *_]:
                return first
            case _:
                return ""

    @property
    def pipeline_class(self) -> str:
        """The class that `model_index.json` names, or empty; where it is the repository's own, its file comes first."""
        match self.index.get("_class_name"):
            case str(name) | [_, str(name)]:
                return name
            case _:
                return ""

    def has(self, *suffixes: str) -> bool:
        """True where a file ends in one of the suffixes."""
        return any(path.endswith(suffixes) for path in self.files)


class Identity(msgspec.Struct, frozen=True):
    """What a repository is.

    Attributes:
        library: The Python library it was made for, or None where nothing tells.
        model_type: One of our types, or None where nothing tells or none fits.
        reason: The evidence that decided, in a few words.
        none_of_ours: It is known to be of a type that we do not have, whatever the user says.
        needs_code: It brings Python code, which its own library would run.
        pickle_only: Some of its weights come as pickles and in no other form.
    """

    library: str | None
    model_type: ModelType | None
    reason: str
    none_of_ours: bool = False
    needs_code: bool = False
    pickle_only: bool = False


_ONNX = "onnxruntime"
_GGUF = "llama-cpp-python"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".joblib")

_DIFFUSION_PIPELINE = re.compile(r"LLaDA|DiffusionGemma|Dream|MDLM")
_DIFFUSION_NAME = re.compile(r"^(LLaDA|Dream|MDLM|BD3LM|SEDD|RND1|SDAR)", re.IGNORECASE)
_GGUF_DIFFUSION = frozenset(["dream", "llada", "llada-moe", "rnd1"])
_GGUF_EMBEDDING = re.compile(r"bert|-embed(ding)?$|^t5encoder$")

_BY_ARCHITECTURE: tuple[tuple[re.Pattern[str], ModelType], ...] = (
    (re.compile(r"ForBlockDiffusion$"), ModelType.DIFFUSION_LM),
    (_DIFFUSION_NAME, ModelType.DIFFUSION_LM),
    (re.compile(r"For(ZeroShot)?ObjectDetection$"), ModelType.DETECTION_MODEL),
    (
        re.compile(
            r"For(Image|Sequence|Audio|Video|ImageAndVideo)Classification"
            r"(WithTeacher|Learned|Fourier|ConvProcessing)?$"
        ),
        ModelType.CLASSIFICATION_MODEL,
    ),
    (
        re.compile(r"^(Blip2?|Pix2Struct|Florence2|Kosmos2)ForConditionalGeneration$|^GitForCausalLM$"),
        ModelType.CAPTION_GENERATOR,
    ),
    (re.compile(r"^VisionEncoderDecoderModel$|ForImageTextToText$"), ModelType.CAPTION_GENERATOR),
)

_BY_PIPELINE: dict[str, ModelType] = {
    "image-to-text": ModelType.CAPTION_GENERATOR,
    "image-text-to-text": ModelType.CAPTION_GENERATOR,
    "object-detection": ModelType.DETECTION_MODEL,
    "zero-shot-object-detection": ModelType.DETECTION_MODEL,
    "feature-extraction": ModelType.EMBEDDING_MODEL,
    "sentence-similarity": ModelType.EMBEDDING_MODEL,
    "image-feature-extraction": ModelType.EMBEDDING_MODEL,
    "text-classification": ModelType.CLASSIFICATION_MODEL,
    "image-classification": ModelType.CLASSIFICATION_MODEL,
    "audio-classification": ModelType.CLASSIFICATION_MODEL,
    "video-classification": ModelType.CLASSIFICATION_MODEL,
    "zero-shot-classification": ModelType.CLASSIFICATION_MODEL,
    "zero-shot-image-classification": ModelType.CLASSIFICATION_MODEL,
}

_DIFFUSION_TAGS = (
    "diffusion-lm",
    "masked-diffusion",
    "diffusion-language-model",
    "text-diffusion",
    "block-diffusion",
    "mdlm",
    "llada",
)
# The Hub has no pipeline tag for diffusion language models; theirs say one of these, or nothing.
_DIFFUSION_PIPELINES = frozenset([None, "text-generation", "fill-mask"])

_EMBEDDING_PIPELINES = frozenset(tag for tag, kind in _BY_PIPELINE.items() if kind is ModelType.EMBEDDING_MODEL)

_Rule = Callable[[Evidence], Identity | None]


def _gguf(e: Evidence) -> Identity | None:
    name = e.gguf_architecture
    if not name or not _only(e, ".gguf"):
        return None
    reason = f"GGUF files of the architecture {name}"
    if name in _GGUF_DIFFUSION:
        return Identity(_GGUF, ModelType.DIFFUSION_LM, reason)
    if _GGUF_EMBEDDING.search(name):
        return Identity(_GGUF, ModelType.EMBEDDING_MODEL, reason)
    if e.pipeline_tag in _EMBEDDING_PIPELINES:
        return Identity(_GGUF, ModelType.EMBEDDING_MODEL, f"{reason} for {e.pipeline_tag}")
    # A model made for writing can give embeddings too, where the user asks for that.
    return Identity(_GGUF, None, reason)


def _text_diffusion_pipeline(e: Evidence) -> Identity | None:
    if _DIFFUSION_PIPELINE.search(e.pipeline_class):
        return Identity("diffusers", ModelType.DIFFUSION_LM, f"model_index.json names {e.pipeline_class}")
    return None


def _other_pipeline(e: Evidence) -> Identity | None:
    if e.pipeline_class:
        return Identity("diffusers", None, f"model_index.json names {e.pipeline_class}", none_of_ours=True)
    return None


def _model2vec(e: Evidence) -> Identity | None:
    if e.config.get("model_type") == "model2vec" or e.library == "model2vec":
        return Identity("model2vec", ModelType.EMBEDDING_MODEL, "a model2vec repository")
    return None


def _sentence_transformers(e: Evidence) -> Identity | None:
    modules = "modules.json" in e.files
    if not modules and "config_sentence_transformers.json" not in e.files and e.library != "sentence-transformers":
        return None
    if e.architecture.endswith("ForSequenceClassification") and not modules:
        return Identity("sentence-transformers", ModelType.CLASSIFICATION_MODEL, "a cross-encoder")
    return Identity("sentence-transformers", ModelType.EMBEDDING_MODEL, "a sentence-transformers repository")


def _architecture(e: Evidence) -> Identity | None:
    for pattern, model_type in _BY_ARCHITECTURE:
        if pattern.search(e.architecture):
            return Identity("transformers", model_type, f"config.json names {e.architecture}")
    return None


def _text_diffusion(e: Evidence) -> Identity | None:
    kind = e.config.get("model_type")
    if isinstance(kind, str) and _DIFFUSION_NAME.search(kind):
        return Identity("transformers", ModelType.DIFFUSION_LM, f"config.json says {kind}")
    return None


def _vision_to_text(e: Evidence) -> Identity | None:
    # T5 and Bart end in the same words and see no pictures.
    if e.architecture.endswith("ForConditionalGeneration") and "vision_config" in e.config:
        return Identity("transformers", ModelType.CAPTION_GENERATOR, f"config.json names {e.architecture}")
    return None


def _masked_diffusion(e: Evidence) -> Identity | None:
    if e.pipeline_tag not in _DIFFUSION_PIPELINES or (e.architecture and not e.architecture.endswith("ForMaskedLM")):
        return None
    tags = {tag.lower() for tag in e.tags}
    for tag in _DIFFUSION_TAGS:
        if tag in tags:
            return Identity(_library(e), ModelType.DIFFUSION_LM, f"tagged {tag}")
    return None


def _bare_encoder(e: Evidence) -> Identity | None:
    if e.architecture.endswith("Model") and e.pipeline_tag in _EMBEDDING_PIPELINES:
        return Identity("transformers", ModelType.EMBEDDING_MODEL, f"{e.architecture} for {e.pipeline_tag}")
    return None


def _pipeline_tag(e: Evidence) -> Identity | None:
    model_type = _BY_PIPELINE.get(e.pipeline_tag or "")
    return Identity(_library(e), model_type, f"pipeline tag {e.pipeline_tag}") if model_type else None


def _own_tag(e: Evidence) -> Identity | None:
    for model_type in ModelType:
        if model_type.value in e.tags:
            return Identity(_library(e), model_type, f"tagged {model_type.value}")
    return None


_RULES: tuple[_Rule, ...] = (
    _gguf,
    _text_diffusion_pipeline,
    _other_pipeline,
    _model2vec,
    _sentence_transformers,
    _architecture,
    _text_diffusion,
    _vision_to_text,
    _masked_diffusion,
    _bare_encoder,
    _pipeline_tag,
    _own_tag,
)


def identify(evidence: Evidence) -> Identity:
    """What the repository is; total: where nothing tells, the fields are None."""
    found = next(filter(None, (rule(evidence) for rule in _RULES)), None)
    if found is None:
        found = Identity(_library(evidence), None, _what_there_is(evidence))
    return msgspec.structs.replace(
        found,
        library=_library_of_files(evidence) or found.library,
        needs_code=_brings_code(evidence),
        pickle_only=_has_only_pickles(evidence),
    )


def search_words(model_type: ModelType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The pipeline tags, and the free tags, under which the Hub lists a type."""
    pipelines = tuple(tag for tag, kind in _BY_PIPELINE.items() if kind is model_type)
    return pipelines, _DIFFUSION_TAGS if model_type is ModelType.DIFFUSION_LM else ()


def _what_there_is(e: Evidence) -> str:
    if e.architecture:
        return f"config.json names {e.architecture}"
    return f"pipeline tag {e.pipeline_tag}" if e.pipeline_tag else ""


def _library(e: Evidence) -> str | None:
    if e.library:
        return e.library
    if e.architecture or e.config.get("model_type"):
        return "transformers"
    return None


def _library_of_files(e: Evidence) -> str | None:
    """The library that the format of the weights asks for, whatever the model was first made with."""
    formats = {".onnx": _ONNX, ".gguf": _GGUF}
    return next((library for suffix, library in formats.items() if _only(e, suffix)), None)


def _only(e: Evidence, suffix: str) -> bool:
    """Whether all weights are in one format, going by the files' names."""
    weights = [path for path in e.files if is_weights(path)]
    if not any(path.endswith(suffix) for path in weights):
        return False
    spare = training_leftovers(e.files)
    onnx = {path for path in weights if path.endswith(".onnx")}
    return all(
        path.endswith(suffix) or path in spare or is_foreign(path) or is_external_data(path, onnx) for path in weights
    )


def _brings_code(e: Evidence) -> bool:
    return e.has(".py") or "custom_code" in e.tags or _has_key(e.config, "auto_map") or _has_key(e.index, "auto_map")


def _has_key(value: object, key: str) -> bool:
    """Whether a key is anywhere in a document, however deep."""
    left: list[object] = [value]
    while left:
        here = left.pop()
        if isinstance(here, Mapping):
            if key in here:
                return True
            left.extend(cast("Mapping[str, object]", here).values())
        elif isinstance(here, list):
            left.extend(cast("list[object]", here))
    return False


def _has_only_pickles(e: Evidence) -> bool:
    if not e.has(*_PICKLES):
        return False
    leftovers = training_leftovers(e.files)
    own = [path for path in e.files if path not in leftovers]
    onnx = {path for path in own if path.endswith(".onnx")}
    spare = spare_copies(own)
    return any(
        path.endswith(_PICKLES) and path not in spare and not is_foreign(path) and not is_external_data(path, onnx)
        for path in own
    )
