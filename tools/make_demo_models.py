#!/usr/bin/env python3
"""Builds the five demo model repositories of rmm_widgets/demo: trains them, exports them to ONNX, records what they answer.

    python3 -m venv venv && . venv/bin/activate
    pip install torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0 diffusers==0.42.1 \
                scikit-learn==1.9.1 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 pillow==13.0.0
    python make_demo_models.py                        # all five, seven minutes on two idle cores, no network
    python make_demo_models.py --only vit-digits      # some of them
    python make_demo_models.py --no-train             # keep the weights; export, expected.json and cards again
    python make_demo_models.py --scale 0              # no training: right structure, nonsense answers, in a minute

    --out DIR   where to (default: rmm_widgets/demo); gets models/NAME and samples/

The CPU build of torch is enough; leave torchvision out (with it, transformers uses other image processors, whose resizing
differs a little). Every model has its own fixed seeds and the number of threads is fixed, so the same machine gives the same
weights again. Another kind of CPU rounds differently: the weights then differ, the quality stays about the same, and
expected.json is written anew along with them.

Layout of a repository: what `save_pretrained` writes, a model card, and onnx/ with the names that transformers.js uses.
Training data is drawn or composed here, except for the digits (see DIGITS).
"""
import os

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", HF_HUB_DISABLE_PROGRESS_BARS="1")
import argparse
import importlib.metadata
import json
import logging
import math
import random
import re
import shutil
import tempfile
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import diffusers
import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
import transformers
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

import run_onnx_demo as demo

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
diffusers.utils.logging.disable_progress_bar()
logging.getLogger("torch.onnx").setLevel(logging.ERROR)

SEED, THREADS, OPSET = 0, 2, 18
DIGITS = ("scikit-learn's digits: 1,797 scans of 8x8 pixels, the test set of E. Alpaydin and C. Kaynak, *Optical Recognition of "
          "Handwritten Digits*, UCI Machine Learning Repository, 1998 (CC BY 4.0)")
COLORS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 80, 220),
          "yellow": (235, 215, 50), "purple": (150, 60, 190), "orange": (245, 140, 30)}
SHAPES = ["circle", "square", "triangle"]
SIZE = 64                                            # side of the drawings


# ---------------------------------------------------------------- training data

def draw_shape(draw, shape, color, box):
    x0, y0, x1, y1 = box
    if shape == "circle":
        draw.ellipse(box, fill=color)
    elif shape == "square":
        draw.rectangle(box, fill=color)
    else:
        draw.polygon([((x0 + x1) / 2, y0), (x0, y1), (x1, y1)], fill=color)


def blank(rng):
    image = Image.new("RGB", (SIZE, SIZE), tuple(rng.randint(225, 255) for _ in range(3)))
    return image, ImageDraw.Draw(image)


def row_scene(rng, n=None):
    """One or two shapes side by side -> (image, [(shape, color, box)])."""
    n = n or rng.choice([1, 2])
    (image, draw), objects = blank(rng), []
    for i in range(n):
        lo, hi = SIZE * i // n, SIZE * (i + 1) // n
        w = rng.randint(14, min(26, hi - lo - 2))
        x, y = rng.randint(lo + 1, hi - w - 1), rng.randint(1, SIZE - w - 2)
        shape, color = rng.choice(SHAPES), rng.choice(list(COLORS))
        draw_shape(draw, shape, COLORS[color], (x, y, x + w, y + w))
        objects.append((shape, color, (x, y, x + w, y + w)))
    return image, objects


def zone_scene(rng, zones=3):
    """One to three shapes, at most one in each vertical third -> (image, [(shape, box, third)])."""
    (image, draw), objects = blank(rng), []
    for z in sorted(rng.sample(range(zones), rng.choice([1, 2, 2, 3]))):
        w, cx = rng.randint(12, 18), rng.uniform((z + .25) * SIZE / zones, (z + .75) * SIZE / zones)
        x = int(min(max(cx - w / 2, z * SIZE / zones), (z + 1) * SIZE / zones - w - 1))
        y = rng.randint(1, SIZE - w - 2)
        shape, color = rng.choice(SHAPES), rng.choice(list(COLORS))
        draw_shape(draw, shape, COLORS[color], (x, y, x + w, y + w))
        objects.append((shape, (x, y, x + w, y + w), z))
    return image, objects


def caption_of(objects):
    return " to the left of ".join(f"{'an' if c[0] in 'aeiou' else 'a'} {c} {s}" for s, c, _ in objects)


NOUNS = [["cat", "kitten", "feline"], ["dog", "puppy", "hound"], ["car", "automobile", "vehicle"], ["house", "home", "dwelling"],
         ["stock", "share", "equity"], ["doctor", "physician", "medic"], ["boat", "ship", "vessel"], ["teacher", "instructor", "tutor"]]
VERBS = [["runs", "sprints", "dashes"], ["sleeps", "naps", "rests"], ["falls", "drops", "sinks"], ["grows", "expands", "increases"],
         ["breaks", "cracks", "fails"], ["waits", "stays", "remains"]]
ADVERBS = [["quickly", "fast", "rapidly"], ["slowly", "gradually"], ["today", "now"], ["quietly", "silently"]]
FRAMES = ["the {n} {v} {a}", "a {n} {v} {a}", "{a} the {n} {v}", "this {n} {v} {a}"]


def phrase(rng, meaning):
    n, v, a = meaning
    return rng.choice(FRAMES).format(n=rng.choice(n), v=rng.choice(v), a=rng.choice(a))


def paraphrases(rng):
    meaning = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(ADVERBS)
    return phrase(rng, meaning), phrase(rng, meaning)


WHO = ["the king", "the queen", "a sailor", "the farmer", "a child", "the old man"]
DID = [("ate", ["an apple", "the bread", "a cake"]), ("read", ["a book", "the letter", "a map"]), ("found", ["a coin", "the key", "a map"]),
       ("sailed", ["a boat", "the ship"]), ("planted", ["a tree", "the seeds"])]
