"""Which files of a repository hold the same weights once more, or are left from training. Pure, by names alone.

Loaders take safetensors, ONNX and GGUF. What a repository offers beside them for other programs (pickles,
TensorFlow, Flax, OpenVINO, Core ML, the publisher's original layout, half-precision twins) is a second copy.
A file counts as one only where the first is seen to be there, folder by folder where a repository is made
of components (diffusers, sentence-transformers).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from .onnx_files import is_external_data

__all__ = ["is_foreign", "is_weights", "spare_copies", "spare_indexes", "spare_precisions", "training_leftovers"]

SAFE_WEIGHTS = frozenset([".safetensors", ".onnx", ".gguf"])
OTHER_WEIGHTS = frozenset([".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".pkl"])

_TRAINING_FILE = re.compile(
    r"(optimizer|scheduler|scaler)\.(pt|bin)|rng_state[\w-]*\.pth|training_args\.bin|events\.out\.tfevents\..*",
    re.IGNORECASE,
)
_CHECKPOINT_FOLDER = re.compile(r"(?:^|/)(?:checkpoint|global_?step|epoch)[-_]?\d+/", re.IGNORECASE)
_RUNS_FOLDER = re.compile(r"(?:^|/)runs/.*tfevents", re.IGNORECASE)

_MODEL_NAME = re.compile(
    r"(?:model|pytorch_model|diffusion_pytorch_model|consolidated)(?:[-_.].*)?",
    re.IGNORECASE,
)
"""Names under which a whole model is stored; other names may hold an adapter, a voice, one part of several."""
_GRAPH_NAME = re.compile(r"(?:^|/)onnx/|(?:model|encoder|decoder)[^/]*$", re.IGNORECASE)
_FRAMEWORK_NAME = re.compile(r"(?:tf_model|flax_model|diffusion_flax_model|rust_model)(?:[-_.].*)?", re.IGNORECASE)
_TORCH_NAME = re.compile(r"(?:pytorch_model|diffusion_pytorch_model)(?:[-_.].*)?\.bin", re.IGNORECASE)
_FOREIGN = re.compile(
    r"(?:^|/)(?:openvino|coreml|tflite|saved_model|[^/]+\.mlpackage|[^/]+\.mlmodelc)/"
    r"|(?:^|/)openvino_[^/]*\.(?:xml|bin)$|\.(?:tflite|mlmodel|ort)$|(?:^|/)variables/variables\."
    r"|(?:^|/)(?:saved_model|keras_metadata|fingerprint)\.pb$",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(r"^(?:original|metal)/|^consolidated[^/]*\.(?:safetensors|pth)$", re.IGNORECASE)
_HF_WEIGHTS = re.compile(r"(?:model|pytorch_model)(?:-\d+-of-\d+)?\.safetensors", re.IGNORECASE)
_MODULE_FOLDER = re.compile(r"\d+_\w+")
_COPY_FOLDERS = frozenset(["original", "metal", "onnx", "openvino", "coreml", "tflite", "flax", "tf", "saved_model"])

_PRECISIONS = ("fp16", "float16", "bf16", "bfloat16", "fp32", "float32", "fp8", "int8", "ema", "non_ema")
"""Where the plain form is missing, the one to take first."""
_PRECISION = re.compile(
    rf"(?P<stem>.+?)(?P<old>-\d+-of-\d+)?\.(?P<name>{'|'.join(_PRECISIONS)})(?P<new>-\d+-of-\d+)?",
    re.IGNORECASE,
)
_SHARD = re.compile(r"-\d+-of-\d+$")
_INDEX = re.compile(r"(?P<stem>.+)\.(?P<suffix>safetensors|bin|h5|msgpack)\.index(?P<variant>\.[\w-]+)?\.json")


def training_leftovers(paths: Sequence[str]) -> dict[str, str]:
    """State of the optimizer and the like, and checkpoints where the model itself is beside them."""
    spare = {
        path: "left over from training"
        for path in paths
        if _TRAINING_FILE.fullmatch(_name(path)) or _RUNS_FOLDER.search(path)
    }
    checkpoints = [path for path in paths if path not in spare and _CHECKPOINT_FOLDER.search(path)]
    if any(is_weights(path) for path in set(paths) - set(spare) - set(checkpoints)):
        spare |= dict.fromkeys(checkpoints, "a checkpoint of the training")
    return spare


def spare_copies(paths: Sequence[str]) -> dict[str, str]:
    """The same weights for other programs, where weights that our loaders take are there."""
    own = [path for path in paths if not _FOREIGN.search(path)]
    safe = [path for path in own if _suffix(path) in SAFE_WEIGHTS]
    spare: dict[str, str] = {}
    if safe:
        spare |= {path: "the weights for another program" for path in paths if _FOREIGN.search(path)}
    spare |= _originals(own)
    spare |= _single_files(own)
    left = [path for path in own if path not in spare]
    spare |= _pickles(left, [path for path in safe if path not in spare])
    spare |= _frameworks([path for path in left if path not in spare])
    return spare


def spare_precisions(paths: Sequence[str]) -> dict[str, str]:
    """All but one precision of what is there in several: `model.fp16.safetensors` beside `model.safetensors`."""
    groups: dict[tuple[PurePosixPath, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        if _suffix(path) not in {".safetensors", ".bin"}:
            continue
        file = PurePosixPath(path)
        found = _PRECISION.fullmatch(file.stem)
        stem = found["stem"] if found else _SHARD.sub("", file.stem)
        groups[file.parent, stem, file.suffix.lower()][found["name"].lower() if found else ""].append(path)
    spare: dict[str, str] = {}
    for forms in groups.values():
        chosen = min(forms, key=lambda name: (bool(name), _PRECISIONS.index(name) if name else 0))
        reason = f"another variant: {PurePosixPath(forms[chosen][0]).name} is chosen"
        spare |= {path: reason for name, files in forms.items() if name != chosen for path in files}
    return spare


def spare_indexes(paths: Sequence[str], left_out: Collection[str]) -> dict[str, str]:
    """Lists of shards (`*.index.json`) of which every shard is left out."""
    indexes = [(path, found) for path in paths if (found := _INDEX.fullmatch(_name(path)))]
    if not indexes:
        return {}
    gone: set[tuple[PurePosixPath, str, str]] = set()
    kept: set[tuple[PurePosixPath, str, str]] = set()
    for path in paths:
        file = PurePosixPath(path)
        (gone if path in left_out else kept).add((file.parent, _shared_stem(file.stem), file.suffix.lower()))
    spare: dict[str, str] = {}
    for path, found in indexes:
        key = (PurePosixPath(path).parent, f"{found['stem']}{found['variant'] or ''}", f".{found['suffix']}")
        if key in gone and key not in kept:
            spare[path] = "the list of shards that are left out"
    return spare


def _shared_stem(stem: str) -> str:
    """What all shards of one precision have in common, in the old order of its parts and in the new one."""
    found = _PRECISION.fullmatch(stem)
    return f"{found['stem']}.{found['name'].lower()}" if found else _SHARD.sub("", stem)


def is_foreign(path: str) -> bool:
    """True for a file that only OpenVINO, Core ML, TensorFlow or the like can use, going by its name."""
    return _FOREIGN.search(path) is not None


def _originals(paths: Sequence[str]) -> dict[str, str]:
    """The publisher's own layout beside the weights of transformers in the root."""
    if not any(_HF_WEIGHTS.fullmatch(path) for path in paths):
        return {}
    return {path: "second copy of the weights" for path in paths if _ORIGINAL.search(path)}


