"""Repositories on torch other than the demo models in their usual use: other heads, inputs, processors and samplers.

Their weights are random; what they must answer is computed here with the library itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR, expected, sample
from rmm_widgets.errors import InvalidConfigError, UnsupportedModelError
from rmm_widgets.loading.servable import Servable

from .conftest import never
from .torch_folders import ask, opened

pytestmark = pytest.mark.usefixtures("torch_libraries")

TEXTS = ["the cat sleeps", "a kitten naps fast in the morning", "the stock falls"]
DIGITS = [sample(f"digit-{number}.png") for number in (1, 2, 3)]


@pytest.fixture
def load() -> Iterator[Callable[..., Servable]]:
    """Loads a folder with a loader on torch."""
    loaded: list[Servable] = []

    def load(folder: Path, loader: str, model_type: str, **config: Any) -> Servable:
        servable = opened("", folder, loader=loader, model_type=model_type)
        servable.load(config, "cpu", never)
        loaded.append(servable)
        return servable

    yield load
    for servable in loaded:
        servable.unload()


Load = Callable[..., Servable]


def toy_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODELS_DIR / "minilm-toy", local_files_only=True)


def small_bert(**more: Any) -> Any:
    from transformers import BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return BertConfig(vocab_size=142, max_position_embeddings=64, initializer_range=0.5, **sizes, **more)


# Texts


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text classifier with three labels."""
    import torch
    from transformers import BertForSequenceClassification

    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(1)
    names = {0: "good", 1: "bad", 2: "neither"}
    BertForSequenceClassification(small_bert(num_labels=3, id2label=names)).save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return folder


def probabilities(folder: Path, texts: list[Any], **how: Any) -> Any:
    import torch
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(folder).eval()
    rows = [toy_tokenizer()(*([text] if isinstance(text, str) else text), return_tensors="pt", **how) for text in texts]
    with torch.inference_mode():
        logits = torch.cat([model(**row).logits for row in rows])
    return logits.sigmoid().numpy() if logits.shape[1] == 1 else logits.softmax(-1).numpy()


def test_texts_are_classified(load: Load, classifier: Path) -> None:
    servable = load(classifier, "transformers", "classification_model", batch_size=2)
    for answer, row in zip(ask(servable, TEXTS), probabilities(classifier, TEXTS), strict=True):
        assert {each["label"]: each["score"] for each in answer} == pytest.approx(
            dict(zip(("good", "bad", "neither"), row.tolist(), strict=True)), abs=1e-5
        )
        scores = [each["score"] for each in answer]
        assert scores == sorted(scores, reverse=True)
    servable.update_config({"max_sequence_length": 4, "top_k": 1})
    cut = probabilities(classifier, TEXTS, truncation=True, max_length=4)
    assert [each[0]["score"] for each in ask(servable, TEXTS)] == pytest.approx(cut.max(axis=1).tolist(), abs=1e-5)
    assert ask(servable, []) == []
    for wrong in (3, b"text", ["a", 3], None):
        with pytest.raises(TypeError, match="text"):
            ask(servable, wrong)