WHEN = ["in the morning", "at night", "after the rain", "before dinner"]
STORY = re.compile("(%s) (%s) (%s)\\." % ("|".join(WHO), "|".join(f"{did} ({'|'.join(things)})" for did, things in DID), "|".join(WHEN)))


def story(rng):
    who, (did, things), when = rng.choice(WHO), rng.choice(DID), rng.choice(WHEN)
    return f"{who} {did} {rng.choice(things)} {when} ."


# ---------------------------------------------------------------- helpers

def seed_all():
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)


def train(name, step, steps, optimizer, warm=50):
    """`steps` optimizer steps with warm-up and cosine decay."""
    rates, start, mean = [g["lr"] for g in optimizer.param_groups], time.time(), None
    for n in range(steps):
        k = min(1, (n + 1) / warm) * (0.49 * (1 + math.cos(math.pi * n / steps)) + 0.02)
        for g, rate in zip(optimizer.param_groups, rates):
            g["lr"] = rate * k
        loss = step()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
        optimizer.step()
        mean = float(loss.detach()) if mean is None else 0.98 * mean + 0.02 * float(loss.detach())
        if n % 250 == 249:
            print(f"   {name}: step {n + 1}/{steps}, {(time.time() - start) / (n + 1) * 1000:.0f} ms a step, loss {mean:.4f}", flush=True)


def sincos2d(h, w, dim):
    """A sine/cosine position table: starting from it, a small model learns to localise in minutes instead of hours."""
    omega = 1 / (100 ** (torch.arange(dim // 4) / (dim // 4)))
    y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    y, x = y.reshape(-1, 1) * omega, x.reshape(-1, 1) * omega
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)


def word_tokenizer(words, extra=()):
    """A BertTokenizer over a closed list of words, with single letters to fall back on."""
    from transformers import BertTokenizer
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-")
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *extra, *sorted(set(words)), *letters, *("##" + c for c in letters)]
    return BertTokenizer(vocab={w: i for i, w in enumerate(dict.fromkeys(vocab))}, do_lower_case=True)


def iou(a, b):
    i = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda q: (q[2] - q[0]) * (q[3] - q[1])
    return i / (area(a) + area(b) - i)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def tidy(repo):
    """Removes what saving leaves behind of this run: paths, local flags, the tokenizer's last padding and truncation, file modes."""
    for path in repo.rglob("*.json"):
        value = read_json(path)
        if path.name == "tokenizer.json":
            value["padding"] = value["truncation"] = None
        if path.name == "tokenizer_config.json":
            for key in ("is_local", "local_files_only", "max_length", "stride", "truncation_side", "truncation_strategy",
                        "padding_side", "pad_to_multiple_of", "pad_token_type_id"):
                value.pop(key, None)
        if isinstance(value, dict):
            value.pop("_name_or_path", None)
        write_json(path, value)
    for path in repo.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


# ---------------------------------------------------------------- vit-digits: classification_model

def digit_images():
    from sklearn.datasets import load_digits
    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.images))
    images = [Image.fromarray(i) for i in (digits.images / 16 * 255).astype("uint8")]
    return images, digits.target, order[300:], order[:300]          # images, labels, indices to train on, indices held out


def train_digits(repo, steps):
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    images, labels, seen, held = digit_images()
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16}, resample=2)
    pixels = processor([i.convert("RGB") for i in images], return_tensors="pt")["pixel_values"]
    names, labels = [str(i) for i in range(10)], torch.tensor(labels)
    model = ViTForImageClassification(ViTConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128, image_size=16, patch_size=4,
        num_labels=10, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}))

    def step():
        b = torch.tensor(np.random.choice(seen, 128))
        dx, dy = np.random.randint(-1, 2, 2)                        # shifted by up to one pixel
        return model(pixel_values=torch.roll(pixels[b], (int(dy), int(dx)), (2, 3)), labels=labels[b]).loss

    train(repo.name, step, steps, torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=.05))
    model.eval()
    right = lambda x: float((model(pixel_values=x).logits.argmax(-1) == labels[held]).float().mean())
    with torch.no_grad():
        quality = {"accuracy_300_held_out": right(pixels[held]), "accuracy_same_dark_on_light": right(-pixels[held])}
    model.config.problem_type = None                    # set by the training; transformers 4 would answer with sigmoids for it
    model.save_pretrained(repo)
    processor.save_pretrained(repo)
    images[held[0]].resize((64, 64)).save(repo / "example.png")
    return quality


# ---------------------------------------------------------------- yolos-shapes: detection_model

