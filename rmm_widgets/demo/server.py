"""The demo hub: a Hugging Face Hub on the loopback address, with a CDN beside it and faults on demand.

Real HTTP for a real client, for demonstrations without internet and for tests of everything that can
go wrong. It only puts the parts together: `repositories`, `routes`, `faults`, `log` and two `origin`s.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .faults import Fault, FaultList, Injected
from .log import Exchange, LoggedRequest, RequestLog
from .messages import Answer, OriginName, Request, error_answer
from .origin import Link, Origin, check_link
from .repositories import Gate, Repositories, Source, folder_sources
from .routes import Routes

# Unlike anything else, so that a search of files tells where they got to.
MEMBER_TOKEN = "hf_memberOfTheDemoHub7Qx2vW"  # noqa: S105
STRANGER_TOKEN = "hf_strangerAtTheDemoHub4Kp9z"  # noqa: S105
Content = Path | Mapping[str, Source]
"""A repository's files: a folder, or bytes and paths by name."""


class DemoHub:
    """A Hub that huggingface_hub accepts as its endpoint.

    Args:
        repositories: Repositories to begin with: a folder of folders, or contents by id. An id without
            an owner gets `namespace`.
        namespace: The owner of repositories without one.
        port: Port of the hub, 0 for any free one; the CDN always takes a free one.

    Attributes:
        tokens: Valid tokens; True where the account may read private and gated repositories.
    """

    def __init__(
        self,
        repositories: Path | Mapping[str, Content] | None = None,
        *,
        namespace: str = "rmm-demo",
        port: int = 0,
    ) -> None:
        self.namespace = namespace
        self.tokens: dict[str, bool] = {MEMBER_TOKEN: True, STRANGER_TOKEN: False}
        self._port = port
        self._repositories = Repositories()
        self._routes = Routes(self._repositories, self.tokens, secrets.token_bytes(16))
        self._faults = FaultList()
        self._log = RequestLog()
        self._link = Link()
        self._down = False
        self._origins: tuple[Origin, Origin] | None = None
        if isinstance(repositories, Path):
            repositories = {folder.name: folder for folder in sorted(repositories.iterdir()) if folder.is_dir()}
        for repo_id, content in (repositories or {}).items():
            self.add(repo_id, content)

    def start(self) -> Self:
        """Listen and serve.

        Raises:
            OSError: The port is taken.
            RuntimeError: It runs already.
        """
        if self._origins is not None:
            raise RuntimeError("the demo hub runs already")
        self._link.closed.clear()
        hub = Origin("hub", self._port, self._respond, self._link)
        try:
            cdn = Origin("cdn", 0, self._respond, self._link)
        except OSError:
            hub.close()
            raise
        self._origins = (hub, cdn)
        self._routes.hub_url, self._routes.cdn_url = hub.url, cdn.url
        return self

    def stop(self) -> None:
        """End every connection, thread and socket; nothing where it does not run."""
        origins, self._origins = self._origins, None
        self._link.closed.set()
        for origin in origins or ():
            origin.close()

    def __enter__(self) -> Self:
        return self.start() if self._origins is None else self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The endpoint to give to a client, without a trailing slash."""
        return self._running()[0].url

    @property
    def cdn_url(self) -> str:
        """Where the hub sends clients for files in LFS."""
        return self._running()[1].url

    def announce(self, hub_url: str, cdn_url: str) -> None:
        """Send clients to these addresses until the next start, because something stands in front: TLS, a proxy."""
        self._running()
        self._routes.hub_url, self._routes.cdn_url = hub_url, cdn_url

    # -- repositories -------------------------------------------------------------------------------

    def add(
        self,
        repo_id: str,
        content: Content,
        *,
        revision: str = "main",
        gated: Gate = False,
        private: bool = False,
        disabled: bool = False,
        downloads: int = 0,
        likes: int = 0,
        tags: tuple[str, ...] = (),
    ) -> str:
        """Add a repository or another branch of one; an existing branch gets this content as a new commit.

        Args:
            content: A folder, or bytes and paths by file name. Files are read when they are asked for, so
                they must not change.
            gated: True is "manual".
            tags: Words added to those of the card.

        Returns:
            The commit.

        Raises:
            ValueError: The id, the revision or a file name could not exist on the Hub.
        """
        sources = folder_sources(content) if isinstance(content, Path) else content
        return self._repositories.put(
            self._full_id(repo_id),
            sources,
            revision=revision,
            gated=gated,
            private=private,
            disabled=disabled,
            downloads=downloads,
            likes=likes,
            tags=tags,
        )

    def update(self, repo_id: str, files: Mapping[str, Source | None], *, revision: str = "main") -> str:
        """Commit changed or new files to a branch; None deletes one. Returns the new commit."""
        return self._repositories.update(self._full_id(repo_id), files, revision=revision)

    def tag(self, repo_id: str, name: str, *, revision: str = "main") -> str:
        """Give a revision a git tag. Returns its commit."""
        return self._repositories.tag(self._full_id(repo_id), name, revision=revision)

    def remove(self, repo_id: str) -> None:
        """Take a repository away."""
        self._repositories.remove(self._full_id(repo_id))

    @property
    def repo_ids(self) -> tuple[str, ...]:
        """The ids of all repositories."""
        return tuple(repo.repo_id for repo in self._repositories)

    def commit(self, repo_id: str, revision: str = "main") -> str:
        """The commit a revision names now; KeyError where there is none."""
        repo = self._repositories.get(self._full_id(repo_id))
        found = repo.resolve(revision) if repo else None
        if found is None:
            raise KeyError(f"{repo_id}@{revision}")
        return found.oid

    # -- what was asked -----------------------------------------------------------------------------

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests so far, in the order they came; also those still being answered."""
        return self._log.snapshot()

    def count(
        self,
        *,
        repo: str | None = None,
        path: str | None = None,
        method: str | None = None,
        origin: OriginName | None = None,
        status: int | None = None,
    ) -> int:
        """How many requests had all of these; `path` is a pattern for the file inside the repository."""
        return len(self._log.select(repo=repo, path=path, method=method, origin=origin, status=status))

    def bytes_sent(self, repo: str | None = None, path: str | None = None) -> int:
        """Bytes of bodies sent; of files only, where `path` (a pattern such as "*") is given.

        Sent means given to the network: a client that goes away leaves some unread.
        """
        return sum(each.bytes_sent for each in self._log.select(repo=repo, path=path))

    def reset_log(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    # -- what goes wrong ----------------------------------------------------------------------------

    def inject(self, fault: Fault) -> Injected:
        """Put a fault in force. The first injected one whose turn it is wins; `.used` counts."""
        return self._faults.inject(fault)

    def clear_faults(self) -> None:
        """Take all faults away. A connection that is stalled already stays stalled."""
        self._faults.clear()

    @property
    def latency(self) -> float:
        """Seconds before every answer."""
        return self._link.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        check_link(rate=None, latency=seconds)
        self._link.latency = seconds

    @property
    def rate(self) -> float | None:
        """Bytes per second that all connections share, None for no limit."""
        return self._link.rate

    @rate.setter
    def rate(self, bytes_per_second: float | None) -> None:
        check_link(rate=bytes_per_second, latency=0.0)
        self._link.rate = bytes_per_second

    @property
    def down(self) -> bool:
        """True: every answer is a 503."""
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        self._down = down

    @property
    def offline(self) -> bool:
        """True: connections are refused, open ones are dropped. Set it back and the same ports answer again."""
        return not self._running()[0].is_listening

    @offline.setter
    def offline(self, offline: bool) -> None:
        if offline == self.offline:
            return
        for origin in self._running():
            if offline:
                origin.refuse()
            else:
                origin.accept_again()

    @property
    def page_size(self) -> int:
        """Most entries in one page of a listing."""
        return self._routes.page_size

    @page_size.setter
    def page_size(self, entries: int) -> None:
        self._routes.page_size = entries

    @property
    def url_lifetime(self) -> float:
        """Seconds for which an address at the CDN is good."""
        return self._routes.url_lifetime

    @url_lifetime.setter
    def url_lifetime(self, seconds: float) -> None:
        self._routes.url_lifetime = seconds

    @property
    def xet(self) -> bool:
        """Whether files in LFS can also be had by the Xet protocol, and say so. Off at first."""
        return self._routes.xet

    @xet.setter
    def xet(self, offered: bool) -> None:
        self._routes.xet = offered

    def __repr__(self) -> str:
        state = "stopped" if self._origins is None else self.url
        return f"<DemoHub {len(self._repositories)} repositories, {state}>"

    def _running(self) -> tuple[Origin, Origin]:
        if self._origins is None:
            raise RuntimeError("the demo hub does not run; call start() first")
        return self._origins

    def _full_id(self, repo_id: str) -> str:
        return repo_id if "/" in repo_id else f"{self.namespace}/{repo_id}"

    def _respond(self, request: Request) -> tuple[Exchange, Answer, Fault | None]:
        exchange = self._log.begin(request)
        if self._down:
            answer, fault = error_answer(503, "", "The demo hub is down"), None
        else:
            answer, fault = self._spoiled(request, self._routes.answer(request))
        exchange.answer = answer
        return exchange, answer, fault

    def _spoiled(self, request: Request, answer: Answer) -> tuple[Answer, Fault | None]:
        fault = self._faults.take(request, answer)
        if fault is None:
            return answer, None
        misread = fault.reread(request)
        if misread is not request:
            answer = self._routes.answer(misread)
        base = self._routes.hub_url if request.origin == "hub" else self._routes.cdn_url
        own_url = f"{base}{request.target}{'?' if request.query else ''}{request.query}"
        return fault.edit(answer, own_url), fault
