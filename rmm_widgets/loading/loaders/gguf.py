"""The gguf loader: GGUF files through llama-cpp-python, as embedding models.

llama-cpp-python gives embeddings and writes text from left to right. Encoders (bert and its kin) are therefore
embedding models; so is, where the user registers it as one, a model made for writing, which then has the method
`generate` beside. Diffusion architectures are refused: the library cannot denoise.

llama.cpp is native code that was built for one kind of CPU; a build for another one ends the process with a
signal. Leave these models in processes of their own.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...downloads.gguf_files import pick_gguf_file
from ...errors import (
    InvalidConfigError,
    LoadError,
    UnsupportedModelError,
)
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..config import EmbeddingModelConfig, ModelConfig, parse_config
from ..dependencies import require, version_of
from ..estimate import gguf_estimate
from ..files import list_files, require_folder
from ..headers.gguf import GgufHeader, read_gguf_header
from ..loader import Loader, Match, MemoryEstimate
from ..servable import Loaded
from .holder import ModelHolder, stop_if
from .llama import LlamaEmbedder, LlamaEncoder, LlamaWriter
from .threads import thread_limit

__all__ = ["LOADER", "GgufLoader", "GgufServable", "choose_file", "shards_of"]

_TYPICAL_TEXT = 512
"""Tokens of the longest text for an embedding where the settings do not say. Memory grows with it: llama.cpp
makes the scores of all words of the vocabulary for each token of a text."""
_TYPICAL_CONTEXT = 2048
"""Tokens that a writing model may have before it, its own included."""
_SHARD = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_DENOISING = frozenset(["dream", "llada", "llada-moe", "rnd1"])
_OTHER_KINDS = {
    "clip": "holds the part of another model that sees pictures",
    "t5": "is an encoder with a decoder, which llama-cpp-python does not drive",
    "t5encoder": "is an encoder that llama-cpp-python does not drive",
    "wavtokenizer-dec": "makes sound",
}
_UNPOOLED, _MEAN, _RANK = 0, 1, 4


class Room(msgspec.Struct, frozen=True):
    """Tokens that a model gets memory for.

    Attributes:
        text: Of the longest text for an embedding.
        context: Of what a writing model has read and written; for others the same as `text`.
    """

    text: int
    context: int


class GgufLoader:
    """GGUF files; see `loading.loader.Loader`."""

    name = "gguf"
    library = "llama-cpp-python"
    preload = ("llama_cpp",)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A folder with GGUF files; the type is the user's to say where the card does not."""
        if not evidence.has(".gguf"):
            return None
        return Match(model_type=identity.model_type, detail=", ".join(filter(None, ["*.gguf files", identity.reason])))

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The tensors of the file that would be chosen, and the cache for its context."""
        settings = parse_config(model_type, config)
        files = shards_of(choose_file(folder, settings.file))
        headers = [read_gguf_header(path) for path in files]
        room = room_for(headers[0], settings)
        return gguf_estimate(headers, context=room.context, text=room.text)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> GgufServable:
        """A servable for the GGUF files in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: It is to be something else than an embedding model.
            ModelNotAvailableError: There is no such folder.
        """
        del trusted  # GGUF files hold no code; their chat templates, never used here, run in a sandbox of jinja
        if model_type is not ModelType.EMBEDDING_MODEL:
            raise UnsupportedModelError(
                f"A GGUF file cannot be loaded as a {model_type.value}: llama-cpp-python gives embeddings and writes "
                "text from left to right, and does nothing else",
                model_id=model_id,
                hint="Register it with the type embedding_model, or choose a repository with safetensors.",
            )
        require_folder(path, model_id=model_id)
        require("llama_cpp", model_id=model_id)
        return GgufServable(model_id, model_type, path)


class GgufServable(ModelHolder):
    """A model by llama.cpp; see `loading.servable.Servable`."""

    loader = "gguf"
    fixed = ("dtype",)

    def open_model(
        self, settings: ModelConfig, device: str | None, cancelled: Callable[[], bool]
    ) -> tuple[LlamaEncoder, Loaded]:
        """Map the file and make its context.

        Raises:
            LoadError: The file is damaged, or llama.cpp refuses it or the device.
            UnsupportedModelError: Its architecture has no embeddings.
            InvalidConfigError: The settings ask for another precision than the file's, or a file that is not there.
        """
        path = choose_file(self._folder, settings.file)
        header = read_gguf_header(path)
        check_architecture(header, path.name)
        place = "cpu" if device is None or settings.force_cpu else device
        stop_if(cancelled)
        source = LlamaEmbedder(_open(path, header, room_for(header, settings), place))
        model = LlamaWriter(source, cancelled) if header.is_causal else LlamaEncoder(source)
        detail = {
            "files": [each.relative_to(self._folder).as_posix() for each in shards_of(path)],
            "architecture": header.architecture,
            "context": source.context,
            "longest_text": source.longest,
            "library": f"llama-cpp-python {version_of('llama_cpp')}",
        }
        return model, Loaded(device=place, detail=detail)

    def unload(self) -> None:
        """Give the context and the mapped file back."""
        model, self._model = self._model, None
        if isinstance(model, LlamaEncoder):
            model.close()


def choose_file(folder: Path, wanted: str | None = None) -> Path:
    """The GGUF file to load, of several shards the first: the wanted one, else by the order of preference.

    Args:
        wanted: A path, a name or a quantisation; see `downloads.gguf_files.pick_gguf_file`.

    Raises:
        InvalidConfigError: There is no such file.
        UnsupportedModelError: There is no model in this format.
        LoadError: A shard of it is missing.
    """
    try:
        found = pick_gguf_file(list_files(folder), wanted)
    except ValueError as error:
        raise InvalidConfigError(
            f"file is {wanted!r:.200}, but {error}"[:1000], hint="Name one of these, or leave file at None."
        ) from None
    if found is None:
        raise UnsupportedModelError(
            "The repository has no model in a GGUF file", hint="Download it again, or choose another repository."
        )
    return shards_of(folder / found)[0]


def shards_of(path: Path) -> tuple[Path, ...]:
    """All files of the model that `path` is the first or only one of.

    Raises:
        LoadError: One of them is missing.
    """
    shard = _SHARD.search(path.name)
    if shard is None:
        return (path,)
    stem, count = path.name[: shard.start()], int(shard["count"])
    files = tuple(path.with_name(f"{stem}-{n:05}-of-{count:05}{path.suffix}") for n in range(1, count + 1))
    for each in files:
        if not each.is_file():
            raise LoadError(f"{each.name} is missing", hint="Download the model again; all its shards are needed.")
    return files


def room_for(header: GgufHeader, settings: ModelConfig) -> Room:
    """How long texts may be: as the settings say, within what the model was trained for."""
    wanted = settings.max_sequence_length if isinstance(settings, EmbeddingModelConfig) else None
    trained = header.context_length or _TYPICAL_CONTEXT
    text = min(wanted or _TYPICAL_TEXT, trained)
    return Room(text=text, context=max(text, min(_TYPICAL_CONTEXT, trained)) if header.is_causal else text)


def check_architecture(header: GgufHeader, name: str) -> None:
    """Refuse a model that llama-cpp-python cannot get embeddings from.

    Raises:
        UnsupportedModelError: It is one, with the reason.
    """
    architecture = header.architecture
    if architecture in _DENOISING:
        reason = f"is a diffusion model ({architecture}); llama-cpp-python writes from left to right and cannot denoise"
    elif not architecture:
        reason = "does not name its architecture"
    elif architecture in _OTHER_KINDS:
        reason = _OTHER_KINDS[architecture]
    elif header.count("pooling_type") == _RANK:
        reason = "is a reranker: it gives scores, not embeddings"
    else:
        return
    raise UnsupportedModelError(
        f"{name} {reason}", hint="Choose a GGUF file of an embedding model, or a repository with safetensors."
    )


def _open(path: Path, header: GgufHeader, room: Room, device: str) -> Any:
    llama_cpp: Any = importlib.import_module("llama_cpp")
    # What the file says of pooling is used; where it says nothing, the mean makes one vector of many.
    unsaid = header.count("pooling_type") == _UNPOOLED
    pooling = {"pooling_type": _MEAN} if unsaid else {}
    threads = thread_limit()
    try:
        return llama_cpp.Llama(
            str(path),
            n_ctx=room.context,
            n_batch=room.text,
            n_ubatch=room.text,
            n_threads=threads,
            n_threads_batch=threads,
            embedding=True,
            verbose=False,
            **pooling,
            **_placed(device, offload=bool(llama_cpp.llama_supports_gpu_offload())),
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise LoadError(
            f"llama.cpp cannot open {path.name}: {error}",
            hint="Its architecture may be newer than the installed llama-cpp-python: upgrade that, or choose "
            "another file.",
        ) from error


def _placed(device: str, *, offload: bool) -> dict[str, int]:
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return {"n_gpu_layers": 0}
    if kind != "cuda" or not offload or (number and not number.isdecimal()):
        raise LoadError(
            f"The device {device!r} is not available to llama-cpp-python here",
            hint="Load with device='cpu', or install a llama-cpp-python that was built for the GPU.",
        )
    return {"n_gpu_layers": -1, "main_gpu": int(number or 0)}


LOADER: Loader = GgufLoader()