def test_texts_longer_than_the_model_are_cut(load: Load, classifier: Path) -> None:
    servable = load(classifier, "transformers", "classification_model")
    assert ask(servable, "the cat " * 500) == ask(servable, "the cat " * 400)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that gives one number for two texts."""
    import torch
    from transformers import BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross-encoder")
    torch.manual_seed(2)
    BertForSequenceClassification(small_bert(num_labels=1)).save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return folder


def test_a_cross_encoder_scores_pairs(load: Load, cross_encoder: Path) -> None:
    servable = load(cross_encoder, "sentence-transformers", "classification_model", batch_size=2)
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[0], TEXTS[2]), (TEXTS[1], TEXTS[1])]
    want = probabilities(cross_encoder, pairs)[:, 0].tolist()
    assert [each[0]["score"] for each in ask(servable, pairs)] == pytest.approx(want, abs=1e-5)
    assert ask(servable, list(pairs[1]))[0]["score"] == pytest.approx(want[1], abs=1e-5)
    assert ask(servable, []) == []
    servable.update_config({"threshold": 1.0})
    assert ask(servable, pairs) == [[], [], []]
    for wrong in ("one text", 3, ["a", "b", "c"], [("a", 3)], [("a", "b", "c")], None):
        with pytest.raises(TypeError, match="two texts"):
            ask(servable, wrong)


def test_no_head_of_random_numbers_is_put_on_an_encoder(load: Load) -> None:
    with pytest.raises(UnsupportedModelError, match="BertModel, not a cross-encoder"):
        load(MODELS_DIR / "minilm-toy", "sentence-transformers", "classification_model")


def test_transformers_embeds_texts_as_sentence_transformers_does(load: Load) -> None:
    servable = load(MODELS_DIR / "minilm-toy", "transformers", "embedding_model", batch_size=2)
    for case in expected()["models"]["minilm-toy"]["cases"]:
        vectors = ask(servable, list(case["input"]["texts"]))
        assert vectors.dtype == np.float32
        assert np.allclose(vectors @ vectors.T, np.array(case["torch"]["cosine"]), atol=1e-3)
    servable.update_config({"dimension": 8, "normalize": False, "max_sequence_length": 3})
    assert np.allclose(ask(servable, "the cat"), ask(servable, "the stock"), atol=1e-5)
    with pytest.raises(InvalidConfigError, match="64"):
        servable.update_config({"dimension": 65})


# Pictures


def test_pictures_are_embedded(load: Load) -> None:
    import torch
    from transformers import AutoImageProcessor, ViTModel

    folder = MODELS_DIR / "vit-digits"
    servable = load(folder, "transformers", "embedding_model", normalize=False, batch_size=2)
    vectors = ask(servable, DIGITS)
    model, processor = ViTModel.from_pretrained(folder).eval(), AutoImageProcessor.from_pretrained(folder)
    images = [Image.open(path).convert("RGB") for path in DIGITS]
    with torch.inference_mode():
        states = model(**processor(images=images, return_tensors="pt")).last_hidden_state
    # The repository has no pooler, and none is made up.
    assert np.allclose(vectors, states.mean(dim=1).numpy(), atol=1e-5)
    assert ask(servable, []).shape == (0, 64)
    with pytest.raises(TypeError, match="image"):
        ask(servable, 3)


def test_a_pooler_that_the_repository_brings_is_used(load: Load, tmp_path: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, ViTConfig, ViTModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = ViTModel(ViTConfig(image_size=16, patch_size=4, **sizes)).eval()
    model.save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(MODELS_DIR / "vit-digits")
    processor.save_pretrained(tmp_path)
    vectors = ask(load(tmp_path, "transformers", "embedding_model", normalize=False), DIGITS[0])
    with torch.inference_mode():
        pooled = model(**processor(images=Image.open(DIGITS[0]).convert("RGB"), return_tensors="pt")).pooler_output
    assert np.allclose(vectors, pooled.numpy(), atol=1e-5)


def test_a_detector_that_needs_words_is_refused(load: Load, tmp_path: Path) -> None:
    from transformers import OwlViTConfig

    OwlViTConfig().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="words"):
        load(tmp_path, "transformers", "detection_model")


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT that sees and a GPT-2 that speaks: a repository with two processors and no whole one."""
    import torch
    from transformers import AutoImageProcessor, GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel
    from transformers import ViTConfig as Vision

    folder = tmp_path_factory.mktemp("captioner")
    torch.manual_seed(3)
    tokenizer = toy_tokenizer()
    seen = Vision(
        image_size=16, patch_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    said = GPT2Config(vocab_size=142, n_positions=24, n_embd=16, n_layer=1, n_head=2, initializer_range=0.5)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(seen, said)
    config.decoder_start_token_id = tokenizer.cls_token_id
    config.eos_token_id = tokenizer.sep_token_id
    config.pad_token_id = tokenizer.pad_token_id
    model = VisionEncoderDecoderModel(config)
    model.generation_config.update(
        decoder_start_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    AutoImageProcessor.from_pretrained(MODELS_DIR / "vit-digits").save_pretrained(folder)
    return folder


def test_a_captioner_with_separate_processors(load: Load, captioner: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, VisionEncoderDecoderModel

    servable = load(captioner, "transformers", "caption_generator", max_length=6, batch_size=2)
    model = VisionEncoderDecoderModel.from_pretrained(captioner).eval()
    processor = AutoImageProcessor.from_pretrained(captioner)
    for path, answer in zip(DIGITS, ask(servable, DIGITS), strict=True):
        feed = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(**feed, max_new_tokens=6, do_sample=False, num_beams=1)[0]
        assert answer == [{"generated_text": " ".join(toy_tokenizer().decode(ids, skip_special_tokens=True).split())}]
        assert answer[0]["generated_text"]
    servable.update_config({"max_length": 1_000_000})  # cut to what the decoder can hold
    (long,) = ask(servable, DIGITS[0])
    assert long["generated_text"]
    servable.update_config({"threshold": 1.0})
    assert ask(servable, DIGITS) == [[], [], []]


def test_a_model_that_chats_about_pictures_is_asked_for_a_sentence(load: Load, tmp_path: Path) -> None:
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(4)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(image_size=16, patch_size=8, projection_dim=16, **sizes),
            text_config=LlamaConfig(
                vocab_size=len(tokenizer), max_position_embeddings=128, initializer_range=0.5, **sizes
            ),
            image_token_index=image_token,
            image_seq_length=4,
        )
    )
    model.generation_config.update(eos_token_id=tokenizer.sep_token_id, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(tmp_path)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="{% for m in messages %}{% for c in m.content %}"
        "{{ '<image>' if c.type == 'image' else c.text }} {% endfor %}{% endfor %}",
    ).save_pretrained(tmp_path)
    servable = load(tmp_path, "transformers", "caption_generator", max_length=4, post_process=False)
    (one,) = ask(servable, DIGITS[0])
    assert one["generated_text"]
    # Only the answer is given, neither the question nor the picture's places in it.
    assert "<image>" not in one["generated_text"]
    assert len(tokenizer.tokenize(one["generated_text"])) <= 4
    assert ask(servable, DIGITS) == [ask(servable, digit) for digit in DIGITS]


# Sounds


def test_sounds_are_classified(load: Load, tmp_path: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(5)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    layers = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2}
    config = Wav2Vec2Config(
        num_labels=2,
        id2label={0: "high", 1: "low"},
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        **sizes,
        **layers,
    )
    model = Wav2Vec2ForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=8000)
    extractor.save_pretrained(tmp_path)
    servable = load(tmp_path, "transformers", "classification_model", batch_size=2)
    second = np.arange(8000) / 8000
    sounds = [np.sin(2 * np.pi * tone * second[:length]) for tone, length in ((440, 8000), (1000, 8000), (60, 5000))]
    for sound, answer in zip(sounds, ask(servable, sounds), strict=True):
        feed = extractor(sound.astype(np.float32), sampling_rate=8000, return_tensors="pt")
        with torch.inference_mode():
            want = model(**feed).logits.softmax(-1)[0].tolist()
        assert {each["label"]: each["score"] for each in answer} == pytest.approx(
            dict(zip(("high", "low"), want, strict=True)), abs=1e-5
        )
    assert ask(servable, sounds[0]) == ask(servable, [sounds[0]])[0]
    for wrong, error in (
        (3, TypeError),
        ("a.wav", TypeError),
        (np.zeros((2, 9)), ValueError),
        (np.zeros(0), ValueError),
    ):
        with pytest.raises(error, match="8000 samples"):
            ask(servable, wrong)
    with pytest.raises(ValueError, match="int16"):
        ask(servable, np.zeros(100, np.int16))


