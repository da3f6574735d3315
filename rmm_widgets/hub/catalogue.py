"""What exists on the Hub: search, and what one repository is.

Plain blocking functions for use in a thread. They answer with records; registering and downloading
belong to others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from .. import names
from ..errors import (
    DownloadError,
    HubUnavailableError,
    InvalidConfigError,
    InvalidModelInfoError,
    UnsupportedModelError,
)
from ..types import HubModel, ModelInfo, ModelType
from .card import first_sentence
from .identify import Evidence, Identity, identify, search_words
from .requests import HubRequests

if TYPE_CHECKING:
    import huggingface_hub

__all__ = ["MAX_LIMIT", "check_request", "inspect", "search"]

MAX_LIMIT = 100
"""Most results that one search gives."""

_CONFIG_LIMIT = 1 << 20
_CARD_LIMIT = 1 << 16
_SEARCH_FIELDS = (
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "safetensors",
    "siblings",
    "tags",
    "usedStorage",
)
_MOST_NAMES = 2000
"""Files of one repository that a search looks at; what it is shows in the first ones."""
_FORMATS = {
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".gguf": "gguf",
    ".h5": "tensorflow",
    ".msgpack": "flax",
}
"""Weights by their ending; all others are pickles."""
_BYTES_PER_PARAMETER = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
}


def search(
    query: str,
    *,
    model_type: ModelType | None = None,
    limit: int = 20,
    min_size: int | None = None,
    max_size: int | None = None,
    endpoint: str | None = None,
    token: str | bool | None = None,
) -> list[HubModel]:
    """Repositories whose name contains `query`, most downloaded first.

    Args:
        query: Part of a repository's name; empty for any.
        model_type: Only repositories of this type.
        limit: How many at most, 1 to `MAX_LIMIT`.
        min_size, max_size: Only repositories of so many bytes, among the `MAX_LIMIT` most downloaded; one whose
            size the Hub does not tell is left out then.
        endpoint: Address of the Hub; None for huggingface_hub's own.
        token: None for the stored one, False for none.

    Raises:
        InvalidConfigError: The query is not text, the limit is out of range, or a size is none.
        HubUnavailableError: The Hub did not answer.
    """
    if not isinstance(query, str):
        raise InvalidConfigError(f"the query must be text, not {type(query).__name__}", hint="Give part of a name.")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidConfigError(
            f"limit is {limit!r}; it must be a whole number from 1 to {MAX_LIMIT}", hint="Leave it out for 20."
        )
    is_wanted_size = _size_check(min_size, max_size)
    by_size = min_size is not None or max_size is not None
    wanted = None if model_type is None else ModelType(model_type)
    hub = HubRequests(endpoint, token)
    found: dict[str, HubModel] = {}
    for restriction in _restrictions(wanted):
        params = {"search": query.strip(), "sort": "downloads", "limit": MAX_LIMIT if by_size else limit, **restriction}
        for model in hub.get_json("api/models", {**params, "expand": list(_SEARCH_FIELDS)}, _listed):
            if (wanted is None or model.model_type is wanted) and is_wanted_size(model.size):
                found.setdefault(model.repo_id, model)
    return sorted(found.values(), key=lambda model: (-model.downloads, model.repo_id))[:limit]


def inspect(
    repo_id: str,
    *,
    revision: str | None = None,
    model_id: str | None = None,
    model_type: ModelType | str | None = None,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
    endpoint: str | None = None,
    token: str | bool | None = None,
) -> ModelInfo:
    """What a repository is, how large its download would be, and under which terms.

    Args:
        repo_id: `owner/name`.
        revision: Branch, tag or commit; None for the default branch. Becomes the record's `version`.
        model_id: Name to register it under; None for the repository's name.
        model_type: Overrides what the repository seems to be.
        allow_patterns, ignore_patterns: Globs that take the place of the automatic choice of files; they
            become part of the record's metadata.
        endpoint: Address of the Hub; None for huggingface_hub's own.
        token: None for the stored one, False for none.

    Raises:
        InvalidModelInfoError: A name or pattern is malformed or the type unknown, and nothing was asked of the
            Hub; or the patterns leave no file.
        RepositoryNotFoundError, RevisionNotFoundError, GatedModelError, HubUnavailableError: See there.
        UnsupportedModelError: Nothing in the repository tells its type.
    """
    from ..downloads.listing import SUMMARY_KEY, summarize
    from ..downloads.selection import choose  # the download's own rule, so that the estimate is the download

    wanted = check_request(repo_id, revision, model_id, model_type, allow_patterns, ignore_patterns)
    model_id = repo_id.rpartition("/")[2] if model_id is None else model_id
    repository = _Repository(repo_id, revision, model_id, endpoint, token)
    info = repository.info()
    commit, sizes = _described(info, repo_id, repository.host)
    choice = choose(list(sizes), allow_patterns, ignore_patterns)
    if sizes and not choice.files:
        raise InvalidModelInfoError(
            f"No file of {repo_id!r} is left by the patterns",
            model_id=model_id,
            hint="A pattern is a glob over the whole path, such as '*.json' or 'onnx/*'.",
        )
    identity = _identity(repository, info, commit, tuple(sizes), wanted)
    if identity.none_of_ours and identity.model_type is None:
        raise UnsupportedModelError(
            f"{repo_id!r} is none of the types that can be loaded ({identity.reason})",
            model_id=model_id,
            hint=f"The types are: {', '.join(t.value for t in ModelType)}. "
            "With model_type=... it can be registered and downloaded, but not loaded.",
        )
    if identity.model_type is None:
        raise UnsupportedModelError(
            f"Nothing in {repo_id!r} tells which type of model it is ({identity.reason or 'no metadata'})",
            model_id=model_id,
            hint=f"Pass model_type=..., one of: {', '.join(t.value for t in ModelType)}.",
        )
    return ModelInfo(
        model_id=model_id,
        model_type=identity.model_type,
        repo_id=repo_id,
        description=_description(repository, info, commit, sizes),
        total_size_estimate=sum(sizes[path] for path in choice.files),
        file_count_estimate=len(choice.files),
        version=revision,
        tags=tuple(info.tags or ()),
        metadata={
            "commit": commit,
            "licence": _licence(info),
            "gated": bool(info.gated),
            "pipeline_tag": info.pipeline_tag,
            "library": info.library_name or identity.library,
            "downloads": info.downloads or 0,
            "likes": info.likes or 0,
            **_patterns(allow_patterns, ignore_patterns),
            SUMMARY_KEY: summarize(sizes, choice),
        },
    )


class _Repository:
    """One repository at one revision, and how to ask for it."""

    def __init__(
        self, repo_id: str, revision: str | None, model_id: str, endpoint: str | None, token: str | bool | None
    ) -> None:
        self._hub = HubRequests(endpoint, token, repo_id=repo_id, revision=revision, model_id=model_id)
        self._path = f"api/models/{repo_id}" + (f"/revision/{quote(revision, safe='')}" if revision else "")

    @property
    def host(self) -> str:
        """Who is asked; may be shown."""
        return self._hub.host

    def info(self) -> huggingface_hub.ModelInfo:
        from huggingface_hub import ModelInfo as HubModelInfo

        return self._hub.get_json(self._path, {"blobs": "true"}, lambda fields: HubModelInfo(**fields))

    def read(self, path: str, commit: str, limit: int) -> bytes:
        return self._hub.get_file(path, commit, limit=limit)

    def read_json(self, path: str, commit: str) -> Mapping[str, Any]:
        """A small JSON file; broken or enormous counts as empty."""
        try:
            return msgspec.json.decode(self.read(path, commit, _CONFIG_LIMIT), type=dict[str, Any])
        except msgspec.DecodeError:
            return {}


def check_request(
    repo_id: object,
    revision: object = None,
    model_id: object = None,
    model_type: object = None,
    allow_patterns: object = None,
    ignore_patterns: object = None,
) -> ModelType | None:
    """What `inspect` would refuse before it asks anything; the type that is wanted, where one is.

    Raises:
        InvalidModelInfoError: A name or pattern is malformed or the type unknown.
    """
    try:
        names.check_repo_id(repo_id)
        if revision is not None:
            names.check_revision(revision)
        if model_id is not None:
            names.check_model_id(model_id)
        for what, patterns in (("allow_patterns", allow_patterns), ("ignore_patterns", ignore_patterns)):
            if patterns is not None:
                names.check_patterns(patterns, what)
        return None if model_type is None else ModelType(model_type)  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidModelInfoError(
            str(error),
            model_id=model_id if isinstance(model_id, str) else None,
            hint=f"A repository is written as 'owner/name'; types are: {', '.join(t.value for t in ModelType)}.",
        ) from None


def _described(info: huggingface_hub.ModelInfo, repo_id: str, host: str) -> tuple[str, dict[str, int]]:
    """The commit and the size of each file (bytes), every name and hash of known form."""
    sizes: dict[str, int] = {}
    try:
        commit = names.check_commit(info.sha)
        for sibling in info.siblings or ():
            if sibling.blob_id is not None:
                names.check_digest(sibling.blob_id)
            if sibling.lfs is not None:
                names.check_digest(sibling.lfs.sha256)
            sizes[names.check_file_path(sibling.rfilename)] = max(sibling.size or 0, 0)
    except ValueError as error:
        raise HubUnavailableError(
            f"{host} describes {repo_id!r} in a way that cannot be trusted: {error}",
            hint="Check that the endpoint is a Hub that you trust.",
        ) from None
    return commit, sizes


def _patterns(allow: Sequence[str] | None, ignore: Sequence[str] | None) -> dict[str, list[str]]:
    given = {"allow_patterns": allow, "ignore_patterns": ignore}
    return {name: list(patterns) for name, patterns in given.items() if patterns is not None}


def _identity(
    repository: _Repository,
    info: huggingface_hub.ModelInfo,
    commit: str,
    files: tuple[str, ...],
    wanted: ModelType | None,
) -> Identity:
    """What the repository is; small files are fetched only where the Hub's own answer does not tell."""
    evidence = _evidence(info, files)
    identity = identify(evidence)
    if wanted is not None:
        return msgspec.structs.replace(identity, model_type=wanted, reason="as asked")
    if identity.model_type is not None or identity.none_of_ours:
        return identity
    config, index = evidence.config, evidence.index
    if "config.json" in files:
        config = {**config, **repository.read_json("config.json", commit)}
    if "model_index.json" in files and not index:
        index = repository.read_json("model_index.json", commit)
    return identify(msgspec.structs.replace(evidence, config=config, index=index))


