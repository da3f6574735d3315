"""Which files a model's download takes: patterns of the user's own, and the listing that explains the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import close_session

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.listing import SUMMARY_KEY, SUMMARY_NAMES
from rmm_widgets.errors import HubUnavailableError, InvalidModelInfoError, ModelNotRegisteredError
from rmm_widgets.file_records import FileListing
from rmm_widgets.hub import requests
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelInfo, ModelType

from ..downloads.fetching import content, wait_until
from .models import info

LONG = 60.0
REPO = "rmm-demo/many"
FILES = {
    "README.md": b"# many",
    "config.json": b'{"architectures": ["XForSequenceClassification"]}',
    "m-Q4_K_M.gguf": content(4000, 4),
    "m-Q8_0.gguf": content(8000, 8),
    "pytorch_model.bin": content(3000, 1),
}
CHOSEN = ["README.md", "config.json", "m-Q4_K_M.gguf"]


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> Iterator[str]:
    empty_hub.add(REPO, FILES)
    yield empty_hub.url
    close_session()  # huggingface_hub keeps its connections otherwise


def size_of(paths: list[str]) -> int:
    return sum(len(FILES[path]) for path in paths)


def on_disk(path: Path) -> list[str]:
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def test_the_automatic_choice_is_estimated_downloaded_and_explained(manager: ModelManager, empty_hub: DemoHub) -> None:
    seen = manager.register_from_hub(REPO).result(LONG)
    assert seen.file_count_estimate == 3
    assert seen.total_size_estimate == size_of(CHOSEN)
    empty_hub.reset_log()
    local = manager.list_files("many", local_only=True).result(LONG)
    assert empty_hub.count() == 0
    assert (local.source, local.commit, local.unlisted) == ("registry", None, 0)
    assert [file.path for file in local.files if file.chosen] == CHOSEN
    left_out = {file.path: file.reason for file in local.files if not file.chosen}
    assert left_out == {
        "m-Q8_0.gguf": "another quantisation: Q4_K_M is chosen",
        "pytorch_model.bin": "second copy of the weights",
    }
    remote = manager.list_files("many").result(LONG)
    assert empty_hub.count() == 1, "one request"
    assert (remote.source, remote.commit) == ("hub", empty_hub.commit(REPO))
    assert [(f.path, f.size, f.chosen, f.reason) for f in remote.files] == [
        (f.path, f.size, f.chosen, f.reason) for f in local.files
    ]
    assert {f.path: f.digest for f in remote.files} == {
        path: "sha256" if path.endswith((".gguf", ".bin")) else "git-sha1" for path in FILES
    }
    assert not any(f.on_disk for f in remote.files)

    folder = manager.download_model("many").result(LONG)
    assert on_disk(folder) == CHOSEN
    empty_hub.offline = True
    stored = manager.list_files("many").result(LONG)
    assert stored.source == "disk"
    assert [f.path for f in stored.files if f.on_disk] == CHOSEN
    assert stored.files == tuple(msgspec.structs.replace(f, on_disk=f.chosen) for f in remote.files)


def test_the_listing_of_a_download_that_was_stopped(manager: ModelManager, empty_hub: DemoHub) -> None:
    manager.register_from_hub(REPO).result(LONG)
    empty_hub.inject(Fault(path="m-Q4_K_M.gguf", latency=60))
    manager.download_model("many")
    wait_until(lambda: (p := manager.get_download_progress("many")) is not None and p.files_done == 2)
    manager.cancel_download("many")
    listing = manager.list_files("many", local_only=True).result(LONG)
    assert listing.source == "disk"
    assert {f.path: f.on_disk for f in listing.files if f.chosen} == {
        "README.md": True,
        "config.json": True,
        "m-Q4_K_M.gguf": False,
    }


def test_patterns_take_the_place_of_the_automatic_choice(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    with make_manager() as first:
        seen = first.register_from_hub(
            REPO, allow_patterns=["*.json", "*.gguf"], ignore_patterns=["*Q4*"], model_id="q8"
        ).result(LONG)
        wanted = ["config.json", "m-Q8_0.gguf"]
        assert seen.metadata["allow_patterns"] == ("*.json", "*.gguf")
        assert (seen.allow_patterns, seen.ignore_patterns) == (("*.json", "*.gguf"), ("*Q4*",))
        assert (seen.file_count_estimate, seen.total_size_estimate) == (2, size_of(wanted))
        assert on_disk(first.download_model("q8").result(LONG)) == wanted
        assert first.describe("q8").size_on_disk == size_of(wanted)
    second = make_manager()
    found = second.get_model_info("q8")
    assert found == seen, "they are kept with the model"
    assert second.is_model_available("q8")
    report = second.verify_model("q8").result(LONG)
    assert (report.ok, report.checked_files, report.checked_bytes) == (True, 2, size_of(wanted))
    assert [f.path for f in second.list_files("q8").result(LONG).files if f.chosen] == wanted


def test_other_patterns_ask_for_other_files(manager: ModelManager, empty_hub: DemoHub) -> None:
    def given(*patterns: str) -> ModelInfo:
        return info("many", repo_id=REPO, metadata={"allow_patterns": list(patterns)})

    manager.register_model(given("*.json"))
    assert on_disk(manager.download_model("many").result(LONG)) == ["config.json"]
    manager.register_model(given("*.json", "*Q8_0.gguf"))
    assert not manager.is_model_available("many"), "not every file that is wanted now is there"
    empty_hub.reset_log()
    assert on_disk(manager.download_model("many").result(LONG)) == ["config.json", "m-Q8_0.gguf"]
    assert empty_hub.bytes_sent(path="*") == 8000, "only what was missing"
    manager.register_model(given("*.gguf"))
    assert not manager.is_model_available("many")
    manager.register_model(given("*Q8_0.gguf"))
    assert manager.is_model_available("many"), "every file that is wanted now is there"
    manager.register_model(info("many", repo_id=REPO))
    assert not manager.is_model_available("many"), "the automatic choice wants others"


def test_patterns_that_change_during_a_download(manager: ModelManager, empty_hub: DemoHub) -> None:
    manager.register_model(info("many", repo_id=REPO, metadata={"allow_patterns": ["*Q4*"]}))
    held = empty_hub.inject(Fault(path="m-Q4_K_M.gguf", latency=0.5))
    job = manager.download_model("many")
    wait_until(lambda: held.used > 0)
    manager.register_model(info("many", repo_id=REPO, metadata={"allow_patterns": ["*.gguf"]}))
    job.result(LONG)
    wait_until(lambda: not manager.is_model_available("many"))
    assert on_disk(manager.download_model("many").result(LONG)) == ["m-Q4_K_M.gguf", "m-Q8_0.gguf"]
    assert manager.is_model_available("many")


def test_two_models_of_one_repository_with_other_files(manager: ModelManager) -> None:
    manager.register_from_hub(REPO, model_id="q4", allow_patterns=["*Q4*"]).result(LONG)
    manager.register_from_hub(REPO, model_id="q8", allow_patterns=["*Q8*"]).result(LONG)
    manager.download_model("q4").result(LONG)
    assert not manager.is_model_available("q8")
    manager.download_model("q8").result(LONG)
    manager.delete_model("q4", remove_files=True).result(LONG)
    assert manager.is_model_available("q8"), "its files stay"
    assert manager.verify_model("q8").result(LONG).ok


BAD_PATTERNS: list[Any] = [
    "*.json",
    [],
    [""],
    [" "],
    [3],
    [None],
    ["a\nb"],
    ["x" * 300],
    ["*"] * 101,
    {"a": 1},
    3,
    None,
]


@pytest.mark.parametrize("patterns", BAD_PATTERNS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["allow_patterns", "ignore_patterns"])
def test_bad_patterns_are_refused_and_nothing_is_asked(
    manager: ModelManager, empty_hub: DemoHub, name: str, patterns: Any
) -> None:
    with pytest.raises(InvalidModelInfoError, match="pattern") as caught:
        ModelInfo("m", ModelType.EMBEDDING_MODEL, REPO, metadata={name: patterns})
    assert caught.value.model_id == "m"
    if patterns is not None:
        with pytest.raises(InvalidModelInfoError, match="pattern"):
            manager.register_from_hub(REPO, **{name: patterns}).result(LONG)
    assert empty_hub.requests == []
    assert manager.get_all_models() == {}


def test_patterns_that_leave_no_file_register_nothing(manager: ModelManager) -> None:
    with pytest.raises(InvalidModelInfoError, match="No file") as caught:
        manager.register_from_hub(REPO, allow_patterns=["*.nothing"]).result(LONG)
    assert caught.value.hint
    assert manager.get_all_models() == {}


def test_what_a_registration_keeps_of_a_large_repository_is_short(manager: ModelManager, empty_hub: DemoHub) -> None:
    shards = {f"model-{n:05}-of-00300.safetensors": b"x" * (n + 1) for n in range(300)}
    pickles = {f"pytorch_model-{n:05}-of-00300.bin": b"x" * (n + 1) for n in range(300)}
    empty_hub.add("rmm-demo/large", {**shards, **pickles, "config.json": b"{}"})
    seen = manager.register_from_hub("rmm-demo/large", model_type="embedding_model").result(LONG)
    assert seen.file_count_estimate == 301
    kept = seen.metadata[SUMMARY_KEY]
    assert len(kept["chosen"]) + len(kept["left_out"]) == SUMMARY_NAMES
    listing = manager.list_files("large", local_only=True).result(LONG)
    assert len(listing.files) == SUMMARY_NAMES
    assert listing.unlisted == 601 - SUMMARY_NAMES
    assert len(msgspec.json.encode(kept)) < 8000


@pytest.mark.parametrize("summary", [3, [], {"chosen": 3}, {"left_out": [["a", 1]]}, "x"])
def test_a_summary_that_is_the_users_own_data_is_passed_over(manager: ModelManager, summary: object) -> None:
    manager.register_model(info("mine", repo_id="rmm-demo/none", metadata={SUMMARY_KEY: summary}))
    listing = manager.list_files("mine", local_only=True).result(LONG)
    assert listing == FileListing(model_id="mine", commit=None, source="registry", files=())


def test_a_listing_that_cannot_be_had(
    manager: ModelManager, empty_hub: DemoHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.01))
    with pytest.raises(ModelNotRegisteredError):
        manager.list_files("unknown")
    manager.register_model(info("many", repo_id=REPO))
    empty_hub.inject(Fault(path="/api/*", json=lambda answer: {**answer, "siblings": [{"rfilename": "../x"}]}))
    with pytest.raises(HubUnavailableError, match="cannot be trusted"):
        manager.list_files("many").result(LONG)
    empty_hub.clear_faults()
    empty_hub.down = True
    with pytest.raises(HubUnavailableError) as caught:
        manager.list_files("many").result(LONG)
    assert caught.value.model_id == "many"


def test_a_custom_model_has_no_files_of_ours(manager: ModelManager, scripted: Callable[..., object]) -> None:
    scripted("own")
    assert manager.list_files("own").result(LONG).files == ()
