"""A repository's id is checked by one function, wherever it enters: what is none reaches no hub and no disk."""

from __future__ import annotations

import asyncio
import random
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.spec import FetchSpec
from rmm_widgets.errors import (
    InvalidCommandError,
    InvalidModelInfoError,
    RepositoryNotFoundError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelInfo, ModelType

LONG = 120.0
COUNT = 10_000

# Between two valid parts: the Hub's own ids have one slash and none of these.
WRONG_PARTS = ["..", ".", "", " ", "-", "a--b", "a..b", ".hidden", "ends.", "ends-", "%2e%2e", "..%2f"]
WRONG_PARTS += [
    "a?b",
    "a#b",
    "a@b",
    "a:b",
    "a\\b",
    "a b",
    "a\nb",
    "a\0b",
    "a\tb",
    "a;b",
    "a&b",
    "a'b",
    '"',
    "`id`",
    "$(id)",
]
LOOKALIKES = "аеорсухіјԁ" + "ΑΒΕ" + "ａｂ" + "é\u200b\u202e\ufeff\u2044\u2215\u29f8"  # noqa: RUF001 - that is the point
LEADS = ["../", "/", "//", "./", "http://", "https://evil.example/", "file:///", "\\\\host\\", "C:/", "hf://", "@", "-"]
TAILS = [
    "/",
    "/..",
    "/../..",
    "/x/y",
    "?x=",
    "?blobs=true",
    "#frag",
    "/resolve/main",
    "\n",
    "\r\nHost: evil",
    " ",
    ".git",
]


def wrong_ids(numbers: random.Random, count: int) -> list[str]:
    """Ids that break at least one rule of the Hub, made from valid ones."""
    letters = "abcXYZ019_-."

    def part() -> str:
        return "a" + "".join(numbers.choice(letters[:9]) for _ in range(numbers.randrange(12))) + "z"

    def lookalike() -> str:
        text = f"{part()}/{part()}"
        at = numbers.randrange(len(text))
        return text[:at] + numbers.choice(LOOKALIKES) + text[at + 1 :]

    def control() -> str:
        text = f"{part()}/{part()}"
        at = numbers.randrange(len(text))
        return text[:at] + chr(numbers.choice([*range(0x20), 0x7F, 0x85, 0xA0, 0x2028])) + text[at:]

    makers: list[Callable[[], str]] = [
        lambda: f"{numbers.choice(WRONG_PARTS)}/{part()}",
        lambda: f"{part()}/{numbers.choice(WRONG_PARTS)}",
        lambda: f"{numbers.choice(LEADS)}{part()}/{part()}",
        lambda: f"{part()}/{part()}{numbers.choice(TAILS)}",
        lambda: "/".join(part() for _ in range(numbers.randrange(3, 9))),
        lambda: f"{part()}/{'x' * numbers.randrange(100, 3000)}",
        lookalike,
        control,
    ]
    return [numbers.choice(makers)() for _ in range(count)]


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> Iterator[str]:
    yield empty_hub.url
    close_session()  # huggingface_hub keeps its connections otherwise


@pytest.mark.slow
def test_S7_ten_thousand_generated_ids_are_refused_everywhere_and_nothing_is_asked(
    manager: ModelManager, empty_hub: DemoHub, tmp_path: Path, numbers: random.Random
) -> None:
    ids = [*wrong_ids(numbers, COUNT), "x" * 5_000_000, "../x", "a/b?x=", "http://..", "аpple/x"]  # noqa: RUF001
    cache = tmp_path / "cache"
    for repo_id in ids:
        with pytest.raises(InvalidModelInfoError) as caught:
            raise AssertionError(ModelInfo("m", ModelType.EMBEDDING_MODEL, repo_id))
        assert len(str(caught.value)) < 300
        with pytest.raises(ValueError):
            CacheLayout(cache, repo_id)

    for repo_id, job in [(repo_id, manager.register_from_hub(repo_id)) for repo_id in ids]:
        error = job.exception(LONG)
        assert isinstance(error, InvalidModelInfoError), repo_id
        assert error.hint

    context = Context(manager=manager, table=TABLE)
    for repo_id in ids:
        if "@" in repo_id:
            continue  # there it parts the repository from the revision
        with pytest.raises(InvalidCommandError):
            execute_line(context, f"add -- {shlex.quote(repo_id)}")

    asyncio.run(refuse_all(ids, empty_hub.url, cache))
    assert empty_hub.requests == []
    assert manager.get_all_models() == {}
    assert not cache.exists()


async def refuse_all(ids: list[str], endpoint: str, cache: Path) -> None:
    """The fetch process's door: no process is started for what is refused."""
    client = FetchClient()
    for repo_id in ids:
        spec = FetchSpec("m", repo_id, None, endpoint, str(cache), None)
        with pytest.raises(RepositoryNotFoundError) as caught:
            await client.fetch(spec, lambda _progress: None)
        assert caught.value.hint
    assert client.pid is None
    await client.aclose()


def test_S7_valid_ids_are_let_through(manager: ModelManager, empty_hub: DemoHub) -> None:
    """So that the refusals above mean something."""
    for number, repo_id in enumerate(["gpt2", "a/b", "Org_1/Model-1.0_x", "x/" + "y" * 94]):
        assert ModelInfo(f"m{number}", ModelType.EMBEDDING_MODEL, repo_id).repo_id == repo_id
        empty_hub.reset_log()
        with pytest.raises(RepositoryNotFoundError):
            manager.register_from_hub(repo_id).result(LONG)
        assert empty_hub.count() == 1