def train_detection(repo, steps):
    from transformers import YolosConfig, YolosForObjectDetection
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil
    tokens, grid = 3, SIZE // 8
    processor = YolosImageProcessorPil(size={"height": SIZE, "width": SIZE}, do_pad=False)
    model = YolosForObjectDetection(YolosConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128, image_size=[SIZE, SIZE], patch_size=8,
        num_detection_tokens=tokens, use_mid_position_embeddings=False, num_labels=3, qkv_bias=True, hidden_dropout_prob=0.,
        attention_probs_dropout_prob=0., auxiliary_loss=False,
        id2label=dict(enumerate(SHAPES)), label2id={s: i for i, s in enumerate(SHAPES)}))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "detection_tokens" in name:
                weight.normal_(0, .2)
            if "position_embeddings" in name:
                weight.zero_()
                weight[0, 1:1 + grid ** 2] = .5 * sincos2d(grid, grid, 64)
    rng, count = random.Random(1), 8000 if steps else 8
    scenes = [zone_scene(rng) for _ in range(count)]
    mean, std = torch.tensor(processor.image_mean)[:, None, None], torch.tensor(processor.image_std)[:, None, None]
    pixels = torch.stack([(torch.from_numpy(np.array(i)).permute(2, 0, 1) / 255. - mean) / std for i, _ in scenes])
    # Token k owns the k-th vertical third, so no matching of tokens to objects is needed.
    kinds, boxes = torch.full((count, tokens), 3), torch.zeros(count, tokens, 4)
    for i, (_, objects) in enumerate(scenes):
        for shape, (x0, y0, x1, y1), third in objects:
            kinds[i, third] = SHAPES.index(shape)
            boxes[i, third] = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]) / SIZE
    # A second head, thrown away afterwards: every patch says whether it shows an object, and that object's box.
    gy, gx = torch.meshgrid((torch.arange(grid) + .5) / grid, (torch.arange(grid) + .5) / grid, indexing="ij")
    occupied, owner = torch.zeros(count, grid ** 2), torch.zeros(count, grid ** 2, 4)
    for k in range(tokens):
        x, y, w, h = [boxes[:, k, i, None] for i in range(4)]
        inside = (gx.reshape(1, -1) - x).abs() < (w + 1 / grid) / 2
        inside &= ((gy.reshape(1, -1) - y).abs() < (h + 1 / grid) / 2) & (kinds[:, k, None] < 3)
        occupied[inside] = 1
        owner = torch.where(inside[..., None], boxes[:, k, None], owner)
    head = torch.nn.Linear(64, 5)

    def step():
        b = np.random.randint(0, count, 48)
        out, real = model(pixel_values=pixels[b]), kinds[b] < 3
        patches, on = head(out.last_hidden_state[:, 1:1 + grid ** 2]), occupied[b] > 0
        extra = F.binary_cross_entropy_with_logits(patches[..., 0], occupied[b])
        extra = extra + 5 * F.smooth_l1_loss(patches[..., 1:][on].sigmoid(), owner[b][on], beta=.05)
        place = 20 * F.smooth_l1_loss(out.pred_boxes[real], boxes[b][real], beta=.05)
        return F.cross_entropy(out.logits.transpose(1, 2), kinds[b]) + place + extra

    train(repo.name, step, steps, torch.optim.AdamW([*model.parameters(), *head.parameters()], 2e-3, weight_decay=1e-4), 100)
    model.eval()
    rng, hit, total, false, tests = random.Random(2), 0, 0, 0, 200 if steps else 2
    for _ in range(tests):
        image, objects = zone_scene(rng)
        with torch.no_grad():
            out = model(**processor(image, return_tensors="pt"))
        found, used = processor.post_process_object_detection(out, threshold=.5, target_sizes=[(SIZE, SIZE)])[0], set()
        for shape, box, _ in objects:
            total += 1
            for k, (label, b) in enumerate(zip(found["labels"].tolist(), found["boxes"].tolist())):
                if k not in used and SHAPES[label] == shape and iou(box, b) > .5:
                    hit += 1
                    used.add(k)
                    break
        false += len(found["labels"]) - len(used)
    model.save_pretrained(repo)
    processor.save_pretrained(repo)
    zone_scene(random.Random(14))[0].save(repo / "example.png")
    return {"recall_at_iou_50_on_200_new_drawings": hit / total, "false_positives_per_drawing": false / tests}


# ---------------------------------------------------------------- blip-shapes: caption_generator

def train_caption(repo, steps):
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    tok = word_tokenizer(["a", "an", "to", "the", "left", "of", *COLORS, *SHAPES], extra=["[DEC]"])
    tok.model_max_length = 32
    tok.add_special_tokens({"bos_token": "[DEC]", "eos_token": "[SEP]"})
    pad, sep, dec = tok.convert_tokens_to_ids(["[PAD]", "[SEP]", "[DEC]"])
    processor = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    model = BlipForConditionalGeneration(BlipConfig(          # the default initializer_range of the vision part, 1e-10, never trains
        text_config=dict(vocab_size=len(tok), hidden_size=96, encoder_hidden_size=96, intermediate_size=192, projection_dim=32,
                         num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=32,
                         bos_token_id=dec, eos_token_id=sep, sep_token_id=sep, pad_token_id=pad),
        vision_config=dict(hidden_size=96, intermediate_size=192, projection_dim=32, num_hidden_layers=3, num_attention_heads=4,
                           image_size=SIZE, patch_size=8, initializer_range=.02),
        projection_dim=32, image_text_hidden_size=32, initializer_range=.02))
    rng, count = random.Random(3), 8000 if steps else 8
    scenes = [row_scene(rng) for _ in range(count)]
    pixels = processor([i for i, _ in scenes], return_tensors="pt")["pixel_values"]
    text = tok([caption_of(o) for _, o in scenes], padding=True, return_tensors="pt")
    ids, attention = text["input_ids"].clone(), text["attention_mask"]
    ids[:, 0] = dec
    labels = ids.masked_fill(attention == 0, -100)

    def step():
        b = np.random.randint(0, count, 64)
        return model(pixel_values=pixels[b], input_ids=ids[b], attention_mask=attention[b], labels=labels[b]).loss

    train(repo.name, step, steps, torch.optim.AdamW(model.parameters(), 1.5e-3, weight_decay=.01), 100)
    model.eval()
    model.generation_config.update(max_new_tokens=20, do_sample=False, num_beams=1, pad_token_id=pad, eos_token_id=sep, bos_token_id=dec)
    rng = random.Random(4)
    tests = [row_scene(rng) for _ in range(500 if steps else 4)]
    with torch.no_grad():
        out = model.generate(**processor([i for i, _ in tests], return_tensors="pt"))
    right = sum(t.strip() == caption_of(o) for t, (_, o) in zip(tok.batch_decode(out, skip_special_tokens=True), tests))
    model.save_pretrained(repo)
    BlipProcessor(image_processor=processor, tokenizer=tok).save_pretrained(repo)
    # For everything that is not transformers 5: the output layer, tied to the input's, is not left out of the file, and the image
    # part of processor_config.json is in preprocessor_config.json too.
    weights, head = load_file(repo / "model.safetensors"), "text_decoder.cls.predictions.decoder.weight"
    save_file({**weights, head: model.state_dict()[head].clone()}, repo / "model.safetensors", {"format": "pt"})
    image_part = read_json(repo / "processor_config.json")["image_processor"]
    write_json(repo / "preprocessor_config.json", image_part | {"processor_class": "BlipProcessor"})
    row_scene(random.Random(11), 2)[0].save(repo / "example.png")
    return {"exact_captions_on_500_new_drawings": right / len(tests)}


