"""The demo's sentence encoder as a GGUF file: trained weights of a kind that llama.cpp knows, and small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo import MODELS_DIR

_FOLDER = MODELS_DIR / "minilm-toy"
_NORMAL, _SPECIAL = 1, 3
_MEAN = 1
_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_EMBEDDINGS = {
    "word_embeddings": "token_embd",
    "token_type_embeddings": "token_types",
    "position_embeddings": "position_embd",
    "LayerNorm": "token_embd_norm",
}


def write_minilm(path: Path) -> Path:
    """Write the file; skips the test where the library that writes GGUF is not there."""
    gguf: Any = pytest.importorskip("gguf")
    from safetensors.numpy import load_file

    config = json.loads((_FOLDER / "config.json").read_text())
    vocabulary = json.loads((_FOLDER / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(_MEAN))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_word(token) for token in tokens])
    writer.add_token_types([_SPECIAL if token.startswith("[") else _NORMAL for token in tokens])
    writer.add_token_type_count(config["type_vocab_size"])
    for add, token in (
        (writer.add_unk_token_id, "[UNK]"),
        (writer.add_sep_token_id, "[SEP]"),
        (writer.add_pad_token_id, "[PAD]"),
        (writer.add_bos_token_id, "[CLS]"),
        (writer.add_eos_token_id, "[SEP]"),
        (writer.add_mask_token_id, "[MASK]"),
    ):
        add(vocabulary[token])
    for name, values in load_file(_FOLDER / "model.safetensors").items():
        if not name.startswith("pooler"):
            writer.add_tensor(_renamed(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _word(token: str) -> str:
    """llama.cpp marks where words begin; BERT marks where they go on."""
    if token.startswith("["):
        return token
    return token.removeprefix("##") if token.startswith("##") else f"\u2581{token}"


def _renamed(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if stem.startswith("embeddings."):
        return f"{_EMBEDDINGS[stem.removeprefix('embeddings.')]}.{kind}"
    number, _, part = stem.removeprefix("encoder.layer.").partition(".")
    return f"blk.{number}.{_LAYER[part]}.{kind}"
