"""The JSON that the demo hub answers about repositories: model cards, file lists, search results.

Pure functions from `repositories` records to plain data, in the shapes of the Hub's HTTP API.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import prod
from typing import Any, cast

from .repositories import Commit, Repository, RepositoryFile, git_oid

_CARD_HEADER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FORMATS = {"safetensors": ".safetensors", "onnx": ".onnx", "gguf": ".gguf", "pytorch": ".bin"}
_SORT_KEYS = {
    "downloads": "downloads",
    "likes": "likes",
    "lastModified": "lastModified",
    "last_modified": "lastModified",
    "createdAt": "createdAt",
    "created_at": "createdAt",
    "trendingScore": "trendingScore",
    "trending_score": "trendingScore",
}


def model_document(repo: Repository, commit: Commit, *, blobs: bool = False, security: bool = False) -> dict[str, Any]:
    """What `/api/models/ID` says of a repository at one commit."""
    card = card_data(commit)
    first = min(repo.commits.values(), key=lambda each: each.date)
    document: dict[str, Any] = {
        "_id": commit.oid[:24],
        "id": repo.repo_id,
        "modelId": repo.repo_id,
        "author": repo.repo_id.partition("/")[0] if "/" in repo.repo_id else None,
        "sha": commit.oid,
        "lastModified": _iso(commit.date),
        "createdAt": _iso(first.date),
        "private": repo.private,
        "gated": repo.gated,
        "disabled": repo.disabled,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "trendingScore": 0,
        "tags": _tags(repo, commit, card),
        "cardData": card,
        "siblings": [_sibling(file, blobs=blobs) for file in commit.files.values()],
        "spaces": [],
        "usedStorage": sum(file.size for file in commit.files.values()),
    }
    for key in ("pipeline_tag", "library_name"):
        if card.get(key):
            document[key] = card[key]
    if config := _config(commit):
        document["config"] = config
    if parameters := _safetensors_parameters(commit):
        document["safetensors"] = {"parameters": parameters, "total": sum(parameters.values())}
    if security:
        document["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    return document


def search(repositories: Iterable[Repository], query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The repositories a `/api/models` query finds, in its order; the caller makes the pages."""
    documents = [model_document(repo, commit) for repo in repositories if (commit := repo.resolve("main"))]
    found = [document for document in documents if _is_wanted(document, query)]
    key = _SORT_KEYS.get(query.get("sort", ["trendingScore"])[0], "trendingScore")
    ascending = query.get("direction", ["-1"])[0] == "1"
    found.sort(key=lambda document: document["id"])
    found.sort(key=lambda document: document[key], reverse=not ascending)
    return [_shortened(document, query) for document in found]