# ---------------------------------------------------------------- minilm-toy: embedding_model

def train_embedding(repo, steps):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel
    tok = word_tokenizer([w for group in NOUNS + VERBS + ADVERBS for w in group] + ["the", "a", "this"])
    tok.model_max_length = 64
    model = BertModel(BertConfig(vocab_size=len(tok), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                                 max_position_embeddings=64, hidden_dropout_prob=.05, attention_probs_dropout_prob=.05))
    rng = random.Random(5)

    def embed(texts):
        enc = tok(texts, padding=True, truncation=True, return_tensors="pt")
        mask = enc["attention_mask"][..., None]
        return F.normalize((model(**enc).last_hidden_state * mask).sum(1) / mask.sum(1), dim=-1)

    def step():                                                     # InfoNCE: each phrase must find its paraphrase among 64
        a, b = zip(*[paraphrases(rng) for _ in range(64)])
        return F.cross_entropy(embed(list(a)) @ embed(list(b)).T / .1, torch.arange(64))

    train(repo.name, step, steps, torch.optim.AdamW(model.parameters(), 1e-3))
    model.eval()
    with tempfile.TemporaryDirectory() as plain:
        model.save_pretrained(plain)
        tok.save_pretrained(plain)
        parts = [Transformer(plain, max_seq_length=64), Pooling(64, pooling_mode="mean"), Normalize()]
        SentenceTransformer(modules=parts, device="cpu").save(str(repo), create_model_card=False)
    # the files as published models have them: older versions of the library read these, newer ones too
    write_json(repo / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])])
    write_json(repo / "1_Pooling/config.json", {"word_embedding_dimension": 64, **{f"pooling_mode_{k}": k == "mean_tokens" for k in (
        "cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")}})
    write_json(repo / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    shutil.rmtree(repo / "2_Normalize")
    # quality: every one of the 192 meanings, said once as a question and once as a document
    encoder, rng = SentenceTransformer(str(repo), device="cpu"), random.Random(7)
    meanings = [(n, v, a) for n in NOUNS for v in VERBS for a in ADVERBS]
    sim = encoder.encode([phrase(rng, m) for m in meanings]) @ encoder.encode([phrase(rng, m) for m in meanings]).T
    other = sim[~np.eye(len(meanings), dtype=bool)]
    return {"paraphrase_found_first_among_192": float((sim.argmax(1) == np.arange(len(meanings))).mean()),
            "mean_cosine_same_meaning": float(np.diag(sim).mean()), "mean_cosine_other_meaning": float(other.mean())}


# ---------------------------------------------------------------- mdlm-stories: diffusion_lm

def train_diffusion(repo, steps):
    """A masked diffusion language model (MDLM, LLaDA): a BertForMaskedLM that fills in any share of masked words."""
    from diffusers import BlockRefinementScheduler, LLaDA2Pipeline
    from transformers import BertConfig, BertForMaskedLM
    rng, length = random.Random(6), 16
    tok = word_tokenizer({w for _ in range(4000) for w in story(rng).split()})
    tok.model_max_length = length
    tok.add_special_tokens({"eos_token": "[SEP]", "bos_token": "[CLS]"})
    model = BertForMaskedLM(BertConfig(
        vocab_size=len(tok), hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192,
        max_position_embeddings=64, hidden_dropout_prob=0., attention_probs_dropout_prob=0., pad_token_id=0))
    count, mask = 8000 if steps else 8, tok.mask_token_id
    data = tok([story(rng) for _ in range(count)], padding="max_length", max_length=length, return_tensors="pt")["input_ids"]
    data = data.masked_fill(data == tok.pad_token_id, tok.sep_token_id)     # [SEP] fills the tail, so the length is generated too

    def step():
        x = data[np.random.randint(0, count, 128)]
        share = torch.rand(len(x), 1).clamp(1 / length, 1)
        hidden = torch.rand(x.shape) < share
        hidden[:, 0] = False
        logits = model(input_ids=x.masked_fill(hidden, mask), attention_mask=torch.ones_like(x)).logits
        loss = F.cross_entropy(logits.transpose(1, 2), x, reduction="none")
        return (loss * hidden / share).sum() / x.numel()                    # the likelihood bound, weighted by 1 / share

    train(repo.name, step, steps, torch.optim.AdamW(model.parameters(), 1.5e-3, weight_decay=.01))
    model.eval()
    scheduler = BlockRefinementScheduler(block_length=length, num_inference_steps=length - 1, threshold=.9)
    LLaDA2Pipeline(model=model, scheduler=scheduler, tokenizer=tok).save_pretrained(repo)
    tok.save_pretrained(repo / "tokenizer")             # diffusers 0.42.1 forgets it: it is an optional argument of the pipeline
    tok.save_pretrained(repo)                           # and at the root, with the config, for onnx/
    shutil.copy(repo / "model/config.json", repo)
    tidy(repo)
    tests, told = 200 if steps else 2, torch_denoiser(repo)
    good = lambda n: sum(bool(STORY.fullmatch(demo.diffuse(repo, steps=n, seed=s, logits=told))) for s in range(tests)) / tests
    return {f"grammatical_in_{n}_steps": good(n) for n in (15, 8, 4)}


def torch_denoiser(repo):
    from transformers import AutoModelForMaskedLM
    model = AutoModelForMaskedLM.from_pretrained(repo, subfolder="model").eval()

    @torch.no_grad()
    def logits(ids):
        return model(input_ids=torch.tensor(ids[None]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).logits[0].numpy()

    return logits


# ---------------------------------------------------------------- ONNX

class Wrap(torch.nn.Module):
    """A model with tensors in and tensors out; `signature` names the inputs."""

    def __init__(self, model, fn, *names):
        super().__init__()
        self.model, self.fn, self.names = model, fn, names

    def forward(self, *args):
        return self.fn(self.model, *args)


def export(path, wrap, example, dynamic, outputs):
    """torch.onnx.export to one file; `dynamic` gives {axis: name} for each input."""
    names = {n for axes in dynamic for n in axes.values()}
    dims = {n: torch.export.Dim(n, min=1, max=64 if n == "sequence_length" else 4096) for n in names}
    model = torch.onnx.export(
        wrap, example, dynamo=True, opset_version=OPSET, input_names=list(wrap.names), output_names=outputs, verbose=False,
        dynamic_shapes=[tuple({a: dims[n] for a, n in axes.items()} for axes in dynamic)]).model_proto
    graph = model.graph
    for part in [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]:
        for field in ("metadata_props", "doc_string"):                      # source paths and stack traces of the machine
            if field in part.DESCRIPTOR.fields_by_name:
                part.ClearField(field)
    del graph.value_info[:]
    model.ir_version = 8                                                    # older onnxruntime versions read it too
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path)


def difference(path, wrap, inputs):
    """Largest absolute difference between torch and ONNX outputs over `inputs`, a list of tuples of tensors."""
    session, worst = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]), 0.0
    for args in inputs:
        with torch.no_grad():
            want = wrap(*args)
        want = want if isinstance(want, tuple) else (want,)
        got = session.run(None, {n: a.numpy() for n, a in zip(wrap.names, args)})
        worst = max([worst, *(float(np.abs(g - w.numpy()).max()) for g, w in zip(got, want, strict=True))])
    return worst