def _evidence(info: huggingface_hub.ModelInfo, files: tuple[str, ...]) -> Evidence:
    config = cast("dict[str, Any]", info.config or {})  # pyright: ignore[reportUnknownMemberType]
    index: object = config.get("diffusers")
    return Evidence(
        files=files,
        config=config,
        index=cast("dict[str, Any]", index) if isinstance(index, dict) else {},
        pipeline_tag=info.pipeline_tag,
        library=info.library_name,
        tags=tuple(info.tags or ()),
        gguf_architecture=_gguf_architecture(info),
    )


def _gguf_architecture(info: huggingface_hub.ModelInfo) -> str | None:
    fields = cast("dict[str, Any] | None", info.gguf)  # pyright: ignore[reportUnknownMemberType]
    name: object = fields.get("architecture") if isinstance(fields, dict) else None
    return name if isinstance(name, str) else None


def _description(
    repository: _Repository, info: huggingface_hub.ModelInfo, commit: str, files: Mapping[str, int]
) -> str:
    sentence = ""
    if "README.md" in files and not info.gated:
        try:
            sentence = first_sentence(repository.read("README.md", commit, _CARD_LIMIT).decode(errors="replace"))
        except DownloadError:
            sentence = ""  # a description is not worth failing for
    return sentence or info.pipeline_tag or ""


