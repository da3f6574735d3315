"""What a repository is, from its metadata alone: the library it was made for and the type of model.

Pure: an ordered table of rules over `Evidence`, first match wins. Where the evidence comes from (the
Hub's answer, a folder on disk) and which loader can run the result is the callers' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..types import ModelType

__all__ = ["Evidence", "Identity", "identify", "search_words"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a repository; every field may be empty.

    Attributes:
        files: Paths inside the repository, with forward slashes.
        config: `config.json`.
        index: `model_index.json`.
        pipeline_tag, library, tags: From the model card.
    """

    files: tuple[str, ...] = ()
    config: Mapping[str, Any] = {}
    index: Mapping[str, Any] = {}
    pipeline_tag: str | None = None
    library: str | None = None
    tags: tuple[str, ...] = ()

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
        """The class that `model_index.json` names, or empty."""
        name = self.index.get("_class_name")
        return name if isinstance(name, str) else ""

    def has(self, *suffixes: str) -> bool:
        """True where a file ends in one of the suffixes."""
        return any(path.endswith(suffixes) for path in self.files)


class Identity(msgspec.Struct, frozen=True):
    """What a repository is.

    Attributes:
        library: The Python library it was made for, or None where nothing tells.
        model_type: One of our types, or None where nothing tells or none fits.
        reason: The evidence that decided, in a few words.
    """

    library: str | None
    model_type: ModelType | None
    reason: str


_DIFFUSION_PIPELINE = re.compile(r"LLaDA|DiffusionGemma|Dream|MDLM")

_BY_ARCHITECTURE: tuple[tuple[re.Pattern[str], ModelType], ...] = (
    (re.compile(r"ForBlockDiffusion$|^(LLaDA|Dream|MDLM|SEDD|RND1|SDAR)"), ModelType.DIFFUSION_LM),
    (re.compile(r"For(ZeroShot)?ObjectDetection$"), ModelType.DETECTION_MODEL),
    (
        re.compile(r"For(Image|Sequence|Audio|Video|ImageAndVideo)Classification(WithTeacher)?$"),
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


def _text_diffusion_pipeline(e: Evidence) -> Identity | None:
    if _DIFFUSION_PIPELINE.search(e.pipeline_class):
        return Identity("diffusers", ModelType.DIFFUSION_LM, f"model_index.json names {e.pipeline_class}")
    return None


def _other_pipeline(e: Evidence) -> Identity | None:
    if e.pipeline_class:
        return Identity("diffusers", None, f"model_index.json names {e.pipeline_class}")
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
    _text_diffusion_pipeline,
    _other_pipeline,
    _model2vec,
    _sentence_transformers,
    _architecture,
    _vision_to_text,
    _masked_diffusion,
    _bare_encoder,
    _pipeline_tag,
    _own_tag,
)


def identify(evidence: Evidence) -> Identity:
    """What the repository is; total: where nothing tells, the fields are None."""
    for rule in _RULES:
        identity = rule(evidence)
        if identity is not None:
            return identity
    return Identity(_library(evidence), None, _what_there_is(evidence))


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
    if e.has(".gguf"):
        return "llama-cpp-python"
    return None
