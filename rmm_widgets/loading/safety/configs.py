"""Configuration files that ask for code: of the repository, of another one, or of whatever is installed.

`trust_remote_code=False` is no protection by itself: libraries pass options that stand in a file on to nested loads
(CVE-2026-5241), and follow names of classes that a file gives them. So what asks is refused before they read it.
Pure, from the bytes of one file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from ...names import check_file_path, visible
from ...safety_records import Finding, FindingKind

__all__ = ["CONFIG_LIMIT", "is_config", "judge_config"]

CONFIG_LIMIT = 16 << 20
"""Bytes of a configuration; there is none as large."""

_VOCABULARIES = frozenset(["vocab.json", "tokenizer.json", "added_tokens.json"])
"""Their keys are the words of a language, and only the tokenizers' own reader opens them."""
_YAML = frozenset([".yaml", ".yml"])

_ASKS = frozenset(["auto_map", "custom_code", "custom_pipeline", "custom_pipelines", "trust_remote_code"])
_ATTENTION = frozenset(["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
_FUNCTIONS = frozenset(
    ["activation_fn", "activation_function", "default_activation_function", "sbert_ce_default_activation_function"]
)
_FUNCTION_HOME = "torch.nn."
_MODULE_HOME = "sentence_transformers."
_PIPELINE_PARTS = frozenset(
    [
        *("diffusers", "transformers", "onnxruntime", "onnxruntime.training", "flax", "k_diffusion"),
        *("stable_diffusion", "stable_diffusion_safe", "latent_diffusion", "deepfloyd_if", "kandinsky"),
        *("kandinsky2_2", "wuerstchen", "stable_cascade", "paint_by_example", "unidiffuser", "audioldm"),
        *("audioldm2", "musicldm", "stable_audio", "shap_e", "blip_diffusion", "versatile_diffusion"),
    ]
)
"""Where diffusers itself finds the parts of a pipeline; any other word is a module of the repository."""
_ASKS_IN_YAML = re.compile(
    r"!\w*!?python/|tag:yaml\.org,2002:python|^%TAG\b|![^\s,]*%[0-9a-f]{2}|^[^#\n]*!(?:new|name|apply|call|module):",
    re.MULTILINE | re.IGNORECASE,
)
_ASKS_IN_TEXT = re.compile("|".join(sorted(_ASKS)) + r"|\\u00", re.IGNORECASE)

_Pair = tuple[str, Any]


def is_config(path: str) -> bool:
    """Whether libraries may take their settings from a file of this name."""
    file = PurePosixPath(path.lower())
    return (file.suffix == ".json" and file.name not in _VOCABULARIES) or file.suffix in _YAML


def judge_config(path: str, data: bytes) -> Finding | None:
    """Why a configuration is refused, None where it asks for nothing."""
    name = PurePosixPath(path.lower()).name
    text = data.decode("utf-8-sig", "replace")
    if PurePosixPath(name).suffix in _YAML:
        found = _ASKS_IN_YAML.search(text)
        return _finding(path, f"it makes Python objects ({visible(found[0].strip(), 60)})") if found else None
    pairs: list[_Pair] = []

    def collect(found: list[_Pair]) -> dict[str, Any]:
        pairs.extend(found)  # all of them: where a key is given twice, readers differ in which they take
        return dict(found)

    try:
        document = json.loads(text, object_pairs_hook=collect)
    except RecursionError:
        return _finding(path, "it is nested deeper than any configuration", "limit")
    except ValueError:
        # No reader of JSON takes it. A more generous one might.
        found = _ASKS_IN_TEXT.search(text)
        return _finding(path, f"it is no JSON, and holds {visible(found[0])}") if found else None
    if name.endswith(".index.json"):
        return _judge_index(path, document)
    for reason in _reasons(name, document, pairs):
        return _finding(path, reason)
    return None


def _reasons(name: str, document: Any, pairs: list[_Pair]) -> Iterator[str]:
    for key, value in pairs:
        if key in _ASKS and value:
            yield f"it asks for code: {key} is {_shown(value)}"
        if key in _ATTENTION and isinstance(value, str) and "/" in value:
            yield f"it asks for code of another repository: {key} is {_shown(value)}"
        if key in _FUNCTIONS and isinstance(value, str) and "." in value and not value.startswith(_FUNCTION_HOME):
            yield f"it names a function to call: {key} is {_shown(value)}"
        if key == "auto_mapping" and isinstance(value, dict):
            yield from _adapter(cast("dict[str, Any]", value))
    if special := _SPECIAL.get(name):
        yield from special(document)


def _adapter(mapping: Mapping[str, Any]) -> Iterator[str]:
    """PEFT imports the library that an adapter names."""
    home = mapping.get("parent_library")
    if home and not str(home).startswith("transformers.models."):
        yield f"it names a module to import: parent_library is {_shown(home)}"


def _modules(document: Any) -> Iterator[str]:
    """`modules.json`: the classes that a sentence-transformers model is built of."""
    parts = cast("list[Any]", document) if isinstance(document, list) else []
    yield from _foreign(part.get("type") for part in parts if isinstance(part, dict))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]


def _router(document: Any) -> Iterator[str]:
    """`router_config.json` and `config.json` of an asymmetric sentence-transformers model."""
    types = cast("dict[str, Any]", document).get("types") if isinstance(document, dict) else None
    yield from _foreign(cast("dict[str, Any]", types).values() if isinstance(types, dict) else ())


def _foreign(types: Any) -> Iterator[str]:
    for each in types:
        if not isinstance(each, str) or not each.startswith(_MODULE_HOME):
            yield f"it names a class that is not of sentence-transformers: {_shown(each)}"


def _pipeline(document: Any) -> Iterator[str]:
    """`model_index.json`: the classes that a diffusers pipeline is built of."""
    if not isinstance(document, dict):
        return
    for key, value in cast("dict[str, Any]", document).items():
        if key == "_class_name" and not isinstance(value, str):
            yield f"it names a pipeline of its own: {_shown(value)}"
            continue
        match value:
            case [str(home), _] if home not in _PIPELINE_PARTS:
                yield f"it names a module of its own: {visible(key)} is {_shown(cast('list[Any]', value))}"
            case _:
                pass


_SPECIAL: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "modules.json": _modules,
    "router_config.json": _router,
    "model_index.json": _pipeline,
}


def _judge_index(path: str, document: Any) -> Finding | None:
    """The list of a model's shards may not lead out of the folder."""
    shards = cast("dict[str, Any]", document).get("weight_map") if isinstance(document, dict) else None
    for shard in sorted(map(str, cast("dict[str, Any]", shards).values())) if isinstance(shards, dict) else ():
        try:
            check_file_path(shard)
        except ValueError:
            return _finding(path, f"it takes weights from outside of the folder: {visible(shard)}", "link")
    return None


def _finding(path: str, reason: str, kind: FindingKind = "code") -> Finding:
    return Finding(path=path, kind=kind, reason=reason)


def _shown(value: object) -> str:
    return visible(json.dumps(value, ensure_ascii=False), 80)
