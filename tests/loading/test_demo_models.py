"""Every recorded case of the five demo models, and what each type promises besides: with ONNX and with torch alike."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR, expected, sample
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.loading.servable import Servable

from .conftest import never
from .torch_folders import LOADERS, TYPES

Load = Callable[..., Servable]
pytestmark = pytest.mark.usefixtures("torch_libraries")
EXPECTED = expected()["models"]
CASES = [(name, case) for name, model in EXPECTED.items() for case in model["cases"]]


@pytest.fixture(scope="module")
def loaded() -> Iterator[dict[tuple[str, str], Servable]]:
    """What was loaded so far, by loader and model; kept, because libraries on torch take their time."""
    loaded: dict[tuple[str, str], Servable] = {}
    yield loaded
    for servable in loaded.values():
        servable.unload()


@pytest.fixture(params=["onnxruntime", "torch"])
def load(request: pytest.FixtureRequest, loaded: dict[tuple[str, str], Servable]) -> Load:
    """Gives a demo model with the configuration asked for."""

    def load(name: str, **config: Any) -> Servable:
        loader = LOADERS[name] if request.param == "torch" else request.param
        servable = loaded.get((loader, name))
        if servable is None:
            servable = open_servable(loader, model_id="m", model_type=TYPES[name], path=str(MODELS_DIR / name))
            servable.load(config, None, never)
            loaded[loader, name] = servable
        servable.update_config(config)
        return servable

    return load


def ask(servable: Servable, *args: Any, **kwargs: Any) -> Any:
    return servable.call("__call__", args, kwargs)


def plain_answer(name: str, servable: Servable, given: Mapping[str, Any]) -> Any:
    """The model's answer in the form in which expected.json keeps it."""
    if "image" in given:
        answer = ask(servable, Image.open(sample(given["image"])))
        return answer[0]["generated_text"] if name == "blip-shapes" else answer
    if "texts" in given:
        vectors = ask(servable, list(given["texts"]))
        return {"dim": vectors.shape[1], "cosine": (vectors @ vectors.T).tolist()}
    return ask(servable, **given)


def same(got: Any, want: Any, tolerance: Any) -> bool:
    if isinstance(want, Mapping):
        by_key = tolerance if isinstance(tolerance, Mapping) else {}
        return got.keys() == want.keys() and all(same(got[k], want[k], by_key.get(k, tolerance)) for k in want)
    if isinstance(want, list | tuple):
        return len(got) == len(want) and all(same(g, w, tolerance) for g, w in zip(got, want, strict=True))
    return abs(got - want) <= tolerance if isinstance(want, float) else got == want


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_recorded_answer(load: Load, name: str, case: Mapping[str, Any]) -> None:
    got = plain_answer(name, load(name), case["input"])
    assert same(got, case["onnx"], EXPECTED[name]["tolerance"]), got
    assert same(got, case["torch"], EXPECTED[name]["tolerance"]), got


@pytest.mark.parametrize("name", EXPECTED)
def test_probe_is_a_real_inference(load: Load, loaded: dict[Any, Servable], name: str) -> None:
    servable = load(name)
    assert servable.probe().healthy
    servable.unload()
    assert not servable.probe().healthy
    for key in [key for key, each in loaded.items() if each is servable]:
        del loaded[key]


@pytest.mark.parametrize("name", ["vit-digits", "yolos-shapes", "blip-shapes"])
def test_a_list_of_images_gives_a_list_of_results(load: Load, name: str) -> None:
    servable = load(name, batch_size=2)
    images = [Image.open(sample(case["input"]["image"])) for case in EXPECTED[name]["cases"]]
    batch = ask(servable, images)
    assert len(batch) == len(images) > 2
    for together, image in zip(batch, images, strict=True):
        assert same(together, ask(servable, image), 1e-3)
    assert ask(servable, []) == []


def test_all_forms_of_an_image_give_the_same(load: Load) -> None:
    servable = load("vit-digits")
    path = sample("digit-1.png")
    image = Image.open(path)
    want = ask(servable, image)
    for form in (path, str(path), path.read_bytes(), np.asarray(image), np.asarray(image.convert("RGB"))):
        assert ask(servable, form) == want
    rgba = np.dstack([np.asarray(image.convert("RGB")), np.zeros(image.size[::-1], np.uint8)])
    assert ask(servable, rgba) == want


def test_rotated_photographs_are_turned_upright(load: Load) -> None:
    image = Image.open(sample("digit-3.png")).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to the right to show"
    stored = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(stored, "png", exif=exif)
    servable = load("vit-digits")
    assert ask(servable, stored.getvalue()) == ask(servable, image)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (None, TypeError),
        (3, TypeError),
        ([3], TypeError),
        (b"no picture", ValueError),
        (b"", ValueError),
        ("/no/such/file.png", ValueError),
        ("https://example.org/a.png", ValueError),
        (np.zeros((4, 4, 3)), ValueError),
        (np.zeros((4, 4, 5), np.uint8), ValueError),
        (np.zeros((0, 4, 3), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["vit-digits", "yolos-shapes", "blip-shapes"])
def test_wrong_images_are_refused(load: Load, name: str, wrong: object, error: type[Exception]) -> None:
    servable = load(name)
    with pytest.raises(error) as caught:
        ask(servable, wrong)
    assert len(str(caught.value)) > 20
    assert servable.probe().healthy


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a", 3], {"a": 1}], ids=repr)
@pytest.mark.parametrize("name", ["minilm-toy", "mdlm-stories"])
def test_wrong_texts_are_refused(load: Load, name: str, wrong: object) -> None:
    with pytest.raises(TypeError, match="text"):
        ask(load(name), wrong)


def test_classification_settings_reach_the_loaded_model(load: Load) -> None:
    servable = load("vit-digits")
    image = Image.open(sample("digit-1.png"))
    servable.update_config({"top_k": 10})
    scores = [each["score"] for each in ask(servable, image)]
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)
    servable.update_config({"top_k": 10, "threshold": 0.5})
    assert [each["label"] for each in ask(servable, image)] == ["3"]


