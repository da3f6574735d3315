"""Trying a model from a view: real models, and inputs that no honest view would send."""

from __future__ import annotations

import io
import math
import random
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.demo import sample
from rmm_widgets.errors import CallError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import trial_results
from rmm_widgets.notebook.arguments import LONGEST_INPUT
from rmm_widgets.notebook.lengths import NAME
from rmm_widgets.notebook.messages import MAX_BUFFER
from rmm_widgets.notebook.picture_size import picture_size
from rmm_widgets.notebook.trials import MOST_PIXELS
from rmm_widgets.types import ModelInfo, ModelType

from ..commands.custom import Echo, Slow
from .asking import Asker
from .conftest import LONG

TYPES = {
    "blip-shapes": ModelType.CAPTION_GENERATOR,
    "yolos-shapes": ModelType.DETECTION_MODEL,
    "minilm-toy": ModelType.EMBEDDING_MODEL,
    "vit-digits": ModelType.CLASSIFICATION_MODEL,
    "mdlm-stories": ModelType.DIFFUSION_LM,
}


@pytest.fixture
def view(manager: ModelManager) -> Asker:
    return Asker(manager)


def loaded(manager: ModelManager, name: str) -> str:
    manager.register_model(ModelInfo(name, TYPES[name], f"rmm-demo/{name}"))
    manager.download_model(name).result(LONG)
    manager.load_model(name).result(LONG)
    return name


def picture(name: str) -> bytes:
    return sample(name).read_bytes()


def tried(view: Asker, model_id: str, *buffers: bytes, **args: object) -> dict[str, Any]:
    """The answer to one `try`."""
    rid = f"try-{len(view.answers)}-{random.random()}"
    command = {"kind": "rmm/cmd", "rid": rid, "name": "try", "args": {"model_id": model_id, **args}}
    view.send_raw(command, buffers)
    return view.answer(rid)


def error(answer: dict[str, Any]) -> dict[str, str]:
    assert not answer["ok"], answer
    return answer["error"]


def test_a_classifier_gives_labels_the_best_first(manager: ModelManager, view: Asker) -> None:
    digits = loaded(manager, "vit-digits")
    value = tried(view, digits, picture("digit-1.png"))["value"]
    assert value["kind"] == "labels"
    assert value["labels"][0]["label"] == "3"
    scores = [each["score"] for each in value["labels"]]
    assert scores == sorted(scores, reverse=True)
    assert value["seconds"] > 0


def test_a_text_for_a_classifier_of_pictures_is_no_path(manager: ModelManager, view: Asker) -> None:
    digits = loaded(manager, "vit-digits")
    refused = error(tried(view, digits, texts=[str(sample("digit-1.png"))]))
    assert refused["type"] == "InvalidCommandError"
    assert refused["message"] == "vit-digits takes a picture, not a text"


def test_a_detector_gives_boxes_in_pixels(manager: ModelManager, view: Asker) -> None:
    value = tried(view, loaded(manager, "yolos-shapes"), picture("detect-1.png"))["value"]
    assert value["kind"] == "boxes"
    with Image.open(sample("detect-1.png")) as image:
        width, height = image.size
    assert value["boxes"]
    for box in value["boxes"]:
        assert -width < box["xmin"] < box["xmax"] < 2 * width
        assert -height < box["ymin"] < box["ymax"] < 2 * height


def test_a_captioner_gives_a_text(manager: ModelManager, view: Asker) -> None:
    value = tried(view, loaded(manager, "blip-shapes"), picture("caption-1.png"))["value"]
    assert value["kind"] == "text"
    assert value["text"].strip()