def tree_document(commit: Commit, folder: str, *, recursive: bool, expand: bool) -> list[dict[str, Any]] | None:
    """Files and folders under `folder` ("" is the root), or None where there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    inside = {path: file for path, file in commit.files.items() if path.startswith(prefix)}
    if folder and not inside:
        return None
    entries: dict[str, dict[str, Any]] = {}
    for path, file in inside.items():
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            name = prefix + "/".join(parts[:depth])
            entries.setdefault(name, _tree_folder(commit, name))
        if recursive or len(parts) == 1:
            entries[path] = _tree_file(file)
    if expand:
        for entry in entries.values():
            entry["lastCommit"] = {"id": commit.oid, "title": commit.title, "date": _iso(commit.date)}
            if entry["type"] == "file":
                entry["securityFileStatus"] = {"status": "safe", "avScan": None, "pickleImportScan": None}
    return [entries[name] for name in sorted(entries)]


def refs_document(repo: Repository) -> dict[str, Any]:
    """What `/api/models/ID/refs` says."""
    return {
        "branches": [_ref("heads", name, oid) for name, oid in repo.branches.items()],
        "tags": [_ref("tags", name, oid) for name, oid in repo.git_tags.items()],
        "converts": [],
        "pullRequests": [],
    }


def card_data(commit: Commit) -> dict[str, Any]:
    """The YAML header of README.md; empty where there is none or it is not a mapping."""
    import yaml

    card = commit.files.get("README.md")
    header = _CARD_HEADER.match(card.read().decode(errors="replace")) if card else None
    if header is None:
        return {}
    try:
        data = yaml.safe_load(header.group(1))
    except yaml.YAMLError:
        return {}
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _is_wanted(document: Mapping[str, Any], query: Mapping[str, list[str]]) -> bool:
    name, tags = str(document["id"]).lower(), set(document["tags"])
    return (
        all(word.lower() in name for text in query.get("search", []) for word in text.split())
        and all(author == document["author"] for author in query.get("author", []))
        and all(tag in tags for value in query.get("filter", []) for tag in value.split(","))
        and all(tag == document.get("pipeline_tag") for tag in query.get("pipeline_tag", []))
        and all((wanted.lower() == "true") == bool(document["gated"]) for wanted in query.get("gated", []))
    )


def _shortened(document: Mapping[str, Any], query: Mapping[str, list[str]]) -> dict[str, Any]:
    """A search result says less than `model_document` unless the query asks for more."""
    if wanted := query.get("expand"):
        return {key: value for key, value in document.items() if key in {"_id", "id", "modelId", *wanted}}
    dropped = {"safetensors", "spaces", "usedStorage"}
    if "config" not in query:
        dropped.add("config")
    if "cardData" not in query and "full" not in query:
        dropped.add("cardData")
    if "full" not in query:
        dropped |= {"author", "sha", "lastModified", "gated", "disabled", "siblings"}
    return {key: value for key, value in document.items() if key not in dropped}


def _tags(repo: Repository, commit: Commit, card: Mapping[str, Any]) -> list[str]:
    tags: dict[str, None] = {}
    if card.get("library_name"):
        tags[str(card["library_name"])] = None
    for name, suffix in _FORMATS.items():
        if any(path.endswith(suffix) for path in commit.files):
            tags[name] = None
    tags.update(dict.fromkeys([*_words(card.get("tags")), *_words(card.get("language")), *repo.tags]))
    if card.get("pipeline_tag"):
        tags[str(card["pipeline_tag"])] = None
    if card.get("license"):
        tags[f"license:{card['license']}"] = None
    tags["region:us"] = None
    return list(tags)


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(word) for word in cast("list[Any]", value)]
    return [] if value is None else [str(value)]


def _sibling(file: RepositoryFile, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    sibling: dict[str, Any] = {"rfilename": file.path, "blobId": file.oid, "size": file.size}
    if file.sha256:
        sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return sibling


def _tree_file(file: RepositoryFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": file.path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return entry


def _tree_folder(commit: Commit, name: str) -> dict[str, Any]:
    listing = "\n".join(f"{file.oid} {path}" for path, file in commit.files.items() if path.startswith(f"{name}/"))
    return {"type": "directory", "oid": git_oid("tree", listing.encode()), "size": 0, "path": name}


def _ref(kind: str, name: str, oid: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}


def _config(commit: Commit) -> dict[str, Any]:
    config = _json_file(commit, "config.json")
    shown = {key: config[key] for key in ("architectures", "model_type") if key in config}
    pipeline = _json_file(commit, "model_index.json").get("_class_name")
    if pipeline:
        shown["diffusers"] = {"_class_name": pipeline}
    tokenizer = _json_file(commit, "tokenizer_config.json")
    if tokenizer:
        shown["tokenizer_config"] = {key: value for key, value in tokenizer.items() if isinstance(value, str)}
    return shown


def _json_file(commit: Commit, path: str) -> dict[str, Any]:
    file = commit.files.get(path)
    try:
        data: object = json.loads(file.read()) if file else None
    except ValueError:
        return {}
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _safetensors_parameters(commit: Commit) -> dict[str, int]:
    """Parameters by data type over the safetensors files, read from their headers."""
    total: dict[str, int] = {}
    for path, file in commit.files.items():
        if path.endswith(".safetensors"):
            for dtype, count in _header_parameters(file).items():
                total[dtype] = total.get(dtype, 0) + count
    return total


def _header_parameters(file: RepositoryFile) -> dict[str, int]:
    counts: dict[str, int] = {}
    try:
        with file.open() as content:
            (length,) = struct.unpack("<Q", content.read(8))
            header = cast("dict[str, Any]", json.loads(content.read(min(length, file.size))))
        for name, tensor in header.items():
            if name != "__metadata__":
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + prod(tensor["shape"])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        return {}  # random bytes under a model's name: tests have them, the Hub says nothing of them either
    return counts


def _iso(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%S.000Z")
