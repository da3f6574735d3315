"""Search and inspection against a real Hub on the loopback address."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import close_session, constants

from rmm_widgets.demo import MODELS, MODELS_DIR
from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN, DemoHub
from rmm_widgets.errors import (
    DownloadError,
    GatedModelError,
    HubUnavailableError,
    InvalidModelInfoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    UnsupportedModelError,
)
from rmm_widgets.hub import requests
from rmm_widgets.hub.catalogue import inspect, search
from rmm_widgets.types import ModelType

REPO = "rmm-demo/vit-digits"
NOT_TEXT: list[Any] = [None, 3]
HOSTILE_NAMES = ["", " ", "../../etc/passwd", "a/b/c", "a//b", "/a", "a/", "a/..", "a b/c", "-a/b", "a\\b", "a/b\n"]
HOSTILE_NAMES += ["a/b?x=1", "a/b#c", "http://evil/x", "a/b@main", "ä/b", "a/b%2e%2e", "a--b", "x.git", "a" * 200]
HOSTILE_NAMES += NOT_TEXT
HOSTILE_REVISIONS = [*["", "..", "a..b", "a//b", "-x", "a b", "a?b", "%2e%2e", "/a", "a.lock"], "a\n", "x" * 300, 3]


@pytest.fixture(autouse=True)
def no_token_of_the_machine_and_short_pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.02))
    yield
    close_session()


def text_of(error: BaseException) -> str:
    """All that a user could see of an error."""
    notes: list[str] = getattr(error, "__notes__", [])
    seen = [str(error), repr(error), *notes]
    if error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__):
        seen.append("something is chained to it")
    return "\n".join(seen)


# -- inspection -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
def test_inspect_the_demo_models(hub: DemoHub, model: Any) -> None:
    info = inspect(model.repo_id, endpoint=hub.url, token=False)
    files = [path for path in (MODELS_DIR / info.model_id).rglob("*") if path.is_file()]
    assert info.model_id == model.repo_id.partition("/")[2]
    assert info.model_type is model.model_type
    assert info.version is None
    assert info.metadata["commit"] == hub.commit(model.repo_id)
    assert info.metadata["licence"] == "mit"
    assert info.metadata["gated"] is False
    assert info.metadata["pipeline_tag"] in info.tags
    assert info.metadata["library"] in info.tags
    assert info.description.endswith(".")
    assert 0 < info.file_count_estimate <= len(files)
    assert 0 < info.total_size_estimate <= sum(path.stat().st_size for path in files)
    assert hub.count() <= 2
    assert not any(request.authorized for request in hub.requests)


def test_inspect_asks_for_the_revision_and_keeps_it(hub: DemoHub) -> None:
    first = hub.commit(REPO)
    hub.tag(REPO, "v1.0")
    second = hub.update(REPO, {"extra.txt": b"more"})
    for revision, commit in (("v1.0", first), ("main", second), (first, first), (None, second)):
        info = inspect(REPO, revision=revision, endpoint=hub.url, token=False)
        assert info.version == revision
        assert info.metadata["commit"] == commit


def test_names_can_be_given(hub: DemoHub) -> None:
    info = inspect(REPO, model_id="my digits", model_type="embedding_model", endpoint=hub.url, token=False)
    assert info.model_id == "my digits"
    assert info.model_type is ModelType.EMBEDDING_MODEL


def test_the_type_may_be_in_the_configuration_files_only(empty_hub: DemoHub) -> None:
    vision = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}}
    empty_hub.add("org/a", {"config.json": json.dumps(vision).encode(), "model.onnx": b"x"})
    # The Hub's own summary of a configuration leaves out most of it.
    empty_hub.inject(Fault(path="/api/models/org/a", json=lambda answer: {**answer, "config": {}}))
    assert inspect("org/a", endpoint=empty_hub.url, token=False).model_type is ModelType.CAPTION_GENERATOR
    index = {"_class_name": "LLaDA2Pipeline"}
    empty_hub.add("org/b", {"model_index.json": json.dumps(index).encode(), "model.onnx": b"x"})
    empty_hub.inject(Fault(path="/api/models/org/b", json=lambda answer: {**answer, "config": {}}))
    assert inspect("org/b", endpoint=empty_hub.url, token=False).model_type is ModelType.DIFFUSION_LM


@pytest.mark.parametrize("config", [b"", b"{", b"[]", b'{"architectures": 3}', b'{"architectures": [3]}'])
def test_what_has_no_type_asks_for_one(empty_hub: DemoHub, config: bytes) -> None:
    empty_hub.add("org/a", {"config.json": config, "model.onnx": b"x"})
    with pytest.raises(UnsupportedModelError, match="org/a") as caught:
        inspect("org/a", endpoint=empty_hub.url, token=False)
    assert "model_type" in caught.value.hint
    info = inspect("org/a", model_type=ModelType.DETECTION_MODEL, endpoint=empty_hub.url, token=False)
    assert info.model_type is ModelType.DETECTION_MODEL
    assert info.description == ""


def test_a_gated_repository_can_be_inspected(hub: DemoHub) -> None:
    hub.add("org/gated", MODELS_DIR / "vit-digits", gated=True)
    info = inspect("org/gated", endpoint=hub.url, token=False)
    assert info.metadata["gated"] is True
    assert info.model_type is ModelType.CLASSIFICATION_MODEL


def test_a_gated_repository_whose_type_is_in_its_files_names_the_page(empty_hub: DemoHub) -> None:
    empty_hub.add("org/gated", {"config.json": b"{}", "model.onnx": b"x"}, gated=True)
    for token in (False, STRANGER_TOKEN):
        with pytest.raises(GatedModelError, match="org/gated") as caught:
            inspect("org/gated", endpoint=empty_hub.url, token=token)
        assert f"{empty_hub.url}/org/gated" in caught.value.hint
        assert STRANGER_TOKEN not in text_of(caught.value)


def test_private_and_missing_repositories_look_the_same(hub: DemoHub) -> None:
    hub.add("org/private", MODELS_DIR / "vit-digits", private=True)
    for repo_id in ("org/private", "org/missing"):
        for token in (False, STRANGER_TOKEN):
            with pytest.raises(RepositoryNotFoundError, match=repo_id) as caught:
                inspect(repo_id, endpoint=hub.url, token=token, model_id="mine")
            assert caught.value.model_id == "mine"
            assert ("hf auth login" if token is False else "an account that may see it") in caught.value.hint
            assert STRANGER_TOKEN not in text_of(caught.value)
            assert "chained" not in text_of(caught.value)
    assert inspect("org/private", endpoint=hub.url, token=MEMBER_TOKEN).model_type is ModelType.CLASSIFICATION_MODEL


def test_a_missing_revision(hub: DemoHub) -> None:
    with pytest.raises(RevisionNotFoundError, match="no-such-branch") as caught:
        inspect(REPO, revision="no-such-branch", endpoint=hub.url, token=False)
    assert caught.value.hint


def test_a_token_that_is_not_valid(hub: DemoHub) -> None:
    with pytest.raises(DownloadError) as caught:
        inspect(REPO, endpoint=hub.url, token="hf_not_a_token")
    assert "log in" in caught.value.hint
    assert "hf_not_a_token" not in text_of(caught.value)


@pytest.mark.parametrize("repo_id", HOSTILE_NAMES, ids=repr)
def test_hostile_repository_names_ask_nothing(hub: DemoHub, repo_id: Any) -> None:
    with pytest.raises(InvalidModelInfoError) as caught:
        inspect(repo_id, endpoint=hub.url, token=False)
    assert caught.value.hint
    assert hub.requests == []


@pytest.mark.parametrize("bad", HOSTILE_REVISIONS, ids=repr)
def test_hostile_revisions_ask_nothing(hub: DemoHub, bad: Any) -> None:
    with pytest.raises(InvalidModelInfoError):
        inspect(REPO, revision=bad, endpoint=hub.url, token=False)
    assert hub.requests == []


@pytest.mark.parametrize("wrong", [{"model_id": ""}, {"model_id": "-x"}, {"model_id": "a\nb"}, {"model_type": "poem"}])
def test_wrong_ids_and_types_ask_nothing(hub: DemoHub, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidModelInfoError):
        inspect(REPO, endpoint=hub.url, token=False, **wrong)
    assert hub.requests == []


# -- a Hub in trouble -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500}, {"status": 429, "retry_after": 0}, {"reset_after": 0}]
)
def test_a_fault_that_passes_is_not_noticed(hub: DemoHub, fault: dict[str, Any]) -> None:
    injected = hub.inject(Fault(path="/api/models/*", times=2, **fault))
    assert inspect(REPO, endpoint=hub.url, token=False).model_type is ModelType.CLASSIFICATION_MODEL
    assert injected.used == 2
    again = hub.inject(Fault(path="/api/models", times=2, **fault))
    assert search("digits", endpoint=hub.url, token=False)
    assert again.used == 2


def test_a_fault_that_stays_names_host_and_status(hub: DemoHub) -> None:
    hub.down = True
    for ask in (
        lambda: inspect(REPO, endpoint=hub.url, token=False),
        lambda: search("x", endpoint=hub.url, token=False),
    ):
        hub.reset_log()
        with pytest.raises(HubUnavailableError, match=r"127\.0\.0\.1:\d+ answered HTTP 503") as caught:
            ask()
        assert caught.value.hint
        assert 2 <= hub.count() <= 6


def test_what_will_not_pass_is_asked_once(hub: DemoHub) -> None:
    hub.inject(Fault(path="/api/models/*", status=403))
    with pytest.raises(HubUnavailableError, match="403"):
        inspect(REPO, endpoint=hub.url, token=False)
    assert hub.count() == 1


def test_a_hub_that_is_not_there(hub: DemoHub) -> None:
    url = hub.url
    hub.offline = True
    started = time.monotonic()
    with pytest.raises(HubUnavailableError, match="user name or password") as caught:
        inspect(REPO, endpoint=url.replace("://", "://user:secret@"), token=False)
    assert time.monotonic() - started < 30
    assert "secret" not in text_of(caught.value)
    with pytest.raises(HubUnavailableError, match="the connection was refused"):
        search("x", endpoint=url, token=False)


def test_a_silent_hub_is_left_after_a_while(hub: DemoHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmm_widgets.hub.requests.TIMEOUT", 0.3)
    hub.inject(Fault(latency=60))
    for ask in (
        lambda: inspect(REPO, endpoint=hub.url, token=False),
        lambda: search("x", endpoint=hub.url, token=False),
    ):
        with pytest.raises(HubUnavailableError, match="no answer in time"):
            ask()


def test_a_long_retry_after_is_not_sat_out(hub: DemoHub) -> None:
    hub.inject(Fault(path="/api/models/*", status=429, retry_after=3600))
    with pytest.raises(HubUnavailableError, match=r"429 .*asks to wait 3600 s"):
        inspect(REPO, endpoint=hub.url, token=False)
    assert hub.count() == 1


@pytest.mark.parametrize("answer", [b"<html>Please log in</html>", b"", b"[]", b"3", b"{}", b'{"id": 3}'], ids=repr)
def test_a_login_page_is_no_answer(hub: DemoHub, answer: bytes) -> None:
    hub.inject(Fault(path="/api/models/*", body=answer))
    with pytest.raises(HubUnavailableError) as caught:
        inspect(REPO, endpoint=hub.url, token=False)
    assert caught.value.hint


@pytest.mark.parametrize(
    "spoil",
    [
        {"sha": "../../evil"},
        {"sha": None},
        {"sha": "A" * 40},
        {"siblings": [{"rfilename": "../../evil", "size": 1, "blobId": "0" * 40}]},
        {"siblings": [{"rfilename": "/etc/passwd", "size": 1, "blobId": "0" * 40}]},
        {"siblings": [{"rfilename": "a", "size": 1, "blobId": "../x"}]},
        {"siblings": [{"rfilename": "a", "size": 1, "lfs": {"sha256": "/abs", "size": 1, "pointerSize": 1}}]},
    ],
    ids=str,
)
def test_hostile_descriptions_are_not_trusted(hub: DemoHub, spoil: dict[str, Any]) -> None:
    hub.inject(Fault(path="/api/models/*", json=lambda answer: {**answer, **spoil}))
    with pytest.raises(HubUnavailableError, match="cannot be trusted"):
        inspect(REPO, endpoint=hub.url, token=False)
    assert hub.count(path="*") == 0


def test_a_card_that_cannot_be_had_costs_only_the_description(hub: DemoHub) -> None:
    hub.inject(Fault(path="README.md", status=404))
    assert inspect(REPO, endpoint=hub.url, token=False).description == "image-classification"


# -- search -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
def test_search_by_type(hub: DemoHub, model: Any) -> None:
    (found,) = search("", model_type=model.model_type, endpoint=hub.url, token=False)
    assert found.repo_id == model.repo_id
    assert found.model_type is model.model_type
    assert found.licence == "mit"
    assert found.gated is False
    assert found.last_modified is not None
    assert found.last_modified.tzinfo is not None
    weights = sum(path.stat().st_size for path in (MODELS_DIR / found.repo_id.partition("/")[2]).rglob("*.safetensors"))
    assert found.size is not None
    assert 0.9 * weights < found.size <= weights


def test_search_by_name_in_order_of_downloads(empty_hub: DemoHub) -> None:
    for number in range(30):
        empty_hub.add(f"org/cat-{number}", {"a.onnx": b"x" * number}, downloads=number, likes=2 * number, gated=True)
    empty_hub.add("org/dog", {"a.onnx": b"x"}, downloads=10**9)
    found = search(" cat ", limit=5, endpoint=empty_hub.url, token=False)
    assert [model.repo_id for model in found] == [f"org/cat-{number}" for number in (29, 28, 27, 26, 25)]
    first = found[0]
    assert (first.downloads, first.likes, first.gated, first.size) == (29, 58, True, 29)
    assert first.model_type is None
    assert search("no such name", endpoint=empty_hub.url, token=False) == []


def test_private_repositories_are_found_by_their_owners_only(empty_hub: DemoHub) -> None:
    empty_hub.add("org/private", {"a.onnx": b"x"}, private=True)
    assert search("private", endpoint=empty_hub.url, token=False) == []
    assert [each.repo_id for each in search("private", endpoint=empty_hub.url, token=MEMBER_TOKEN)] == ["org/private"]


def test_no_token_is_sent_where_none_shall(hub: DemoHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", MEMBER_TOKEN)
    search("x", endpoint=hub.url, token=False)
    inspect(REPO, endpoint=hub.url, token=False)
    assert not any(request.authorized for request in hub.requests)
    hub.reset_log()
    inspect(REPO, endpoint=hub.url, token=None)
    assert all(request.authorized for request in hub.requests)


def test_search_follows_no_link_to_another_host(hub: DemoHub) -> None:
    with DemoHub() as other:
        hub.inject(Fault(path="/api/models", headers={"Link": f'<{other.url}/api/models>; rel="next"'}))
        assert search("", limit=100, endpoint=hub.url, token=MEMBER_TOKEN)
        assert other.requests == []


def test_odd_entries_are_left_out(hub: DemoHub) -> None:
    odd = [{"id": "../x"}, {"id": "a/b/c"}, {}]
    hub.inject(Fault(path="/api/models", json=lambda answer: [*odd, *answer]))
    assert len(search("", endpoint=hub.url, token=False)) == len(MODELS)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b"3", b'["x"]', b"null"], ids=repr)
def test_a_search_answer_that_makes_no_sense(hub: DemoHub, answer: bytes) -> None:
    hub.inject(Fault(path="/api/models", body=answer))
    with pytest.raises(HubUnavailableError, match="did not answer with"):
        search("", endpoint=hub.url, token=False)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 101}, {"limit": True}, {"limit": "5"}, {"model_type": "poem"}]
)
def test_wrong_searches_ask_nothing(hub: DemoHub, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        search("x", endpoint=hub.url, token=False, **wrong)
    with pytest.raises(ValueError):
        search(3, endpoint=hub.url, token=False)  # type: ignore[arg-type]
    assert hub.requests == []


def test_offline_mode_says_so(hub: DemoHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnavailableError, match="offline mode"):
        inspect(REPO, endpoint=hub.url, token=False)
    assert hub.requests == []


def test_a_token_that_is_asked_for_and_not_there(hub: DemoHub) -> None:
    with pytest.raises(HubUnavailableError, match="token"):
        inspect(REPO, endpoint=hub.url, token=True)
