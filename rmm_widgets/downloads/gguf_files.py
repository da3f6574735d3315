"""Which GGUF files of a repository belong together, and which quantisation to take. Pure, by names alone.

A repository offers one model in many quantisations; one of them is the model. The order of preference is
`PREFERENCE`: the usual compromise first, then what is closest to it, and the full-precision files last. The
same order decides at a download and, where several are on disk, at a load.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

import msgspec

__all__ = ["PREFERENCE", "pick_gguf_file", "spare_gguf_files"]

PREFERENCE = (
    *("Q4_K_M", "Q5_K_M", "Q4_K_S", "Q8_0", "Q4_K_XL", "Q4_K_L", "Q4_K", "Q5_K_S", "Q6_K", "Q5_K_L", "Q5_K_XL"),
    *("Q6_K_L", "Q6_K_XL", "Q5_K", "MXFP4_MOE", "MXFP4", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS", "Q5_0", "Q5_1"),
    *("Q8_K_XL", "Q8_K", "Q4", "Q5", "Q6", "Q8", "INT4", "INT8", "Q3_K_XL", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S"),
    *("IQ3_S", "Q3_K", "IQ3_XS", "IQ3_XXS", "Q2_K_XL", "Q2_K_L", "Q2_K", "Q2_K_S", "IQ2_M", "IQ2_S", "IQ2_XS"),
    *("IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "Q3", "Q2", "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8"),
    *("F16", "FP16", "BF16", "F32", "FP32"),
)
"""Quantisations, the one to take first. A name that says none comes after them."""

_PROJECTOR_PREFERENCE = ("F16", "FP16", "BF16", "Q8_0", "F32", "FP32")
_BY_LENGTH = sorted(PREFERENCE, key=len, reverse=True)
_QUANTISATION = re.compile(
    rf"(?:^|[-._])(?P<maker>(?:UD|i1)[-._])?(?P<name>{'|'.join(_BY_LENGTH)})(?=[-._]|$)", re.IGNORECASE
)
_SHARD = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})$")


class _Gguf(msgspec.Struct, frozen=True):
    """What the name of a GGUF file says.

    Attributes:
        base: The name and folder without the quantisation; equal for all quantisations of one model.
        quantisation: One of `PREFERENCE`, or empty.
        variant: Tells sets of files of one quantisation apart: their folder, maker and number of shards.
    """

    path: str
    base: str
    quantisation: str
    variant: tuple[int, str, str]
    shards: int


def spare_gguf_files(paths: Iterable[str]) -> dict[str, str]:
    """The GGUF files that are not needed, each with the reason: all but one quantisation of every model.

    Shards stay together. A model's projector (`mmproj`) is a model of its own here, so one of them is kept.
    """
    models: dict[str, list[_Gguf]] = defaultdict(list)
    spare: dict[str, str] = {}
    calibration: list[str] = []
    for path in paths:
        if not path.lower().endswith(".gguf"):
            continue
        if "imatrix" in PurePosixPath(path).name.lower():
            calibration.append(path)
        else:
            file = _read_name(path)
            models[file.base].append(file)
    if models:
        spare |= dict.fromkeys(calibration, "calibration data of the quantisation")
    for base, files in models.items():
        chosen = _best(files, _PROJECTOR_PREFERENCE if "mmproj" in base else PREFERENCE)
        reason = f"another quantisation: {chosen.quantisation or PurePosixPath(chosen.path).name} is chosen"
        spare |= {file.path: reason for file in files if _set_of(file) != _set_of(chosen)}
    return spare


def pick_gguf_file(paths: Iterable[str], wanted: str | None = None) -> str | None:
    """The file to load: the first shard of the best quantisation; None where there is no model in this format.

    Args:
        wanted: Another one: its path, its name, or its quantisation such as "Q8_0", in any case.

    Raises:
        ValueError: No file is what is wanted; the message names those that there are.
    """
    models = [path for path in paths if path.lower().endswith(".gguf") and not _is_no_model(path)]
    if wanted is None:
        spare = spare_gguf_files(models)
        return min((path for path in models if path not in spare), default=None)
    asked = wanted.lower()
    named = [path for path in models if asked in {path.lower(), PurePosixPath(path).name.lower()}]
    found = named or [path for path in models if _read_name(path).quantisation.lower() == asked]
    if not found:
        raise ValueError(f"there is no GGUF file {wanted!r}; there is: {', '.join(sorted(models)) or 'none'}")
    return min(found)


def _is_no_model(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return "imatrix" in name or "mmproj" in name


def _read_name(path: str) -> _Gguf:
    file = PurePosixPath(path)
    stem = file.name[: -len(".gguf")]
    shard = _SHARD.search(stem)
    if shard:
        stem = stem[: shard.start()]
    found = _last_match(stem)
    base, maker = stem, ""
    quantisation = ""
    if found:
        quantisation, maker = found["name"].upper(), found["maker"] or ""
        base = f"{stem[: found.start()]}{stem[found.end() :]}"
    folders: list[str] = []
    for folder in file.parent.parts:
        match = _last_match(folder)
        if match is None:
            folders.append(folder)
            continue
        # A folder named after a quantisation: `Q4_K_M/`, `UD-Q4_K_XL/`, `Model-Q4_K_M/`.
        quantisation, maker = quantisation or match["name"].upper(), maker or match["maker"] or ""
        if rest := f"{folder[: match.start()]}{folder[match.end() :]}".strip("-._"):
            folders.append(rest)
    projector = "mmproj:" if "mmproj" in stem.lower() else ""
    if folders and folders[-1].lower() == base.strip("-._").lower():
        folders.pop()  # `Model-Q4_K_M/Model-Q4_K_M-00001-of-00002.gguf` is the same model as `Model-Q8_0.gguf`
    name = "/".join([*folders, base.strip("-._")]).lower()
    shards = int(shard["count"]) if shard else 1
    return _Gguf(path, projector + name, quantisation, (shards, maker.lower(), str(file.parent)), shards)


def _last_match(text: str) -> re.Match[str] | None:
    found = list(_QUANTISATION.finditer(text))
    return found[-1] if found else None


def _set_of(file: _Gguf) -> tuple[str, tuple[int, str, str]]:
    return file.quantisation, file.variant


def _best(files: list[_Gguf], preference: tuple[str, ...]) -> _Gguf:
    """A file of the set to take: a whole set before one that lacks shards, then by preference."""
    sizes: dict[tuple[str, tuple[int, str, str]], int] = defaultdict(int)
    for file in files:
        sizes[_set_of(file)] += 1

    def rank(file: _Gguf) -> tuple[object, ...]:
        known = file.quantisation in preference
        order = preference.index(file.quantisation) if known else len(preference)
        lacks_shards = sizes[_set_of(file)] < file.shards
        return (lacks_shards, order, file.quantisation, file.variant[1], file.shards, file.variant[2], file.path)

    return min(files, key=rank)