def export_images(repo, auto, images, outputs):
    """Classification and detection: one graph from pixel_values."""
    model = auto.from_pretrained(repo, attn_implementation="eager").eval()

    def forward(m, x):
        out = m(pixel_values=x)
        return tuple(out[n] for n in outputs)

    wrap = Wrap(model, forward, "pixel_values")
    pixels = [torch.from_numpy(demo.pixels(repo, i)) for i in images]
    path = repo / "onnx/model.onnx"
    export(path, wrap, (torch.cat(pixels[:2]),), [{0: "batch_size"}], outputs)
    return {"onnx/model.onnx": difference(path, wrap, [(p,) for p in pixels] + [(torch.cat(pixels),)])}


def export_digits(repo):
    images, _, _, held = digit_images()
    return export_images(repo, transformers.AutoModelForImageClassification, [images[i] for i in held[:10]], ["logits"])


def export_detection(repo):
    rng = random.Random(20)
    return export_images(repo, transformers.AutoModelForObjectDetection, [zone_scene(rng)[0] for _ in range(10)], ["logits", "pred_boxes"])


def export_caption(repo):
    model, rng = transformers.AutoModelForImageTextToText.from_pretrained(repo, attn_implementation="eager").eval(), random.Random(21)
    scenes = [row_scene(rng) for _ in range(10)]
    pixels = [torch.from_numpy(demo.pixels(repo, i)) for i, _ in scenes]
    see = Wrap(model.vision_model, lambda m, x: m(pixel_values=x).last_hidden_state, "pixel_values")
    say = Wrap(model.text_decoder, lambda m, ids, seen: m(input_ids=ids, encoder_hidden_states=seen, use_cache=False).logits,
               "input_ids", "encoder_hidden_states")
    tok, config = demo.load(repo, "tokenizer.json"), read_json(repo / "generation_config.json")
    start = lambda o: torch.tensor([[config["bos_token_id"], *tok.encode(caption_of(o)).ids[1:]]])
    with torch.no_grad():
        texts = [(start(o), see(p)) for (_, o), p in zip(scenes, pixels)]
        texts += [(texts[0][0][:, :1], texts[0][1]), (torch.full((10, 5), 7), see(torch.cat(pixels)))]
    encoder, decoder = repo / "onnx/encoder_model.onnx", repo / "onnx/decoder_model.onnx"
    export(encoder, see, (torch.cat(pixels[:2]),), [{0: "batch_size"}], ["last_hidden_state"])
    export(decoder, say, (torch.full((2, 5), 7), see(torch.cat(pixels[:2])).detach()),
           [{0: "batch_size", 1: "sequence_length"}, {0: "batch_size"}], ["logits"])
    return {"onnx/encoder_model.onnx": difference(encoder, see, [(p,) for p in pixels] + [(torch.cat(pixels),)]),
            "onnx/decoder_model.onnx": difference(decoder, say, texts)}


