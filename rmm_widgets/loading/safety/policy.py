"""Which contents are welcome under which names, and what is said of the others. Pure.

An allow-list. A name tells which program would open the file; the content must be what that program expects:
a safetensors file is no reason for concern as `model.safetensors`, but as `pytorch_model.bin` it would be handed to
an unpickler, for which it may be made to mean something else. Pickles, archives and programs are refused under
every name. What nobody recognises is refused where a loader could take it for weights or text, and otherwise listed
as not looked at.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath

from ...names import visible
from ...safety_records import Finding, FindingKind, SafetyReport
from .contents import Content, Format

__all__ = ["forecast", "is_raw_data", "judge", "suffix_of"]

_CODE = frozenset([".py", ".pyw", ".pyc", ".pyo", ".pyd", ".pyx", ".so", ".dll", ".dylib", ".exe"])
_PICKLES = frozenset(
    [
        *(".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".pt2"),
        *(".ptl", ".torchscript", ".nemo", ".mar", ".t7", ".ot"),
    ]
)
_ARCHIVES = frozenset(
    [
        *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".npz", ".whl", ".egg", ".jar"),
        *(".mlpackage",),
    ]
)
_HDF5 = frozenset([".h5", ".hdf5", ".keras"])
_OTHER_WEIGHTS = frozenset(
    [
        *(".pb", ".tflite", ".ort", ".msgpack", ".ggml", ".params", ".pdparams", ".weights", ".mlmodel"),
        *(".trt", ".engine"),
    ]
)
_TEXTS = frozenset(
    [
        *(".json", ".jsonl", ".ipynb", ".txt", ".md", ".rst", ".html", ".htm", ".xml", ".svg", ".css", ".js"),
        *(".ts", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".conf", ".csv", ".tsv", ".bpe", ".vocab"),
        *(".tiktoken", ".merges", ".jinja", ".jinja2", ".tex", ".bib", ".log", ".license", ".sh", ".r", ".c"),
        *(".h", ".cpp", ".cu", ".java"),
    ]
)
_MEDIA = frozenset(
    [
        *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ico", ".pdf", ".wav", ".flac"),
        *(".ogg", ".mp3", ".mp4", ".m4a", ".mov", ".avi", ".webm", ".mkv", ".ttf", ".otf", ".woff", ".woff2"),
    ]
)
_EXPECTED: Mapping[str, frozenset[Format]] = {
    ".safetensors": frozenset(["safetensors"]),
    ".gguf": frozenset(["gguf"]),
    ".onnx": frozenset(["onnx"]),
    ".npy": frozenset(["array"]),
    **dict.fromkeys((".model", ".spm"), frozenset(["sentencepiece", "text"])),
    **dict.fromkeys(_TEXTS, frozenset(["text", "empty"])),
    **dict.fromkeys(_MEDIA, frozenset(["media", "empty"])),
    **dict.fromkeys(_PICKLES | _ARCHIVES | _HDF5 | _OTHER_WEIGHTS, frozenset[Format]()),
    "": frozenset(["text", "empty", "media", "safetensors", "gguf", "sentencepiece", "array"]),
}
"""What a name promises; names that are not here promise nothing."""

_REFUSED: Mapping[Format, tuple[FindingKind, str]] = {
    "pickle": ("pickle", "a pickle, which can run any code when it is opened"),
    "zip": ("archive", "a zip archive, in which nobody looked"),
    "tar": ("archive", "a tar archive, in which nobody looked"),
    "packed": ("archive", "compressed data, in which nobody looked"),
    "hdf5": ("code", "an HDF5 file, as Keras writes them; it may hold code"),
    "program": ("executable", "a program"),
    "bytecode": ("code", "compiled Python code"),
}
_WORDS: Mapping[Format, str] = {
    "empty": "empty",
    "text": "text",
    "media": "a picture, sound or document",
    "array": "a NumPy array",
    "sentencepiece": "a SentencePiece vocabulary",
    "unknown": "data of an unknown kind",
}
_BINARY = frozenset(["safetensors", "gguf", "array", "sentencepiece", "unknown", "media"])


def suffix_of(path: str) -> str:
    """The last ending of a file's name, in lower case; empty where there is none."""
    return PurePosixPath(path).suffix.lower()


def judge(path: str, content: Content) -> Finding | None:
    """Why a file is refused, None where it is welcome or nobody opens it."""
    suffix = suffix_of(path)
    if suffix in _CODE:
        return Finding(
            path=path, kind="code", reason="Python code" if suffix.startswith(".py") else "a program library"
        )
    if content.format in _REFUSED:
        return _refused(path, content)
    expected = _EXPECTED.get(suffix)
    if expected is None or content.format in expected or content.format == "raw data":
        return None
    if suffix in _PICKLES | _HDF5:
        reason = f"{_word(content)} under a name that is opened as a pickle"
        return Finding(path=path, kind="pickle", reason=reason)
    if suffix in _OTHER_WEIGHTS | _ARCHIVES:
        return Finding(path=path, kind="unknown", reason="weights in a format that nobody looked into")
    return Finding(path=path, kind=_mismatch(suffix), reason=f"not what its name says, but {_word(content)}")


def is_raw_data(path: str, content: Content, named: Container[str]) -> bool:
    """Whether a file is the plain numbers of an ONNX file beside it; never one whose name unpicklers open.

    Args:
        named: The paths that ONNX files of the folder name for their weights.
    """
    if content.format not in _BINARY or suffix_of(path) in _PICKLES | _HDF5 | {".safetensors", ".gguf", ".npy"}:
        return False
    return path in named


def forecast(paths: Iterable[str], tags: Iterable[str] = ()) -> SafetyReport:
    """What would be refused of files of which only the names are known, and of a repository with these tags."""
    found = [Finding(path="", kind="code", reason="its card says that it needs code")] if "custom_code" in tags else []
    for path in paths:
        suffix = suffix_of(path)
        if suffix in _CODE:
            found.append(Finding(path=path, kind="code", reason="Python code or a program library"))
        elif suffix in _PICKLES:
            found.append(Finding(path=path, kind="pickle", reason="by its name a pickle"))
        elif suffix in _HDF5 | _ARCHIVES | _OTHER_WEIGHTS:
            found.append(Finding(path=path, kind="archive", reason="by its name in a format that nobody looks into"))
    return SafetyReport(findings=tuple(found), source="names")


def _refused(path: str, content: Content) -> Finding:
    kind, reason = _REFUSED[content.format]
    detail = visible(content.detail)
    if content.format == "zip" and detail:
        return Finding(path=path, kind="pickle", reason=f"a zip archive with a pickle in it ({detail})")
    if content.format == "pickle" and detail:
        reason += f" (it names {detail})"
    return Finding(path=path, kind=kind, reason=reason)


def _mismatch(suffix: str) -> FindingKind:
    return "damaged" if suffix in {".safetensors", ".gguf", ".onnx"} else "unknown"


def _word(content: Content) -> str:
    return _WORDS.get(content.format, content.format)