def test_detection_settings_reach_the_loaded_model(load: Load) -> None:
    servable = load("yolos-shapes")
    image = Image.open(sample("detect-3.png"))
    assert len(ask(servable, image)) == 3
    servable.update_config({"max_detections": 1})
    assert [each["label"] for each in ask(servable, image)] == ["square"]
    servable.update_config({"confidence": 1.0})
    assert ask(servable, image) == []
    servable.update_config({"input_size": [64, 64], "nms_threshold": 0.5})
    assert len(ask(servable, image)) == 3


def test_boxes_are_in_pixels_of_the_image_as_given(load: Load) -> None:
    servable = load("yolos-shapes")
    image = Image.open(sample("detect-1.png"))
    (small,) = ask(servable, image)
    (large,) = ask(servable, image.resize((image.width * 3, image.height * 2), Image.Resampling.NEAREST))
    assert large["box"]["xmin"] == pytest.approx(3 * small["box"]["xmin"], abs=6)
    assert large["box"]["ymax"] == pytest.approx(2 * small["box"]["ymax"], abs=4)


def test_caption_settings_reach_the_loaded_model(load: Load) -> None:
    servable = load("blip-shapes")
    image = Image.open(sample("caption-3.png"))
    servable.update_config({"max_length": 2})
    assert ask(servable, image) == [{"generated_text": "a yellow"}]
    servable.update_config({"post_process": False})
    (raw,) = ask(servable, image)
    assert raw["generated_text"].startswith("[DEC]")
    assert raw["generated_text"].endswith("[SEP]")
    servable.update_config({"threshold": 1.0})
    assert ask(servable, image) == []


def test_embedding_settings_reach_the_loaded_model(load: Load) -> None:
    servable = load("minilm-toy", batch_size=2)
    texts = ["the cat sleeps quickly", "a kitten naps fast", "the stock falls today"]
    whole = ask(servable, texts)
    assert whole.dtype == np.float32
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    servable.update_config({"dimension": 8})
    short = ask(servable, texts)
    assert short.shape == (3, 8)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    servable.update_config({"dimension": 8, "normalize": False})
    assert np.allclose(ask(servable, texts), whole[:, :8], atol=1e-5)
    servable.update_config({"max_sequence_length": 3})
    assert np.allclose(ask(servable, "the cat"), ask(servable, "the stock"), atol=1e-6)
    assert ask(servable, []).shape == (0, 64)
    assert ask(servable, "one text").shape == (1, 64)


def test_similarity_is_a_public_method_of_embeddings(load: Load) -> None:
    servable = load("minilm-toy", normalize=False)
    likeness = servable.call("similarity", (["the cat sleeps", "the stock falls"], "a kitten naps"), {})
    assert likeness.shape == (2, 1)
    assert likeness[0, 0] > 0.5 > likeness[1, 0]


@pytest.mark.parametrize("method", ["configure", "probe", "_session", "nothing", ""])
def test_only_public_methods_can_be_called(load: Load, method: str) -> None:
    with pytest.raises(AttributeError, match="no method"):
        load("minilm-toy").call(method, (), {})


def test_diffusion_settings_and_steps(load: Load) -> None:
    servable = load("mdlm-stories", seed=2)
    seen: list[tuple[int, str]] = []
    text = ask(servable, "the king", on_step=lambda step, now: seen.append((step, now)))
    assert text == "the king sailed a boat in the morning."
    assert [step for step, _ in seen] == list(range(len(seen)))
    masks = [now.count("[MASK]") for _, now in seen]
    assert masks == sorted(masks, reverse=True)
    assert masks[-1] == 0
    servable.update_config({"seed": 2, "steps": 1})
    seen.clear()
    ask(servable, "the king", on_step=lambda step, now: seen.append((step, now)))
    assert len(seen) == 1
    assert ask(servable, "the king", max_new_tokens=2, steps=2, seed=2).count(" ") <= 3
    servable.update_config({"temperature": 0.0})
    assert ask(servable) == ask(servable)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"max_new_tokens": 0}, {"temperature": -1.0}, {"seed": -1}, {"steps": "many"}], ids=repr
)
def test_wrong_arguments_of_diffusion_are_refused(load: Load, wrong: dict[str, Any]) -> None:
    servable = load("mdlm-stories", seed=1)
    before = ask(servable)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ask(servable, **wrong)
    assert ask(servable) == before


def test_a_prompt_that_fills_the_block_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match="shorten it"):
        ask(load("mdlm-stories"), "the king " * 20)
    with pytest.raises(TypeError, match="on_step"):
        ask(load("mdlm-stories"), on_step=3)
