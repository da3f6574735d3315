"""What becomes of repositories that exist: library, type, flags and loader, from their metadata and from a folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest

from rmm_widgets.downloads.gguf_files import pick_gguf_file
from rmm_widgets.downloads.selection import choose_files
from rmm_widgets.errors import MissingDependencyError, UnsupportedModelError
from rmm_widgets.hub.identify import Evidence, Identity, identify
from rmm_widgets.loading.choice import Candidate
from rmm_widgets.loading.detect import detect, find_candidates, read_evidence
from rmm_widgets.loading.loaders import all_loaders

from .corpus import Record, records

RECORDS = records()
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)


def known(names: Sequence[str]) -> list[str]:
    """Those of the names that this version has a loader for."""
    there = {loader.name for loader in all_loaders()}
    return [name for name in names if name in there]


def names(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.loader.name for candidate in candidates]


def check_loaders(record: Record, found: list[str]) -> None:
    if record.loaders is None:
        return
    expected = known(record.loaders)
    assert [name for name in found if name in expected] == expected
    assert found[:1] == expected[:1]


def check_identity(record: Record, found: Identity) -> None:
    assert found.library == record.library
    assert (found.model_type.value if found.model_type else None) == record.type
    assert found.none_of_ours == record.none_of_ours
    assert found.needs_code == record.needs_code
    assert found.pickle_only == record.pickle_only


def test_the_corpus_is_large_and_has_no_twins() -> None:
    assert len(RECORDS) >= 40
    assert len({record.id for record in RECORDS}) == len(RECORDS)
    assert len({record.type for record in RECORDS}) == 6, "every type, and none"


@each_record
def test_from_the_metadata(record: Record) -> None:
    evidence = record.evidence()
    found = identify(evidence)
    check_identity(record, found)
    check_loaders(record, names(find_candidates(evidence, found)))


@each_record
def test_from_a_folder(record: Record, tmp_path: Path) -> None:
    if record.gguf and importlib.util.find_spec("rmm_widgets.loading.headers") is None:
        pytest.skip("this version reads no GGUF headers")
    record.write(tmp_path)
    evidence = read_evidence(tmp_path)
    assert evidence == record.evidence()
    candidates = find_candidates(evidence, identify(evidence))
    check_loaders(record, names(candidates))
    usable = [candidate for candidate in candidates if not candidate.missing]
    if not candidates:
        with pytest.raises(UnsupportedModelError):
            detect(tmp_path)
    elif not usable:
        with pytest.raises(MissingDependencyError, match=candidates[0].missing[0]):
            detect(tmp_path)
    else:
        found = detect(tmp_path)
        assert found.loader == usable[0].loader.name
        assert (found.model_type.value if found.model_type else None) == record.type
        assert (found.needs_code, found.pickle_only) == (record.needs_code, record.pickle_only)
        assert {other.loader for other in found.alternatives} == set(names(candidates)) - {found.loader}


@each_record
def test_what_a_download_takes_of_it_is_loaded_alike(record: Record) -> None:
    whole = record.evidence()
    files = choose_files(whole.files)
    fetched = Evidence(**{field: getattr(whole, field) for field in whole.__struct_fields__} | {"files": files})
    found = identify(fetched)
    assert found.model_type is identify(whole).model_type
    assert not found.pickle_only or record.pickle_only
    assert names(find_candidates(fetched, found))[:1] == names(find_candidates(whole, identify(whole)))[:1]


@pytest.mark.parametrize("record", [each for each in RECORDS if each.gguf_file], ids=lambda record: record.id)
def test_which_quantisation(record: Record) -> None:
    assert pick_gguf_file(record.sizes) == record.gguf_file


def test_another_quantisation_can_be_named() -> None:
    paths = next(record for record in RECORDS if record.id == "nomic-ai/nomic-embed-text-v1.5-GGUF").sizes
    for wanted in ("Q8_0", "q8_0", "nomic-embed-text-v1.5.Q8_0.gguf", "NOMIC-embed-text-v1.5.Q8_0.gguf"):
        assert pick_gguf_file(paths, wanted) == "nomic-embed-text-v1.5.Q8_0.gguf"
    with pytest.raises(ValueError, match=r"no GGUF file 'Q9'.*Q4_K_M\.gguf") as caught:
        pick_gguf_file(paths, "Q9")
    assert "mmproj" not in str(caught.value)
    sharded = next(record for record in RECORDS if record.id == "unsloth/DeepSeek-R1-GGUF").sizes
    assert pick_gguf_file(sharded, "IQ1_M") == "DeepSeek-R1-UD-IQ1_M/DeepSeek-R1-UD-IQ1_M-00001-of-00002.gguf"
    assert pick_gguf_file(["mmproj-model-f16.gguf", "a.imatrix.gguf", "b.safetensors"]) is None
    with pytest.raises(ValueError, match="none"):
        pick_gguf_file([], "Q4_0")
