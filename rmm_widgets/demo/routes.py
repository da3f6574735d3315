"""What the demo hub answers to a request when nothing is spoiled: the Hub's API, `resolve`, and the CDN.

Decides only; the bytes are sent by `origin`, the JSON is made in `documents`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from . import documents
from .messages import Answer, FileSlice, Request, UnsatisfiableRangeError, error_answer, json_answer, parse_range
from .repositories import Commit, Repositories, Repository, RepositoryFile
from .xet import XetStorage, xet_hash

DEFAULT_PAGE = 1000
_API_VERBS = frozenset(["auth-check", "refs", "revision", "tree", "xet-read-token"])


class Routes:
    """Maps requests to answers.

    Attributes:
        tokens: Valid tokens; True where the account may read private and gated repositories.
        page_size: Most entries in one page of a listing.
        url_lifetime: Seconds for which the CDN accepts an address that `resolve` gave.
        xet: Offer the files in LFS by the Xet protocol too, at the CDN's address.
    """

    def __init__(self, repositories: Repositories, tokens: Mapping[str, bool], secret: bytes) -> None:
        self.repositories = repositories
        self.tokens = tokens
        self.page_size = DEFAULT_PAGE
        self.url_lifetime = 3600.0
        self.xet = False
        self.hub_url = ""
        self.cdn_url = ""
        self._secret = secret
        self._storage = XetStorage(repositories, self._signed)

    def answer(self, request: Request) -> Answer:
        """The answer to a request, for either origin."""
        if request.method not in {"GET", "HEAD"}:
            return error_answer(405, "", "Method not allowed")
        if request.origin == "cdn":
            return self._cdn(request)
        parts = request.target.strip("/").split("/")
        if request.token is not None and request.token not in self.tokens:
            return error_answer(401, "", "Invalid credentials in Authorization header")
        if parts == ["api", "whoami-v2"]:
            return self._whoami(request)
        if parts == ["api", "models"]:
            return self._list(request)
        if parts[:2] == ["api", "models"]:
            return self._api(request, parts[2:])
        return self._resolve(request, parts)

    def _whoami(self, request: Request) -> Answer:
        if request.token is None:
            return error_answer(401, "", "Invalid username or password.")
        name = "member" if self.tokens[request.token] else "stranger"
        return json_answer({"type": "user", "id": name, "name": name, "fullname": name, "orgs": [], "auth": {}})

    def _list(self, request: Request) -> Answer:
        query = parse_qs(request.query)
        visible = [repo for repo in self.repositories if not repo.private or self._is_member(request)]
        return self._page(request, documents.search(visible, query))

    def _api(self, request: Request, parts: list[str]) -> Answer:
        at = next((index for index in (1, 2) if parts[index : index + 1] and parts[index] in _API_VERBS), len(parts))
        repo = self._visible(request, "/".join(parts[:at]))
        if isinstance(repo, Answer):
            return repo
        answer = self._api_verb(request, repo, parts[at:])
        return _about(answer, repo)

    def _api_verb(self, request: Request, repo: Repository, parts: list[str]) -> Answer:
        verb, revision = parts[0] if parts else "revision", unquote(parts[1]) if len(parts) > 1 else "main"
        if verb == "auth-check":
            return self._gate(request, repo) or json_answer({"ok": True})
        if verb == "xet-read-token":
            return self._gate(request, repo) or self._xet_token()
        if verb == "refs":
            return json_answer(documents.refs_document(repo))
        commit = repo.resolve(revision)
        if commit is None:
            return error_answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        query = parse_qs(request.query)
        if verb == "tree":
            return self._tree(request, commit, unquote("/".join(parts[2:])), query)
        document = documents.model_document(
            repo, commit, blobs=_flag(query, "blobs"), security=_flag(query, "securityStatus")
        )
        if wanted := query.get("expand"):
            document = {key: value for key, value in document.items() if key in {"_id", "id", *wanted}}
        return json_answer(document)

    def _tree(self, request: Request, commit: Commit, folder: str, query: Mapping[str, list[str]]) -> Answer:
        entries = documents.tree_document(
            commit, folder.strip("/"), recursive=_flag(query, "recursive"), expand=_flag(query, "expand")
        )
        if entries is None:
            return error_answer(404, "EntryNotFound", f"{folder} does not exist on this revision")
        return self._page(request, entries)

    def _page(self, request: Request, entries: list[dict[str, Any]]) -> Answer:
        """One page of a listing, with the address of the next one in a Link header."""
        query = parse_qs(request.query)
        size = max(1, min(_number(query, "limit", self.page_size), self.page_size))
        start = _number(query, "cursor", 0)
        headers: dict[str, str] = {}
        if start + size < len(entries):
            following = urlencode({**query, "cursor": [str(start + size)]}, doseq=True)
            headers["Link"] = f'<{self.hub_url}{request.target}?{following}>; rel="next"'
        return json_answer(entries[start : start + size], headers=headers)

    def _resolve(self, request: Request, parts: list[str]) -> Answer:
        at = next((index for index in (1, 2) if parts[index : index + 1] == ["resolve"]), None)
        if at is None or len(parts) < at + 3:
            return error_answer(404, "", "Sorry, we can't find the page you are looking for.")
        repo = self._visible(request, "/".join(parts[:at]))
        if isinstance(repo, Answer):
            return repo
        if refusal := self._gate(request, repo):
            return _about(refusal, repo)
        revision, path = unquote(parts[at + 1]), unquote("/".join(parts[at + 2 :]))
        commit = repo.resolve(revision)
        if commit is None:
            return _about(error_answer(404, "RevisionNotFound", f"Invalid rev id: {revision}"), repo)
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        file = commit.files.get(path)
        if file is None:
            return _about(error_answer(404, "EntryNotFound", "Entry not found"), repo, headers=headers)
        if file.sha256 is None:
            return _about(file_answer(request, file), repo, file=path, headers=headers)
        headers |= {
            "X-Linked-Size": str(file.size),
            "X-Linked-Etag": f'"{file.etag}"',
            "Location": self.signed_url(repo.repo_id, commit.oid, path),
        }
        if self.xet:
            route = f"{self.hub_url}/api/models/{repo.repo_id}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": xet_hash(file), "X-Xet-Refresh-Route": route}
        return _about(Answer(status=302), repo, file=path, headers=headers)

    def signed_url(self, repo_id: str, commit: str, path: str) -> str:
        """An address at the CDN that works without a token until it expires."""
        return self._signed(f"/{repo_id}/{commit}/{quote(path)}")

    def _signed(self, target: str) -> str:
        expires = str(int(time.time() + self.url_lifetime))
        query = {"Expires": expires, "Signature": self._signature(target, expires), "Key-Pair-Id": "RMMDEMO"}
        return f"{self.cdn_url}{target}?{urlencode(query)}"

    def _xet_token(self) -> Answer:
        expires = str(int(time.time() + self.url_lifetime))
        token = f"{expires}.{self._signature('xet', expires)}"
        headers = {"X-Xet-Cas-Url": self.cdn_url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": expires}
        document = {"casUrl": self.cdn_url, "accessToken": token, "exp": int(expires)}
        return json_answer(document, headers=headers)

    def _reconstruction(self, request: Request, version: str, name: str) -> Answer:
        expires, _, signature = (request.token or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature("xet", expires).encode()):
            return error_answer(401, "", "No valid access token")
        if version != "v1":
            return error_answer(404, "", "Only version 1 is spoken here")
        return self._storage.reconstruction(request, name)

    def _cdn(self, request: Request) -> Answer:
        parts = request.target.strip("/").split("/")
        if len(parts) == 3 and parts[1] == "reconstructions":
            return self._reconstruction(request, parts[0], parts[2])
        query = parse_qs(request.query)
        expires, signature = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
        valid = hmac.compare_digest(signature.encode(), self._signature(request.target, expires).encode())
        if not valid or int(expires) < time.time():
            body = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'
            return Answer(status=403, headers={"Content-Type": "application/xml"}, body=body)
        if parts[0] == "xorbs" and len(parts) == 3:
            return self._storage.xorb(request, parts[1], int(parts[2]))
        depth = 1 if self.repositories.get(parts[0]) else 2
        repo = self.repositories.get("/".join(parts[:depth]))
        commit = repo.resolve(parts[depth]) if repo else None
        file = commit.files.get(unquote("/".join(parts[depth + 1 :]))) if commit else None
        if repo is None or file is None:
            return Answer(status=404)
        return _about(file_answer(request, file), repo, file=file.path)

    def _signature(self, target: str, expires: str) -> str:
        return hmac.new(self._secret, f"{target}\n{expires}".encode(), hashlib.sha256).hexdigest()

    def _visible(self, request: Request, quoted_id: str) -> Repository | Answer:
        repo_id = unquote(quoted_id)
        repo = self.repositories.get(repo_id)
        if repo is None or (repo.private and not self._is_member(request)):
            # The Hub tells nobody whether a private repository exists, and asks strangers to log in first.
            if request.token is None:
                return error_answer(401, "RepoNotFound", "Invalid username or password.")
            return error_answer(404, "RepoNotFound", "Repository not found")
        if repo.disabled:
            return _about(error_answer(403, "", "Access to this resource is disabled."), repo)
        return repo

    def _gate(self, request: Request, repo: Repository) -> Answer | None:
        """The refusal of a gated repository's files, or None where they may be read."""
        if not repo.gated or self._is_member(request):
            return None
        restricted = f"Access to model {repo.repo_id} is restricted"
        if request.token is None:
            return error_answer(
                401, "GatedRepo", f"{restricted}. You must be authenticated to access it. Please log in."
            )
        visit = f"Visit {self.hub_url}/{repo.repo_id} to ask for access."
        return error_answer(403, "GatedRepo", f"{restricted} and you are not in the authorized list. {visit}")

    def _is_member(self, request: Request) -> bool:
        return request.token is not None and self.tokens.get(request.token, False)


def file_answer(request: Request, file: RepositoryFile) -> Answer:
    """A file or the range of it that was asked for."""
    etag = f'"{file.etag}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    wanted = request.range if request.if_range in {None, etag} else None
    try:
        chosen = parse_range(wanted, file.size)
    except UnsatisfiableRangeError:
        return Answer(status=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
    if chosen is None:
        return Answer(headers=headers, body=FileSlice(file, 0, file.size))
    start, stop = chosen
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return Answer(status=206, headers=headers, body=FileSlice(file, start, stop))


def _about(
    answer: Answer, repo: Repository, *, file: str | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(
        status=answer.status,
        headers={**answer.headers, **(headers or {})},
        body=answer.body,
        repo=repo.repo_id,
        file=file,
    )


def _flag(query: Mapping[str, list[str]], name: str) -> bool:
    return query.get(name, ["false"])[0].lower() in {"true", "1"}


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[0]
    return int(text) if text.isdecimal() else default
