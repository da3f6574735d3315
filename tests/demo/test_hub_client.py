"""huggingface_hub itself as the client of the demo hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from rmm_widgets.demo import MODELS, MODELS_DIR
from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.repositories import git_oid
from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN, DemoHub

DIGITS = "rmm-demo/vit-digits"


def api(hub: DemoHub, token: str | bool = False) -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_model_info_has_commit_sizes_and_true_hashes(hub: DemoHub):
    info = api(hub).model_info(DIGITS, files_metadata=True, securityStatus=True)
    folder = MODELS_DIR / "vit-digits"
    assert info.sha == hub.commit(DIGITS)
    assert len(info.sha or "") == 40
    assert info.pipeline_tag == "image-classification"
    assert info.library_name == "transformers"
    assert info.card_data is not None
    assert info.card_data["license"] == "mit"
    assert {"onnx", "safetensors", "classification_model", "license:mit"} <= set(info.tags or ())
    assert info.config == {"architectures": ["ViTForImageClassification"], "model_type": "vit"}
    assert info.safetensors is not None
    assert info.safetensors.total == 138954
    files = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    assert set(files) == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert info.used_storage == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for name, sibling in files.items():
        content = (folder / name).read_bytes()
        assert sibling.size == len(content)
        if sibling.lfs:
            assert sibling.lfs.sha256 == hashlib.sha256(content).hexdigest()
            assert sibling.lfs.size == len(content)
        else:
            assert sibling.blob_id == git_oid("blob", content)
    assert {name for name, sibling in files.items() if sibling.lfs} == {"model.safetensors", "onnx/model.onnx"}


def test_commits_follow_from_content_alone(hub: DemoHub):
    with DemoHub(MODELS_DIR) as other:
        assert [hub.commit(name) for name in hub.repo_ids] == [other.commit(name) for name in other.repo_ids]
        before = other.commit(DIGITS)
        after = other.update(DIGITS, {"notes.txt": b"changed"})
        assert after != before
        assert other.update(DIGITS, {"notes.txt": None}) not in {before, after}


def test_tree_lists_files_and_folders_over_pages(hub: DemoHub):
    hub.page_size = 3
    entries = list(api(hub).list_repo_tree("rmm-demo/mdlm-stories", recursive=True, expand=True))
    files = {entry.path for entry in entries if hasattr(entry, "size")}
    folder = MODELS_DIR / "mdlm-stories"
    assert files == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {entry.path for entry in entries} - files == {"model", "onnx", "scheduler", "tokenizer"}
    assert hub.count(repo="rmm-demo/mdlm-stories", status=200) == -(-len(entries) // 3)
    inside = [entry.path for entry in api(hub).list_repo_tree("rmm-demo/mdlm-stories", "tokenizer")]
    assert inside == ["tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api(hub).list_repo_tree("rmm-demo/mdlm-stories", "nothing-here"))


def test_search(hub: DemoHub):
    hub.add("someone/popular-digits", {"config.json": b"{}"}, downloads=500, likes=3, tags=("mine",))
    hub.add("someone/hidden-digits", {"config.json": b"{}"}, private=True)
    hub.page_size = 2

    def ids(token: str | bool = False, **query: object) -> list[str]:
        return [model.id for model in api(hub, token).list_models(**query)]  # type: ignore[arg-type]

    assert ids(search="DIGITS", sort="downloads") == ["someone/popular-digits", DIGITS]
    assert ids(search="digits", author="rmm-demo") == [DIGITS]
    assert ids(filter="mine") == ["someone/popular-digits"]
    assert ids(pipeline_tag="image-to-text") == ["rmm-demo/blip-shapes"]
    assert ids(author="rmm-demo") == [model.repo_id for model in MODELS]
    assert ids(author="rmm-demo", limit=3) == [model.repo_id for model in MODELS][:3]
    assert ids(search="no such thing") == []
    assert "someone/hidden-digits" in ids(MEMBER_TOKEN, search="digits")
    (full,) = api(hub).list_models(search="vit-digits", full=True, cardData=True, fetch_config=True)
    assert full.sha == hub.commit(DIGITS)
    assert full.config is not None
    assert len(full.siblings or ()) == 6


def test_download_of_a_small_and_a_large_file(hub: DemoHub, tmp_path: Path):
    for name in ("config.json", "onnx/model.onnx"):
        path = hf_hub_download(DIGITS, name, endpoint=hub.url, cache_dir=tmp_path, token=False)
        content = (MODELS_DIR / "vit-digits" / name).read_bytes()
        assert Path(path).read_bytes() == content
        assert hub.bytes_sent(DIGITS, name) == len(content)
    assert hub.count(origin="cdn", path="onnx/model.onnx", method="GET") == 1
    assert hub.count(origin="cdn", path="config.json") == 0


def test_snapshots_of_all_models_verify_and_work_offline(hub: DemoHub, tmp_path: Path):
    for model in MODELS:
        folder = snapshot_download(model.repo_id, endpoint=hub.url, cache_dir=tmp_path, token=False)
        source = MODELS_DIR / model.model_id
        for path in source.rglob("*"):
            if path.is_file():
                assert (Path(folder) / path.relative_to(source)).read_bytes() == path.read_bytes()
        report = api(hub).verify_repo_checksums(model.repo_id, cache_dir=tmp_path)
        assert (report.mismatches, report.missing_paths) == ([], [])
        distinct = {path.read_bytes() for path in source.rglob("*") if path.is_file()}
        assert hub.bytes_sent(model.repo_id, "*") == sum(len(content) for content in distinct)
    hub.reset_log()
    for model in MODELS:
        snapshot_download(model.repo_id, cache_dir=tmp_path, local_files_only=True)
    assert hub.requests == []


def test_branches_tags_and_commits(hub: DemoHub, tmp_path: Path):
    first = hub.commit(DIGITS)
    hub.tag(DIGITS, "v1.0")
    second = hub.update(DIGITS, {"config.json": b'{"new": true}'})
    side = hub.add(DIGITS, {"config.json": b'{"side": true}'}, revision="experiments/one")

    def config(revision: str) -> bytes:
        path = hf_hub_download(
            DIGITS, "config.json", revision=revision, endpoint=hub.url, cache_dir=tmp_path, token=False
        )
        return Path(path).read_bytes()

    assert config("main") == config(second) == b'{"new": true}'
    assert config("v1.0") == config(first) == (MODELS_DIR / "vit-digits" / "config.json").read_bytes()
    assert config("experiments/one") == config(side) == b'{"side": true}'
    refs = api(hub).list_repo_refs(DIGITS)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": second, "experiments/one": side}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1.0": first}


def test_missing_things(hub: DemoHub, tmp_path: Path):
    def download(repo: str = DIGITS, file: str = "config.json", revision: str = "main", token: str | bool = False):
        return hf_hub_download(repo, file, revision=revision, endpoint=hub.url, cache_dir=tmp_path, token=token)

    for token in (False, STRANGER_TOKEN):
        with pytest.raises(RepositoryNotFoundError):
            api(hub, token).model_info("rmm-demo/nothing")
        with pytest.raises(RepositoryNotFoundError):
            download(repo="rmm-demo/nothing", token=token)
    with pytest.raises(RevisionNotFoundError):
        api(hub).model_info(DIGITS, revision="nowhere")
    with pytest.raises(RevisionNotFoundError):
        download(revision="0" * 40)
    with pytest.raises(RemoteEntryNotFoundError):
        download(file="nothing.json")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        api(hub, "hf_wrong").model_info(DIGITS)


def test_gated_private_and_disabled_repositories(hub: DemoHub, tmp_path: Path):
    files = {"config.json": b"{}", "model.safetensors": b"weights"}
    hub.add("gated", files, gated=True)
    hub.add("secret", files, private=True)
    hub.add("closed", files, disabled=True)

    def download(repo: str, token: str | bool, file: str = "model.safetensors") -> bytes:
        folder = tmp_path / str(token)
        return Path(hf_hub_download(repo, file, endpoint=hub.url, cache_dir=folder, token=token)).read_bytes()

    assert api(hub).model_info("rmm-demo/gated").gated == "manual"
    for token, status in ((False, 401), (STRANGER_TOKEN, 403)):
        with pytest.raises(GatedRepoError) as refused:
            download("rmm-demo/gated", token)
        assert refused.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            api(hub, token).auth_check("rmm-demo/gated")
        with pytest.raises(RepositoryNotFoundError):
            api(hub, token).model_info("rmm-demo/secret")
    api(hub, MEMBER_TOKEN).auth_check("rmm-demo/gated")
    for repo in ("rmm-demo/gated", "rmm-demo/secret"):
        assert download(repo, MEMBER_TOKEN) == b"weights"
    with pytest.raises(DisabledRepoError):
        api(hub).model_info("rmm-demo/closed")
    assert api(hub, MEMBER_TOKEN).whoami()["name"] == "member"


def test_S11_token_stays_with_the_hub(hub: DemoHub, tmp_path: Path):
    snapshot_download(DIGITS, endpoint=hub.url, cache_dir=tmp_path, token=MEMBER_TOKEN)
    seen = {(request.origin, request.authorized) for request in hub.requests}
    assert seen == {("hub", True), ("cdn", False)}


def test_injected_errors_reach_the_client_as_its_own_classes(hub: DemoHub, tmp_path: Path):
    hub.inject(Fault(path="/api/models/*", status=403, error_code="GatedRepo", times=1))
    with pytest.raises(GatedRepoError):
        api(hub).model_info(DIGITS)
    hub.inject(Fault(path="/api/models/*", status=503, times=1))
    with pytest.raises(HfHubHTTPError) as unavailable:
        api(hub).model_info(DIGITS)
    assert unavailable.value.response.status_code == 503
    hub.inject(Fault(path="/api/models/*", json=lambda document: {**document, "sha": "../../evil"}, times=1))
    assert api(hub).model_info(DIGITS).sha == "../../evil"
    hub.inject(Fault(path="config.json", method="HEAD", headers={"X-Repo-Commit": None}))
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(DIGITS, "config.json", endpoint=hub.url, cache_dir=tmp_path, token=False)