def _restrictions(model_type: ModelType | None) -> list[dict[str, Any]]:
    """The queries that together cover a type: the Hub filters by one pipeline tag at a time."""
    if model_type is None:
        return [{}]
    pipelines, tags = search_words(model_type)
    return [{"pipeline_tag": tag} for tag in pipelines] + [{"filter": [tag]} for tag in (*tags, model_type.value)]


def _size_check(min_size: object, max_size: object) -> Callable[[int | None], bool]:
    """Whether a size, None where it is unknown, lies between two others, each None for no limit."""
    for name, size in (("min_size", min_size), ("max_size", max_size)):
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise InvalidConfigError(
                f"{name} is {size!r}; it must be a number of bytes, 0 or more", hint="Leave it out for any size."
            )
    least = min_size if isinstance(min_size, int) else 0
    most = max_size if isinstance(max_size, int) else None
    if most is not None and least > most:
        raise InvalidConfigError(
            f"min_size is {least} and max_size {most}: nothing is between them", hint="Exchange them."
        )
    if min_size is None and max_size is None:
        return lambda _size: True
    return lambda size: size is not None and size >= least and (most is None or size <= most)


def _listed(items: Any) -> list[HubModel]:
    """One page of the Hub's list."""
    import huggingface_hub

    if not isinstance(items, list):
        raise ValueError("a list was expected")
    entries = cast("list[dict[str, Any]]", items)
    return [_hub_model(huggingface_hub.ModelInfo(**entry)) for entry in entries if _usable(entry)]


def _usable(item: dict[str, Any]) -> bool:
    """False for a repository whose name nothing else here would accept."""
    try:
        names.check_repo_id(item.get("id"))
    except ValueError:
        return False
    return True


def _hub_model(info: huggingface_hub.ModelInfo) -> HubModel:
    from ..downloads.selection import choose_files, is_weights

    weights = _weights(info)
    files = choose_files([sibling.rfilename for sibling in (info.siblings or ())[:_MOST_NAMES]])
    identity = identify(_evidence(info, files))
    formats = {_FORMATS.get(PurePosixPath(path).suffix.lower(), "pickle") for path in files if is_weights(path)}
    return HubModel(
        repo_id=info.id,
        model_type=identity.model_type,
        downloads=info.downloads or 0,
        likes=info.likes or 0,
        size=info.used_storage if weights is None else weights,
        licence=_licence(info),
        gated=bool(info.gated),
        last_modified=info.last_modified,
        tags=tuple(info.tags or ()),
        weights=weights,
        formats=tuple(sorted(formats)),
        needs_code=identity.needs_code,
    )


def _weights(info: huggingface_hub.ModelInfo) -> int | None:
    """Bytes of the weights in safetensors files; None where there are none, or the Hub did not read them."""
    if info.safetensors is None:
        return None
    counts = info.safetensors.parameters
    weights = sum(int(count * _BYTES_PER_PARAMETER.get(dtype, 1)) for dtype, count in counts.items())
    return weights if weights > 0 else None


def _licence(info: huggingface_hub.ModelInfo) -> str | None:
    for tag in info.tags or ():
        if tag.startswith("license:"):
            return tag.removeprefix("license:")
    card: Any = info.card_data
    licence = getattr(card, "license", None)
    return licence if isinstance(licence, str) else None