# Diffusion language models


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Servable]:
    """mdlm-stories by diffusers' own sampler."""
    servable = opened("mdlm-stories", loader="diffusers")
    servable.load({}, "cpu", never)
    yield servable
    servable.unload()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_diffusers_writes_what_its_own_pipeline_writes(pipeline: Servable, seed: int) -> None:
    texts = expected()["models"]["mdlm-stories"]["diffusers"]["texts_by_seed"]
    assert ask(pipeline, seed=seed) == texts[str(seed)]


def test_diffusers_shows_its_steps(pipeline: Servable) -> None:
    seen: list[tuple[int, str]] = []
    text = ask(pipeline, "the king", seed=2, on_step=lambda step, now: seen.append((step, now)))
    assert text.startswith("the king ")
    assert [step for step, _ in seen] == list(range(len(seen)))
    masks = [now.count("[MASK]") for _, now in seen]
    assert masks == sorted(masks, reverse=True)
    assert masks[0] > masks[-1] == 0
    assert text in seen[-1][1]


def test_diffusers_takes_the_settings(pipeline: Servable) -> None:
    counts: list[int] = []
    ask(pipeline, steps=3, seed=1, on_step=lambda step, _: counts.append(step))
    assert len(counts) == 3
    assert ask(pipeline, temperature=0.0, seed=1) == ask(pipeline, temperature=0.0, seed=2)
    assert len(ask(pipeline, "the king", max_new_tokens=2, seed=1).split()) <= 4
    assert len({ask(pipeline) for _ in range(8)}) > 1  # no seed: every call draws anew
    pipeline.update_config({"seed": 2})
    assert ask(pipeline) == ask(pipeline, seed=2)
    pipeline.update_config({})
    for wrong in ({"steps": 0}, {"seed": -1}, {"max_new_tokens": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ask(pipeline, **wrong)
    with pytest.raises(TypeError, match="text"):
        ask(pipeline, 3)


def test_a_denoiser_at_the_root_is_loaded_as_one_in_a_folder(load: Load, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODELS_DIR / "mdlm-stories" / "model", tmp_path / "flat"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODELS_DIR / "mdlm-stories" / name, folder)
    shutil.copytree(MODELS_DIR / "mdlm-stories" / "scheduler", folder / "scheduler")
    flat = load(folder, "masked-diffusion", "diffusion_lm", seed=0)
    assert ask(flat) == "the queen found a map after the rain."


def test_where_a_repository_names_no_block_the_prompt_may_be_long(load: Load, tmp_path: Path) -> None:
    folder = Path(
        shutil.copytree(MODELS_DIR / "mdlm-stories", tmp_path / "open", ignore=lambda *_: ["onnx", "scheduler"])
    )
    servable = load(folder, "masked-diffusion", "diffusion_lm", seed=0)
    prompt = "the king sailed a boat in the morning. " * 4
    steps: list[str] = []
    text = ask(servable, prompt, steps=4, on_step=lambda _, now: steps.append(now))
    assert text.startswith(prompt.strip())
    assert 0 < steps[0].count("[MASK]") < 32
    with pytest.raises(ValueError, match="64 in all"):
        ask(servable, prompt * 2)
