"""The decision table, on descriptions of known repositories."""

from __future__ import annotations

from typing import Any

import pytest

from rmm_widgets.hub.identify import Evidence, identify, search_words
from rmm_widgets.types import ModelType

CAPTION, DETECTION, EMBEDDING = (
    ModelType.CAPTION_GENERATOR,
    ModelType.DETECTION_MODEL,
    ModelType.EMBEDDING_MODEL,
)
CLASSIFICATION, DIFFUSION = ModelType.CLASSIFICATION_MODEL, ModelType.DIFFUSION_LM


def arch(name: str, **config: Any) -> dict[str, Any]:
    return {"config": {"architectures": [name], **config}}


@pytest.mark.parametrize(
    ("evidence", "model_type", "library"),
    [
        ({"index": {"_class_name": "LLaDA2Pipeline"}}, DIFFUSION, "diffusers"),
        ({"index": {"_class_name": "StableDiffusionPipeline"}, "tags": ("diffusion_lm",)}, None, "diffusers"),
        ({"config": {"model_type": "model2vec"}, "files": ("modules.json",)}, EMBEDDING, "model2vec"),
        ({"files": ("modules.json",), **arch("BertModel")}, EMBEDDING, "sentence-transformers"),
        (
            {"library": "sentence-transformers", **arch("XForSequenceClassification")},
            CLASSIFICATION,
            "sentence-transformers",
        ),
        (arch("DiffusionGemmaForBlockDiffusion"), DIFFUSION, "transformers"),
        (arch("LLaDAModelLM", auto_map={}), DIFFUSION, "transformers"),
        (arch("DreamModel"), DIFFUSION, "transformers"),
        ({**arch("MDLM"), "pipeline_tag": "fill-mask"}, DIFFUSION, "transformers"),
        (arch("DetrForObjectDetection"), DETECTION, "transformers"),
        (arch("GroundingDinoForZeroShotObjectDetection"), DETECTION, "transformers"),
        (arch("ViTForImageClassification"), CLASSIFICATION, "transformers"),
        (arch("DeiTForImageClassificationWithTeacher"), CLASSIFICATION, "transformers"),
        (arch("BertForSequenceClassification"), CLASSIFICATION, "transformers"),
        (arch("Wav2Vec2ForSequenceClassification"), CLASSIFICATION, "transformers"),
        (arch("BlipForConditionalGeneration"), CAPTION, "transformers"),
        (arch("BlipForQuestionAnswering"), None, "transformers"),
        (arch("GitForCausalLM"), CAPTION, "transformers"),
        (arch("VisionEncoderDecoderModel"), CAPTION, "transformers"),
        (arch("LlavaForConditionalGeneration", vision_config={}), CAPTION, "transformers"),
        (arch("T5ForConditionalGeneration"), None, "transformers"),
        ({**arch("BertForMaskedLM"), "tags": ("Masked-Diffusion",)}, DIFFUSION, "transformers"),
        (arch("BertForMaskedLM"), None, "transformers"),
        ({**arch("LlamaForCausalLM"), "pipeline_tag": "text-generation", "tags": ("mdlm",)}, None, "transformers"),
        ({**arch("BertModel"), "pipeline_tag": "feature-extraction"}, EMBEDDING, "transformers"),
        ({**arch("Dinov2Model"), "pipeline_tag": "image-feature-extraction"}, EMBEDDING, "transformers"),
        (arch("BertModel"), None, "transformers"),
        ({"files": ("a.onnx",), "pipeline_tag": "object-detection"}, DETECTION, "onnxruntime"),
        ({"files": ("a.gguf",)}, None, "llama-cpp-python"),
        ({"pipeline_tag": "text-generation", "tags": ("llada",), "library": "transformers"}, DIFFUSION, "transformers"),
        ({"pipeline_tag": "image-to-text"}, CAPTION, None),
        ({"tags": ("embedding_model",)}, EMBEDDING, None),
        ({"pipeline_tag": "text-to-speech"}, None, None),
        ({}, None, None),
        ({"config": {"architectures": "BertModel"}}, None, None),
        ({"config": {"architectures": [None]}, "index": {"_class_name": 3}}, None, None),
    ],
    ids=str,
)
def test_table(evidence: dict[str, Any], model_type: ModelType | None, library: str | None) -> None:
    found = identify(Evidence(**evidence))
    assert found.model_type is model_type
    assert found.library == library


def test_every_type_can_be_searched_for() -> None:
    for model_type in ModelType:
        pipelines, tags = search_words(model_type)
        assert pipelines or tags
        assert all(identify(Evidence(pipeline_tag=word)).model_type is model_type for word in pipelines)
        assert all(identify(Evidence(tags=(word,))).model_type is model_type for word in tags)
