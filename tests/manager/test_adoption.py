"""What is in the cache can be registered without the Hub, whoever has put it there, and nothing half of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rmm_widgets.demo import MODELS, MODELS_DIR
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.disk_records import CachedModel
from rmm_widgets.downloads.cache import cached_repositories
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.errors import (
    InvalidModelInfoError,
    ModelAlreadyRegisteredError,
    ModelNotAvailableError,
    UnsupportedModelError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelStatus

from ..downloads.programs import hf, python
from ..loading.safety.audit import watched

LONG = 60.0


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def cached(manager: ModelManager) -> dict[str, CachedModel]:
    return {each.repo_id: each for each in manager.find_cached().result(LONG)}


def test_every_demo_model_is_what_its_registration_would_say(
    manager: ModelManager, hub: DemoHub, make_manager: Callable[..., ModelManager], tmp_path: Path
) -> None:
    cache = Path(manager.cache_dir)
    for model in MODELS:
        manager.register_from_hub(model.repo_id).result(LONG)
        manager.download_model(model.repo_id.partition("/")[2]).result(LONG)
    registered = manager.get_all_models()
    assert manager.find_cached().result(LONG) == []
    other = make_manager(data_dir=tmp_path / "other", cache_dir=cache)
    hub.offline = True
    hub.reset_log()
    with watched() as seen:
        found = cached(other)
        assert {repo: (each.reason, each.model_type) for repo, each in found.items()} == {
            model.repo_id: ("", model.model_type.value) for model in MODELS
        }
        for repo_id in found:
            info = other.adopt(repo_id).result(LONG)
            was = registered[info.model_id]
            for name in (
                "model_type",
                "repo_id",
                "version",
                "description",
                "total_size_estimate",
                "file_count_estimate",
            ):
                assert getattr(info, name) == getattr(was, name), name
            for name in ("commit", "licence", "pipeline_tag"):
                assert info.metadata[name] == was.metadata[name], name
            assert other.get_model_status(info.model_id) is ModelStatus.DOWNLOADED
            assert other.describe(info.model_id).commit == was.metadata["commit"]
    assert [each for each in seen if "socket" in each] == [], "no request"
    assert hub.requests == []
    assert other.find_cached().result(LONG) == []
    assert other.verify_model("vit-digits").result(LONG).ok


def test_what_other_programs_fetched_can_be_loaded(manager: ModelManager, hub: DemoHub) -> None:
    code = "from huggingface_hub import snapshot_download; snapshot_download('rmm-demo/minilm-toy')"
    python(hub, Path(manager.cache_dir), "-c", code)
    hub.offline = True
    info = manager.adopt("rmm-demo/minilm-toy", model_id="small").result(LONG)
    assert info.model_id == "small"
    instance = manager.load_model("small").result(LONG)
    assert instance(["hello"]).shape[0] == 1


def test_an_incomplete_one_is_told_with_what_is_missing(manager: ModelManager, hub: DemoHub) -> None:
    cache = Path(manager.cache_dir)
    manager.register_from_hub("rmm-demo/vit-digits").result(LONG)
    folder = manager.download_model("vit-digits").result(LONG)
    manager.unregister_model("vit-digits")
    (folder / "model.safetensors").resolve().unlink()
    hf(hub, cache, "download", "rmm-demo/minilm-toy", "config.json")
    hub.offline = True
    found = cached(manager)
    assert found["rmm-demo/vit-digits"].reason == "incomplete, without model.safetensors"
    assert "without" in found["rmm-demo/minilm-toy"].reason or "no weights" in found["rmm-demo/minilm-toy"].reason
    for repo_id, each in found.items():
        with pytest.raises(ModelNotAvailableError, match="cannot be adopted") as caught:
            manager.adopt(repo_id).result(LONG)
        assert each.reason in caught.value.message
        assert "%rmm add" in caught.value.hint
    assert manager.get_all_models() == {}


def test_damaged_and_foreign_contents_are_told(manager: ModelManager, hub: DemoHub) -> None:
    cache = Path(manager.cache_dir)
    hub.add("org/damaged", {"config.json": b"{", "model.safetensors": b"x" * 10})
    hub.add("org/images", {"model_index.json": b'{"_class_name": "FluxPipeline"}', "a/model.safetensors": b"x"})
    for repo_id in ("org/damaged", "org/images"):
        hf(hub, cache, "download", repo_id)
    for folder in ("models--evil--..", "models----", "datasets--a--b", "models--a--b--c", "models--empty--one"):
        (cache / folder / "snapshots").mkdir(parents=True)
    (cache / "models--a--link").symlink_to(cache / "models--org--images")
    found = cached(manager)
    assert set(found) == {"org/damaged", "org/images", "empty/one"}
    assert "config.json cannot be read" in found["org/damaged"].reason
    assert found["org/images"].reason.startswith("none of the types that can be loaded")
    assert found["empty/one"].reason == "none of its files is in the cache"
    with pytest.raises(UnsupportedModelError):
        manager.adopt("org/damaged").result(LONG)
    assert manager.adopt("org/damaged", model_type="embedding_model").result(LONG).model_id == "damaged"
    assert set(cached(manager)) == {"org/images", "empty/one"}


def test_revisions(manager: ModelManager, hub: DemoHub) -> None:
    cache = Path(manager.cache_dir)
    old = hub.commit("rmm-demo/vit-digits")
    hub.tag("rmm-demo/vit-digits", "v1")
    new = hub.update("rmm-demo/vit-digits", {"extra.txt": b"more"})
    hf(hub, cache, "download", "rmm-demo/vit-digits", "--revision", "v1")
    hub.offline = True
    assert cached(manager)["rmm-demo/vit-digits"].revision == "v1"
    assert manager.adopt("rmm-demo/vit-digits", model_id="tagged").result(LONG).version == "v1"
    hub.offline = False
    hf(hub, cache, "download", "rmm-demo/vit-digits")
    hub.offline = True
    for revision, model_id, commit in (("main", "newest", new), (old, "exact", old)):
        manager.adopt("rmm-demo/vit-digits", revision=revision, model_id=model_id).result(LONG)
        assert manager.describe(model_id).commit == commit
    with pytest.raises(ModelNotAvailableError):
        manager.adopt("rmm-demo/vit-digits", revision="v9", model_id="none").result(LONG)


def test_ids_and_names_are_checked(manager: ModelManager, hub: DemoHub) -> None:
    cache = Path(manager.cache_dir)
    hub.add("other/vit-digits", MODELS_DIR / "vit-digits")
    for repo_id in ("rmm-demo/vit-digits", "other/vit-digits"):
        hf(hub, cache, "download", repo_id)
    manager.adopt("rmm-demo/vit-digits").result(LONG)
    with pytest.raises(ModelAlreadyRegisteredError, match="rmm-demo/vit-digits") as caught:
        manager.adopt("other/vit-digits").result(LONG)
    assert "--as" in caught.value.hint
    for bad in ("../x", "a/b/c", "", None, 3):
        with pytest.raises(InvalidModelInfoError):
            manager.adopt(bad).result(LONG)  # type: ignore[arg-type]
    with pytest.raises(InvalidModelInfoError):
        manager.adopt("other/vit-digits", model_type="poem").result(LONG)
    assert list(manager.get_all_models()) == ["vit-digits"]
    assert (
        manager.list_cached().result(LONG) == cached_repositories(cache) == ["other/vit-digits", "rmm-demo/vit-digits"]
    )


def test_a_cache_that_is_not_there_or_holds_nothing(manager: ModelManager) -> None:
    assert manager.find_cached().result(LONG) == []
    assert manager.list_cached().result(LONG) == []
    layout = CacheLayout(manager.cache_dir, "a/b")
    layout.refs.mkdir(parents=True)
    (layout.refs / "main").write_text("not a commit")
    layout.snapshots.mkdir()
    assert cached(manager)["a/b"].reason == "none of its files is in the cache"