def _single_files(paths: Sequence[str]) -> dict[str, str]:
    """One-file checkpoints in the root of a diffusers repository, whose components hold the weights.

    Safe ones make room for safe ones only.
    """
    if "model_index.json" not in paths:
        return {}
    components = _components(paths)
    held = {_suffix(path) for path in paths if _top(path) in components}
    spare = OTHER_WEIGHTS if held & (OTHER_WEIGHTS | SAFE_WEIGHTS) else frozenset[str]()
    if held & SAFE_WEIGHTS:
        spare |= {".safetensors"}
    return {path: "second copy of the weights" for path in paths if "/" not in path and _suffix(path) in spare}


def _pickles(paths: Sequence[str], safe: Sequence[str]) -> dict[str, str]:
    """Weights in other formats, where safe ones stand for them."""
    onnx = {path for path in paths if _suffix(path) == ".onnx"}
    stems = {str(PurePosixPath(path).with_suffix("")).lower() for path in safe}
    whole = [path for path in safe if _is_whole_model(path)]
    folders = {PurePosixPath(path).parent for path in whole}
    components = _components(paths)

    def is_copy(path: str) -> bool:
        file = PurePosixPath(path)
        if str(file.with_suffix("")).lower() in stems or file.parent in folders:
            return True
        return bool(whole) and _top(path) not in components

    return {
        path: "second copy of the weights"
        for path in paths
        if _suffix(path) in OTHER_WEIGHTS and not is_external_data(path, onnx) and is_copy(path)
    }


def _is_whole_model(path: str) -> bool:
    match _suffix(path):
        case ".safetensors":
            return _MODEL_NAME.fullmatch(PurePosixPath(path).stem) is not None
        case ".onnx":
            return _GRAPH_NAME.search(path) is not None
        case _:
            return True


def _frameworks(paths: Sequence[str]) -> dict[str, str]:
    """TensorFlow, Flax and Rust weights beside those of PyTorch, where neither has a safe form."""
    folders = {PurePosixPath(path).parent for path in paths if _TORCH_NAME.fullmatch(_name(path))}
    return {
        path: "the weights for another program"
        for path in paths
        if _suffix(path) in OTHER_WEIGHTS
        and PurePosixPath(path).parent in folders
        and _FRAMEWORK_NAME.fullmatch(PurePosixPath(path).stem)
    }


def _components(paths: Sequence[str]) -> frozenset[str]:
    """Top folders that are parts of the model, each with weights of its own."""
    tops = {_top(path) for path in paths} - {""}
    if "model_index.json" in paths:
        return frozenset(tops - _COPY_FOLDERS)
    if "modules.json" in paths:
        return frozenset(top for top in tops if _MODULE_FOLDER.fullmatch(top))
    return frozenset()


def _top(path: str) -> str:
    folder, slash, _ = path.partition("/")
    return folder if slash else ""


def _name(path: str) -> str:
    # As PurePosixPath does, which takes a fifth of a second for the few looks at each of 2,000 files.
    return path.rpartition("/")[2]


def _suffix(path: str) -> str:
    name = _name(path)
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def is_weights(path: str) -> bool:
    """True for a file that holds a model's parameters, going by its name."""
    return _suffix(path) in SAFE_WEIGHTS | OTHER_WEIGHTS