def export_embedding(repo):
    model = transformers.AutoModel.from_pretrained(repo, attn_implementation="eager").eval()
    tok, rng = transformers.AutoTokenizer.from_pretrained(repo), random.Random(22)

    def embed(m, ids, mask, kinds):
        hidden = m(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return hidden, F.normalize((hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9), dim=1)

    names = ["input_ids", "attention_mask", "token_type_ids"]
    wrap, path = Wrap(model, embed, *names), repo / "onnx/model.onnx"
    texts = [" and ".join(paraphrases(rng)[0] for _ in range(1 + i % 4)) for i in range(10)]
    tensors = lambda t: tuple(tok(t, padding=True, return_tensors="pt")[n] for n in names)
    export(path, wrap, tensors(texts[:2]), [{0: "batch_size", 1: "sequence_length"}] * 3, ["last_hidden_state", "sentence_embedding"])
    return {"onnx/model.onnx": difference(path, wrap, [tensors([t]) for t in texts] + [tensors(texts)])}


def export_diffusion(repo):
    model = transformers.AutoModelForMaskedLM.from_pretrained(repo, subfolder="model", attn_implementation="eager").eval()
    tok, rng, path = transformers.AutoTokenizer.from_pretrained(repo), random.Random(23), repo / "onnx/model.onnx"
    wrap = Wrap(model, lambda m, ids, mask: m(input_ids=ids, attention_mask=mask).logits, "input_ids", "attention_mask")

    def masked(texts):
        enc = tok(texts, padding=True, return_tensors="pt")
        hide = (torch.rand(enc["input_ids"].shape, generator=torch.Generator().manual_seed(1)) < .5) & (enc["attention_mask"] > 0)
        return enc["input_ids"].masked_fill(hide, tok.mask_token_id), enc["attention_mask"]

    texts = [" ".join(story(rng) for _ in range(1 + i % 4)) for i in range(10)]
    export(path, wrap, masked(texts[:2]), [{0: "batch_size", 1: "sequence_length"}] * 2, ["logits"])
    return {"onnx/model.onnx": difference(path, wrap, [masked([t]) for t in texts] + [masked(texts)])}


# ---------------------------------------------------------------- expected.json: what the models answer, through their own libraries

def save_sample(out, name, image):
    image.save(out / "samples" / name)
    return {"image": f"samples/{name}"}


def cases_digits(out, repo):
    images, labels, _, held = digit_images()
    pipe = transformers.pipeline("image-classification", str(repo), device="cpu")
    for n, digit in enumerate((3, 5, 7, 9, 0)):
        i = next(i for i in held if labels[i] == digit)
        image = images[i] if n < 4 else images[i].resize((100, 100))
        given = save_sample(out, f"digit-{n + 1}.png", image)
        yield given, pipe(Image.open(out / given["image"]), top_k=3), {"truth": str(labels[i])}


def cases_detection(out, repo):
    processor = transformers.AutoImageProcessor.from_pretrained(repo)
    model = transformers.AutoModelForObjectDetection.from_pretrained(repo).eval()
    sides, rng, scenes = ("xmin", "ymin", "xmax", "ymax"), random.Random(30), []
    for count in (1, 2, 3, 3):
        scene = zone_scene(rng)
        while len(scene[1]) != count:
            scene = zone_scene(rng)
        scenes.append(scene)
    image, objects = scenes[3]                                              # one of another size and shape
    scenes[3] = image.resize((256, 192), Image.Resampling.NEAREST), [(s, (4 * a, 3 * b, 4 * c, 3 * d), z) for s, (a, b, c, d), z in objects]
    scenes.append((blank(rng)[0], []))                                      # and an empty one
    for n, (image, objects) in enumerate(scenes):
        with torch.no_grad():
            found = model(**processor(image, return_tensors="pt"))
        found = processor.post_process_object_detection(found, threshold=.5, target_sizes=[image.size[::-1]])[0]
        answer = [{"label": model.config.id2label[int(k)], "score": float(s), "box": dict(zip(sides, b.tolist()))}
                  for k, s, b in zip(found["labels"], found["scores"], found["boxes"])]
        truth = [{"label": s, "box": dict(zip(sides, b))} for s, b, _ in objects]
        yield save_sample(out, f"detect-{n + 1}.png", image), answer, {"truth": truth}


def cases_caption(out, repo):
    processor = transformers.AutoProcessor.from_pretrained(repo)
    model, rng = transformers.AutoModelForImageTextToText.from_pretrained(repo).eval(), random.Random(31)
    for n, count in enumerate((1, 1, 2, 2, 2)):
        image, objects = row_scene(rng, count)
        text = processor.batch_decode(model.generate(**processor(images=image, return_tensors="pt")), skip_special_tokens=True)[0]
        yield save_sample(out, f"caption-{n + 1}.png", image), text.strip(), {"truth": caption_of(objects)}


def cases_embedding(out, repo):
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(str(repo), device="cpu")
    for texts in (["the cat sleeps quickly", "a kitten naps fast", "the stock falls today"],
                  ["a doctor waits quietly", "silently the physician remains", "the ship sinks now", "this vessel drops today"],
                  ["Rapidly the car breaks", "an automobile, it fails fast!", "the house grows slowly"]):
        e = model.encode(texts)
        yield {"texts": texts}, {"dim": e.shape[1], "cosine": (e @ e.T).astype(float).tolist()}, {}


def cases_diffusion(out, repo):
    told = torch_denoiser(repo)
    for given in ({"prompt": "", "seed": 0}, {"prompt": "", "seed": 1}, {"prompt": "the king", "seed": 2},
                  {"prompt": "a child planted", "seed": 3, "steps": 8, "temperature": 0.5}, {"prompt": "", "seed": 4, "steps": 4}):
        given = {"steps": 15, "temperature": 1.0} | given
        yield given, demo.diffuse(repo, **given, logits=told), {}


def diffusers_texts(repo):
    """The same model through diffusers' own sampler, which draws from torch's generator: torch only."""
    from diffusers import DiffusionPipeline
    tok = transformers.AutoTokenizer.from_pretrained(repo, subfolder="tokenizer")
    pipe = DiffusionPipeline.from_pretrained(repo, tokenizer=tok, low_cpu_mem_usage=False)     # tok: see train_diffusion
    pipe.set_progress_bar_config(disable=True)
    call = dict(gen_length=15, num_inference_steps=15, temperature=1.0, threshold=.9, editing_threshold=None, eos_early_stop=False)
    text = lambda s: pipe(input_ids=torch.tensor([[tok.cls_token_id]]), generator=torch.Generator().manual_seed(s), **call).texts[0]
    texts = [text(s) for s in range(50)]
    return {"call": call, "texts_by_seed": {str(s): texts[s] for s in range(3)},
            "grammatical_of_50": sum(bool(STORY.fullmatch(t)) for t in texts) / 50}


# ---------------------------------------------------------------- model cards

CARDS = {
    "vit-digits": dict(
        library_name="transformers", pipeline_tag="image-classification", tags=["vit", "onnx"], text="""
A Vision Transformer of 139 thousand parameters that reads one handwritten digit.

![an example](example.png)

- **Trained on** {digits}; 1,497 scans, 700 steps.
- **Can** name the digit in a small, centred, light-on-dark picture like those scans.
- **Cannot** read dark digits on light paper ({accuracy_same_dark_on_light:.0%} right), several digits, or anything else; it always answers one of 0 to 9.
- **Measured** {accuracy_300_held_out:.1%} of 300 held-out scans right.

```python
from transformers import pipeline
pipeline("image-classification", "vit-digits", device="cpu")("example.png")
```
""", onnx="| `onnx/model.onnx` | `pixel_values` float32 (batch_size, 3, 16, 16) | `logits` (batch_size, 10) |"),
    "yolos-shapes": dict(
        library_name="transformers", pipeline_tag="object-detection", tags=["yolos", "onnx"], text="""
A YOLOS of 168 thousand parameters that finds circles, squares and triangles in small drawings.

![an example](example.png)

- **Trained on** 8,000 generated drawings of 64x64 pixels, one to three coloured shapes of 12 to 18 pixels on a light ground, 1,500 steps.
- **Can** give kind and box of each shape, as long as there is at most one in each vertical third of the picture.
- **Cannot** find a second shape in the same third; misses many that are much smaller or larger; sees nothing useful in a photograph.
- **Measured** on 200 new drawings: {recall_at_iou_50_on_200_new_drawings:.1%} of the shapes found with the right kind and IoU over 0.5, {false_positives_per_drawing:.3f} false boxes a drawing.

```python
from transformers import pipeline
pipeline("object-detection", "yolos-shapes", device="cpu")("example.png", threshold=0.5)
```
""", onnx="| `onnx/model.onnx` | `pixel_values` float32 (batch_size, 3, 64, 64) | `logits` (batch_size, 3, 4), the last class is \"nothing\"; `pred_boxes` (batch_size, 3, 4) as centre x, centre y, width, height from 0 to 1 |"),
    "blip-shapes": dict(
        library_name="transformers", pipeline_tag="image-to-text", tags=["blip", "image-captioning", "onnx"], language="en", text="""
A BLIP of 497 thousand parameters that describes a drawing of one or two shapes.

![an example](example.png)

- **Trained on** 8,000 generated drawings of 64x64 pixels with captions such as "a purple triangle to the left of an orange square", 1,500 steps.
- **Can** name colour (six), kind (three) and order of one or two shapes side by side.
- **Cannot** describe an empty picture, three shapes, shapes above each other, or a photograph: it then makes up one or two shapes.
- **Measured** on 500 new drawings: {exact_captions_on_500_new_drawings:.1%} of the captions right word for word (greedy).

```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
processor, model = AutoProcessor.from_pretrained("blip-shapes"), AutoModelForImageTextToText.from_pretrained("blip-shapes")
ids = model.generate(**processor(images=Image.open("example.png"), return_tensors="pt"))
print(processor.batch_decode(ids, skip_special_tokens=True))
```
""", onnx="""| `onnx/encoder_model.onnx` | `pixel_values` float32 (batch_size, 3, 64, 64) | `last_hidden_state` (batch_size, 65, 96) |
| `onnx/decoder_model.onnx` | `input_ids` int64 (batch_size, sequence_length), up to 32, starting with [DEC]; `encoder_hidden_states` (batch_size, 65, 96) | `logits` (batch_size, sequence_length, 104) |

The decoder has cross attention and no cache: give it all tokens so far, take the last row, stop at [SEP]."""),
    "minilm-toy": dict(
        library_name="sentence-transformers", pipeline_tag="sentence-similarity", tags=["sentence-transformers", "feature-extraction", "bert", "onnx"], language="en", text="""
A BERT sentence encoder of 85 thousand parameters: mean pooling, 64 dimensions, unit length.

- **Trained on** generated paraphrases such as "the cat sleeps quickly" and "a kitten naps fast" (8 nouns, 6 verbs, 4 adverbs, each with two or three synonyms), InfoNCE, 200 steps.
- **Can** put sentences of these words close together when they mean the same.
- **Cannot** handle other words: they fall apart into letters and the result means nothing. Word order hardly matters to it.
- **Measured** with every one of the 192 meanings said in two random ways (words and frames seen in training): the paraphrase ranks first for {paraphrase_found_first_among_192:.0%}; mean cosine {mean_cosine_same_meaning:.3f} for the same meaning, {mean_cosine_other_meaning:.3f} for another.

```python
from sentence_transformers import SentenceTransformer
model = SentenceTransformer("minilm-toy", device="cpu")
e = model.encode(["the cat sleeps quickly", "a kitten naps fast", "the stock falls today"])
print(e @ e.T)
```
""", onnx="""| `onnx/model.onnx` | `input_ids`, `attention_mask`, `token_type_ids` int64 (batch_size, sequence_length), up to 64 | `last_hidden_state` (batch_size, sequence_length, 64); `sentence_embedding` (batch_size, 64), pooled and normalized |"""),
    "mdlm-stories": dict(
        library_name="diffusers", pipeline_tag="text-generation", tags=["diffusion-lm", "masked-diffusion", "mdlm", "bert", "onnx"], language="en", text="""
A masked diffusion language model of 252 thousand parameters (MDLM, LLaDA): a BertForMaskedLM that starts from sixteen masks and uncovers a one-line story.

- **Trained on** sentences of a small grammar such as "the queen sailed a boat in the morning." with the 1/t weighted likelihood bound, 2,000 steps.
- **Can** write such sentences, continue the start of one, and show every step of it.
- **Cannot** use other words or write more than one sentence. The fewer steps, the more words are chosen at the same time without knowing of each other: that is what diffusion models trade for speed, and this one shows it clearly.
- **Measured** over 200 seeds at temperature 1, sentences wholly inside the grammar: {grammatical_in_15_steps:.1%} in 15 steps (a word a step), {grammatical_in_8_steps:.1%} in 8, {grammatical_in_4_steps:.1%} in 4. With the sampler of diffusers (threshold 0.9, 15 steps): {diffusers:.0%} of 50.

```python
import torch
from diffusers import DiffusionPipeline
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("mdlm-stories", subfolder="tokenizer")
pipe = DiffusionPipeline.from_pretrained("mdlm-stories", tokenizer=tokenizer)     # diffusers 0.42.1 does not load it by itself
start = torch.tensor([[tokenizer.cls_token_id]])
print(pipe(input_ids=start, gen_length=15, num_inference_steps=15, temperature=1.0, threshold=0.9, editing_threshold=None, eos_early_stop=False).texts)
```

The weights lie in `model/` (`AutoModelForMaskedLM.from_pretrained("mdlm-stories", subfolder="model")`); config and tokenizer are repeated at the root, for `onnx/`.
""", onnx="| `onnx/model.onnx` | `input_ids`, `attention_mask` int64 (batch_size, sequence_length), up to 64, trained with 16 | `logits` (batch_size, sequence_length, 123) |"),
}


def write_card(repo, kind, result):
    card, numbers = CARDS[repo.name], result["quality"] | {"digits": DIGITS}
    numbers |= {"diffusers": result.get("diffusers", {}).get("grammatical_of_50")}
    tags = [kind, *card["tags"], "rmm-demo"]
    head = ["license: mit", *([f"language: {card['language']}"] if "language" in card else []), f"library_name: {card['library_name']}",
            f"pipeline_tag: {card['pipeline_tag']}", "tags:", *(f"- {t}" for t in tags)]
    text = re.sub(r"\{(\w+)(:[^}]*)?\}", lambda m: format(numbers[m[1]], (m[2] or ":")[1:]), card["text"].strip())
    worst = max(result["onnx_max_abs_diff"].values())
    (repo / "README.md").write_text("\n".join(["---", *head, "---", "", f"# {repo.name}", "", text, "", "## ONNX", "",
        "| file | inputs | outputs |", "| --- | --- | --- |", card["onnx"], "",
        f"Opset {OPSET}, float32, one file each. Largest difference from torch over 10 inputs: {worst:.1e}.", "",
        "A demonstration model of the rmm_widgets project, built by its `make_demo_models.py`. Not for real work.", ""]), encoding="utf-8")


# ---------------------------------------------------------------- all of it

MODELS = {  # name: (type, train, steps, export, cases, tolerance)
    "vit-digits": ("classification_model", train_digits, 700, export_digits, cases_digits, {"score": 1e-3}),
    "yolos-shapes": ("detection_model", train_detection, 1500, export_detection, cases_detection, {"score": 1e-3, "box": 0.25}),
    "blip-shapes": ("caption_generator", train_caption, 1500, export_caption, cases_caption, {}),
    "minilm-toy": ("embedding_model", train_embedding, 200, export_embedding, cases_embedding, {"cosine": 1e-3}),
    "mdlm-stories": ("diffusion_lm", train_diffusion, 2000, export_diffusion, cases_diffusion, {}),
}
ABOUT = {
    "cases": "input: an image (path from the folder above this one), texts, or the arguments of the sampler. torch: the answer through the model's own "
             "library (transformers, sentence-transformers). onnx: the answer of run_onnx_demo.py. truth: what the picture shows.",
    "tolerance": "Texts, labels and counts must be equal, numbers may differ by this much (boxes: pixels). Detections come in the order "
                 "of the model's tokens, left to right.",
    "sampler": "mdlm-stories: torch and onnx both use diffuse() of run_onnx_demo.py, which draws from numpy's RandomState(seed), so the "
               "texts are equal. `diffusers` has texts of diffusers' own pipeline with torch.Generator().manual_seed(seed); torch only.",
}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 6) if isinstance(value, float) else value


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", type=Path, default=demo.DEMO)
    args.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    args.add_argument("--scale", type=float, default=1.0, help="multiplies the training steps")
    args.add_argument("--no-train", action="store_true")
    args = args.parse_args()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    out = demo.DEMO = args.out.resolve()
    (out / "models").mkdir(parents=True, exist_ok=True)
    (out / "samples").mkdir(exist_ok=True)
    expected = read_json(out / "samples" / "expected.json") if (out / "samples" / "expected.json").exists() else {}
    models = expected.get("models", {})
    for name in args.only:
        kind, build, steps, export_all, cases, tolerance = MODELS[name]
        repo, start = out / "models" / name, time.time()
        if args.no_train:
            quality = models[name]["quality"]
        else:
            shutil.rmtree(repo, ignore_errors=True)
            repo.mkdir()
            seed_all()
            quality = rounded(build(repo, int(steps * args.scale)))
            tidy(repo)
        demo.load.cache_clear()
        result = {"type": kind, "tolerance": tolerance, "quality": quality, "onnx_inputs_compared": 10,
                  "onnx_max_abs_diff": {k: float(f"{v:.2g}") for k, v in export_all(repo).items()}}
        result["cases"] = [{"input": given, **more, "torch": rounded(answer), "onnx": rounded(demo.run(name, given))}
                           for given, answer, more in cases(out, repo)]
        if name == "mdlm-stories":
            result["diffusers"] = diffusers_texts(repo)
        for case in result["cases"]:
            assert demo.same(case["onnx"], case["torch"], tolerance), case
        assert max(result["onnx_max_abs_diff"].values()) < 1e-3, result["onnx_max_abs_diff"]
        models[name] = result
        write_card(repo, kind, result)
        tidy(repo)
        size = sum(p.stat().st_size for p in repo.rglob("*") if p.is_file())
        print(f"{name}: {size / 1e6:.2f} MB, {time.time() - start:.0f} s, {quality}, ONNX {result['onnx_max_abs_diff']}", flush=True)
    used = ("torch", "transformers", "sentence-transformers", "diffusers", "onnx", "onnxscript", "onnxruntime", "tokenizers",
            "safetensors", "scikit-learn", "numpy", "pillow")
    write_json(out / "samples" / "expected.json", {
        "about": ABOUT, "made_with": {p: importlib.metadata.version(p) for p in used},
        "models": {n: models[n] for n in MODELS if n in models}})


if __name__ == "__main__":
    main()