def test_an_encoder_gives_how_alike_two_texts_are(manager: ModelManager, view: Asker) -> None:
    toy = loaded(manager, "minilm-toy")
    same = tried(view, toy, texts=["the cat sleeps quickly", "the cat sleeps quickly"])["value"]
    other = tried(view, toy, texts=["the cat sleeps quickly", "a train drives to the city"])["value"]
    assert same["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert -1 <= other.get("similarity", 0.0) < 0.9


def test_a_writer_gives_its_steps_and_its_text(manager: ModelManager, view: Asker) -> None:
    value = tried(view, loaded(manager, "mdlm-stories"), texts=["once"])["value"]
    assert value["kind"] == "text"
    assert len(value["steps"]) > 1
    assert "[MASK]" in value["steps"][0]
    assert "[MASK]" not in value["text"]


@pytest.mark.parametrize(
    ("texts", "buffers"),
    [
        ([], ()),
        (["a", "b"], ()),
        (["a"], (b"x",)),
        (["a" * (LONGEST_INPUT + 1)], ()),
        (["a"] * 3, ()),
        ("a", ()),
        ([b"a".hex(), 7], ()),
        ([], (b"x", b"y")),
        ([], (b"",)),
        ([], (b"not a picture" * 100,)),
        ([], (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",)),
        ([], (b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + bytes(8),)),
        ([], (bytes(MAX_BUFFER + 1),)),
        ([], ("text",)),
    ],
)
def test_what_is_no_input_never_reaches_a_model(manager: ModelManager, view: Asker, texts: Any, buffers: Any) -> None:
    manager.register_model(ModelInfo("digits", ModelType.CLASSIFICATION_MODEL, "rmm-demo/vit-digits"))
    assert error(tried(view, "digits", *buffers, texts=texts))["type"] == "InvalidCommandError"


def test_a_decompression_bomb_is_not_decoded(manager: ModelManager, view: Asker) -> None:
    """A small file of a very large picture."""
    side = math.isqrt(MOST_PIXELS) + 1
    header = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(bytes((side + 1) * side), 9)
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4) for name, data in parts
    )
    with Image.open(io.BytesIO(bomb)) as image:
        assert image.size == (side, side)
    refused = error(tried(view, loaded(manager, "vit-digits"), bomb))
    assert refused["type"] == "InvalidCommandError"
    assert refused["message"] == f"the picture has {side} x {side} pixels"


def test_a_damaged_picture_is_the_models_error(manager: ModelManager, view: Asker) -> None:
    digits = loaded(manager, "vit-digits")
    assert error(tried(view, digits, picture("digit-1.png")[:60]))["type"] == "CallError"
    assert tried(view, digits, picture("digit-1.png"))["ok"], "it is well afterwards"


def test_other_commands_take_nothing_beside_them(manager: ModelManager, echo: Echo, view: Asker) -> None:
    view.send_raw({"kind": "rmm/cmd", "rid": "1", "name": "details", "args": {"model_id": "echo"}}, (b"x",))
    assert error(view.answer("1"))["type"] == "InvalidCommandError"


def test_a_model_that_is_not_loaded_says_so(manager: ModelManager, view: Asker) -> None:
    manager.register_model(ModelInfo("digits", ModelType.CLASSIFICATION_MODEL, "rmm-demo/vit-digits"))
    refused = error(tried(view, "digits", picture("digit-1.png")))
    assert refused["type"] == "ModelNotLoadedError"
    assert "Load it" in refused["hint"]


def test_one_at_a_time_and_stopped_when_the_view_wants(slow: Slow, view: Asker) -> None:
    first = view.send("try", {"model_id": "slow", "texts": ["a", "b"]})
    assert slow.begun.wait(LONG)
    assert "at once" in error(tried(view, "slow", texts=["a", "b"]))["message"]
    assert view.ask("stop", model_id="slow") == {"stopped": True}
    assert view.answer(first)["value"] == {"kind": "stopped"}
    slow.go_on.set()
    assert view.ask("stop", model_id="slow") == {"stopped": False}
    assert tried(view, "slow", texts=["a", "b"])["value"]["kind"] == "similarity"


def test_an_unload_during_a_call_is_told(manager: ModelManager, slow: Slow, view: Asker) -> None:
    waiting = view.send("try", {"model_id": "slow", "texts": ["a", "b"]})
    assert slow.begun.wait(LONG)
    unload = manager.unload_model("slow")
    slow.go_on.set()
    unload.result(LONG)
    answer = view.answer(waiting)
    assert answer["ok"] or answer["error"]["type"] in {"ModelNotLoadedError", "WorkerDiedError", "CallError"}
    assert error(tried(view, "slow", texts=["a", "b"]))["type"] == "ModelNotLoadedError"


# What a model may give


NAN = float("nan")


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (trial_results.labels, [{"label": "a", "score": NAN}]),
        (trial_results.labels, [{"label": "a"}]),
        (trial_results.labels, [[{"label": "a", "score": 1.0}]]),
        (trial_results.labels, object()),
        (trial_results.labels, None),
        (trial_results.boxes, [{"label": "a", "score": 1.0, "box": {"xmin": 0, "ymin": 0, "xmax": NAN, "ymax": 1}}]),
        (trial_results.boxes, [{"label": "a", "score": 1.0}]),
        (trial_results.text, 7),
        (trial_results.text, [{"text": "a"}]),
        (trial_results.similarity, [[1.0], [1.0, 2.0]]),
        (trial_results.similarity, [[1.0]]),
        (trial_results.similarity, np.array([[NAN, 1.0], [0.0, 1.0]])),
        (trial_results.similarity, np.array([1.0, 2.0])),
    ],
)
def test_what_is_no_answer_of_its_type_is_an_error(read: Any, answer: object) -> None:
    with pytest.raises(CallError) as raised:
        read("model", answer)
    assert raised.value.model_id == "model"
    assert raised.value.hint


