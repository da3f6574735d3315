#!/usr/bin/env python3
"""Runs the five demo models from their ONNX files: preprocess, session, postprocess, nothing else.

    pip install onnxruntime tokenizers numpy pillow
    python run_onnx_demo.py                                           # checks every case of expected.json
    python run_onnx_demo.py yolos-shapes .../samples/detect-2.png     # or one model on one input
    python run_onnx_demo.py minilm-toy "the cat sleeps" "a kitten naps" "the stock falls"
Each function takes the folder of a repository and is the whole recipe for its kind of model.
"""
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image
from tokenizers import Tokenizer

DEMO = Path(__file__).resolve().parents[1] / "rmm_widgets" / "demo"  # models/NAME, samples/


@cache
def load(repo, name):
    """A file of a repository: an ONNX session, the tokenizer, or JSON."""
    path = repo / name
    if name.endswith(".onnx"):
        return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return Tokenizer.from_file(str(path)) if name == "tokenizer.json" else json.loads(path.read_text(encoding="utf-8"))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def pixels(repo, image):
    """PIL image -> float32 (1, 3, height, width), as preprocessor_config.json says: RGB, resize, rescale, normalize."""
    c = load(repo, "preprocessor_config.json")
    image = image.convert("RGB").resize((c["size"]["width"], c["size"]["height"]), c["resample"])
    x = np.asarray(image, np.float64) * c["rescale_factor"]
    return ((x - c["image_mean"]) / c["image_std"]).astype(np.float32).transpose(2, 0, 1)[None]


def classify(repo, image, top=3):
    """classification_model: image -> [{"label", "score"}], best first."""
    scores = softmax(load(repo, "onnx/model.onnx").run(["logits"], {"pixel_values": pixels(repo, image)})[0][0])
    labels = load(repo, "config.json")["id2label"]
    return [{"label": labels[str(i)], "score": float(scores[i])} for i in np.argsort(-scores)[:top]]


def detect(repo, image, threshold=0.5):
    """detection_model: image -> [{"label", "score", "box"}], box in pixels of the image as given."""
    logits, boxes = load(repo, "onnx/model.onnx").run(["logits", "pred_boxes"], {"pixel_values": pixels(repo, image)})
    scores = softmax(logits[0])[:, :-1]                    # the last class means "nothing here"
    labels, found = load(repo, "config.json")["id2label"], []
    for s, (cx, cy, w, h) in zip(scores, boxes[0]):
        if s.max() > threshold:
            box = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * (image.size * 2)
            box = dict(zip(("xmin", "ymin", "xmax", "ymax"), box.tolist()))
            found.append({"label": labels[str(s.argmax())], "score": float(s.max()), "box": box})
    return found


def caption(repo, image):
    """caption_generator: image -> text, greedy, one decoder run for each token."""
    g = load(repo, "generation_config.json")
    seen = load(repo, "onnx/encoder_model.onnx").run(["last_hidden_state"], {"pixel_values": pixels(repo, image)})[0]
    ids = [g["bos_token_id"]]
    for _ in range(g["max_new_tokens"]):
        feed = {"input_ids": np.array([ids], np.int64), "encoder_hidden_states": seen}
        ids.append(int(load(repo, "onnx/decoder_model.onnx").run(["logits"], feed)[0][0, -1].argmax()))
        if ids[-1] == g["eos_token_id"]:
            break
    return load(repo, "tokenizer.json").decode(ids, skip_special_tokens=True)


def embed(repo, texts):
    """embedding_model: texts -> float32 (n, dim) of unit length."""
    t = load(repo, "tokenizer.json")
    t.enable_truncation(load(repo, "sentence_bert_config.json")["max_seq_length"])
    t.enable_padding(pad_id=t.token_to_id("[PAD]"), pad_token="[PAD]")
    rows = t.encode_batch(list(texts))
    rows = np.array([(r.ids, r.attention_mask, r.type_ids) for r in rows], np.int64).transpose(1, 0, 2)
    feed = dict(zip(("input_ids", "attention_mask", "token_type_ids"), rows))
    return load(repo, "onnx/model.onnx").run(["sentence_embedding"], feed)[0]


def diffuse(repo, prompt="", steps=15, temperature=1.0, seed=0, on_step=None, logits=None):
    """diffusion_lm: prompt -> text. Starts from [MASK] everywhere; each step keeps the surest of the sampled tokens.
    `on_step(step, text)` sees each stage; `logits(ids)` replaces the ONNX session (used to check the torch model)."""
    t, length = load(repo, "tokenizer.json"), load(repo, "scheduler/scheduler_config.json")["block_length"]
    mask, draw = t.token_to_id("[MASK]"), np.random.RandomState(seed)     # RandomState: the same numbers in every numpy
    logits = logits or (lambda ids: load(repo, "onnx/model.onnx").run(
        ["logits"], {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None]})[0][0])
    ids, known = np.full(length, mask, np.int64), t.encode(prompt).ids[:-1][:length]
    ids[:len(known)] = known
    for step in range(steps):
        open_ = ids == mask
        if not open_.any():
            break
        z = logits(ids).astype(np.float64)
        z[:, mask] = -np.inf
        p = softmax(z / max(temperature, 1e-3))
        pick = (p.cumsum(-1) > draw.random_sample((length, 1))).argmax(-1)
        sure = np.where(open_, p[np.arange(length), pick], -1.0)
        best = np.argsort(-sure, kind="stable")[:max(1, round(open_.sum() / (steps - step)))]
        ids[best] = pick[best]
        if on_step:
            on_step(step, t.decode(ids.tolist(), skip_special_tokens=False))
    return t.decode(ids.tolist())


def run(name, given):
    """What the model says to one input of expected.json, in the form that is stored there."""
    repo = DEMO / "models" / name
    if "image" in given:
        image = Image.open(DEMO / given["image"])
        return {"vit-digits": classify, "yolos-shapes": detect, "blip-shapes": caption}[name](repo, image)
    if "texts" in given:
        e = embed(repo, given["texts"])
        return {"dim": e.shape[1], "cosine": (e @ e.T).astype(float).tolist()}
    return diffuse(repo, **given)


def same(got, want, tolerance):
    if isinstance(want, dict):
        by_key = tolerance if isinstance(tolerance, dict) else {}
        return got.keys() == want.keys() and all(same(got[k], want[k], by_key.get(k, tolerance)) for k in want)
    if isinstance(want, list):
        return len(got) == len(want) and all(same(g, w, tolerance) for g, w in zip(got, want))
    return abs(got - want) <= tolerance if isinstance(want, float) else got == want


def main(args):
    if args:
        text = {"minilm-toy": {"texts": args[1:]}, "mdlm-stories": {"prompt": " ".join(args[1:])}}.get(args[0])
        return print(json.dumps(run(args[0], text or {"image": Path(args[1]).resolve()}), indent=1))
    bad = 0
    for name, model in load(DEMO / "samples", "expected.json")["models"].items():
        for case in model["cases"]:
            got = run(name, case["input"])
            wrong = [k for k in ("torch", "onnx") if not same(got, case[k], model["tolerance"])]
            bad += bool(wrong)
            print("FAIL" if wrong else "ok  ", name, json.dumps(case["input"]), f"differs from {wrong}: {got}" if wrong else "")
    return f"{bad} wrong" if bad else print("all right")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