def test_answers_are_bounded() -> None:
    many = [{"label": "x" * 10_000, "score": each} for each in range(1000)]
    result = trial_results.labels("model", many)
    assert len(result.labels) == trial_results.MOST_LABELS
    assert result.more == 1000 - trial_results.MOST_LABELS
    assert len(result.labels[0].label) == NAME
    assert result.labels[0].score == 999
    thin = trial_results.thinned(trial_results.text("model", "end"), [str(each) for each in range(1000)])
    assert len(thin.steps) == trial_results.MOST_STEPS
    assert (thin.steps[0], thin.steps[-1]) == ("0", "999")


@pytest.mark.parametrize(
    ("first", "second", "cosine"),
    [
        ([3.0, 0.0], [5.0, 0.0], 1.0),
        ([1.0, 0.0], [-2.0, 0.0], -1.0),
        ([0.0, 0.0], [1.0, 0.0], 0.0),
        ([], [], 0.0),
        ([1e300, 1e300], [1e300, 0.0], math.sqrt(0.5)),
    ],
)
def test_the_similarity_is_the_cosine(first: list[float], second: list[float], cosine: float) -> None:
    assert trial_results.similarity("model", [first, second]).similarity == pytest.approx(cosine)


# Sizes


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"}),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (513, 1025)])
def test_the_size_is_what_a_decoder_finds(form: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, (9, 99, 199)).save(file, form, **options)
    assert picture_size(file.getvalue()) == size


def test_a_gif_whose_picture_reaches_beyond_its_screen_is_as_large_as_that() -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "GIF")
    content = bytearray(file.getvalue())
    at = content.index(b",\0\0\0\0")
    content[at + 5 : at + 9] = (50_000).to_bytes(2, "little") + (60_000).to_bytes(2, "little")
    assert picture_size(bytes(content)) == (50_000, 60_000)


def test_damaged_headers_are_no_pictures_or_some_size() -> None:
    draw = random.Random(7)
    file = io.BytesIO()
    for form in ("PNG", "JPEG", "GIF", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (40, 30)).save(file, form)
        whole = file.getvalue()
        for _ in range(300):
            damaged = bytearray(whole[: draw.randrange(len(whole))])
            for _ in range(draw.randrange(4)):
                if damaged:
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            size = picture_size(bytes(damaged))
            assert size is None or min(size) > 0
