"""Search rows that `add` takes by number, filters by size, and adoption of what is in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rmm_widgets.commands.dispatch import execute, execute_line, parse_cell
from rmm_widgets.commands.find_views import formats_text
from rmm_widgets.commands.known import known_of
from rmm_widgets.commands.render import Table
from rmm_widgets.commands.spec import CommandResult, Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidCommandError, ModelNotAvailableError, UnsupportedModelError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import HubModel, ModelInfo, ModelStatus

from ..downloads.programs import hf

Run = Callable[[str], CommandResult]


@pytest.fixture
def run(context: Context) -> Run:
    return lambda line: execute_line(context, line)


def cells(result: CommandResult, title: str) -> list[str]:
    table = result.document
    assert isinstance(table, Table)
    place = [column.title for column in table.columns].index(title)
    return [row[place] for row in table.rows]


def fill(hub: DemoHub) -> None:
    for number, size in enumerate((1000, 2_000_000, 30_000_000)):
        files = {"config.json": b"{}", "model.onnx": b"x" * size}
        hub.add(f"org/cat-{number}", files, downloads=100 - number)


def test_a_row_of_the_last_search_can_be_added(run: Run, manager: ModelManager) -> None:
    found = run("search rmm-demo").value
    numbers = cells(run("search rmm-demo"), "#")
    assert numbers == [str(number) for number in range(1, len(found) + 1)]
    info = run("add 2 --as second").value
    assert isinstance(info, ModelInfo)
    assert info.repo_id == found[1].repo_id
    run("search minilm")
    assert run("add 1").value.repo_id == "rmm-demo/minilm-toy"
    assert run("add 1@main --as pinned").value.version == "main"


def test_a_row_that_is_not_there_is_an_error_and_asks_nothing(run: Run, hub: DemoHub, manager: ModelManager) -> None:
    with pytest.raises(InvalidCommandError, match="there was none in this kernel"):
        run("add 1")
    run("search minilm")
    hub.reset_log()
    for line in ("add 0", "add 2", "add 999"):
        with pytest.raises(InvalidCommandError, match="the last search has rows 1 to 1"):
            run(line)
    run("search nothing-is-called-so")
    hub.reset_log()
    with pytest.raises(InvalidCommandError, match="no rows"):
        run("add 1")
    assert hub.requests == []
    assert manager.get_all_models() == {}


def test_each_manager_has_a_search_of_its_own(run: Run, hub: DemoHub, tmp_path: Path) -> None:
    run("search minilm")
    with (
        ModelManager(endpoint=hub.url, cache_dir=tmp_path / "c", data_dir=tmp_path / "d") as other,
        pytest.raises(InvalidCommandError, match="none in this kernel"),
    ):
        execute_line(Context(manager=other, table=TABLE), "add 1")


def test_a_search_of_a_panel_or_of_python_moves_no_number(run: Run, manager: ModelManager, context: Context) -> None:
    run("search minilm")
    manager.search_hub("vit").result(60)
    view = Context(manager=manager, table=TABLE, may_wait=False)
    execute_line(view, "search vit").value.result(60)
    assert run("add 1").value.repo_id == "rmm-demo/minilm-toy"
    with pytest.raises(
        Exception, match="1"
    ):  # to a view it is a name like any other, of a repository that is not there
        execute_line(view, "add 1").value.result(60)


def test_a_cell_adds_a_row_under_a_name(context: Context, manager: ModelManager) -> None:
    for invocation in parse_cell(context, ["search minilm", "add 1 --as tiny", "pin tiny"]):
        execute(context, invocation)
    assert manager.describe("tiny").pinned


def test_search_by_size(run: Run, hub: DemoHub) -> None:
    fill(hub)
    for options, wanted in (
        ("--max-size 1MB", ["org/cat-0"]),
        ("--min-size 1MB", ["org/cat-1", "org/cat-2"]),
        ("--min-size 1MB --max-size 2GB --limit 1", ["org/cat-1"]),
        ("--max-size 1GB --type detection_model", []),
    ):
        hub.reset_log()
        assert [each.repo_id for each in run(f"search cat {options}").value] == wanted
    hub.reset_log()
    run("search cat --max-size 1MB")
    assert hub.count() == 1, "no request for each row"


def test_what_is_past_the_limit_is_found_by_its_size(run: Run, hub: DemoHub) -> None:
    fill(hub)
    assert [each.repo_id for each in run("search cat --min-size 20MB --limit 1").value] == ["org/cat-2"]
    assert run("add 1 --type detection_model").value.repo_id == "org/cat-2"


@pytest.mark.parametrize("bad", ["--max-size large", "--min-size -1", "--min-size 2GB --max-size 1GB", "--max-size ''"])
def test_a_size_that_is_none_asks_nothing(run: Run, hub: DemoHub, bad: str) -> None:
    with pytest.raises(ValueError) as caught:
        run(f"search cat {bad}")
    assert getattr(caught.value, "hint", "")
    assert hub.requests == []


def test_search_tells_what_would_be_refused(run: Run, hub: DemoHub) -> None:
    hub.add("org/bird-safe", {"model.safetensors": b"x", "pytorch_model.bin": b"x", "onnx/model.onnx": b"x"})
    hub.add("org/bird-pickle", {"pytorch_model.bin": b"x"})
    hub.add("org/bird-code", {"model.safetensors": b"x", "modeling_bird.py": b"x"})
    hub.add("org/bird-gguf", {"bird-Q4_K_M.gguf": b"x"}, gated=True)
    hub.add("org/bird-nothing", {"README.md": b"x"})
    result = run("search bird")
    told = dict(zip(cells(result, "repository"), cells(result, "safety"), strict=True))
    assert told["org/bird-pickle"] == "refused: pickle"
    assert told["org/bird-code"] == "refused: code"
    assert told["org/bird-gguf"] == "gguf"
    assert told["org/bird-nothing"] == ""
    assert told["org/bird-safe"] in {"safetensors", "onnx, safetensors"}, "the pickle is a spare copy"
    assert "gated" in cells(result, "licence")
    (code,) = json.loads(run("search bird-code --json").value)
    assert code["needs_code"] is True
    assert (
        formats_text(HubModel(repo_id="a/b", formats=("tensorflow",), needs_code=True)) == "refused: tensorflow, code"
    )


def test_a_name_of_the_search_completes_after_add(run: Run, manager: ModelManager) -> None:
    run("search minilm")
    known = known_of(manager)
    assert list(known.found()) == ["rmm-demo/minilm-toy"]
    assert list(known.cached()) == []
    run("add 1")
    assert known.settings("minilm-toy")["normalize"] == ("false", "true")
    assert "float16" in known.settings("minilm-toy")["dtype"]
    assert known.settings("unknown") == {}


def test_adopt_lists_and_registers_without_the_hub(run: Run, hub: DemoHub, manager: ModelManager) -> None:
    cache = Path(manager.cache_dir)
    for name in ("minilm-toy", "vit-digits"):
        hf(hub, cache, "download", f"rmm-demo/{name}")
    hf(hub, cache, "download", "rmm-demo/vit-digits", "config.json")
    hub.reset_log()
    hub.offline = True
    listed = run("adopt")
    assert cells(listed, "repository") == ["rmm-demo/minilm-toy", "rmm-demo/vit-digits"]
    assert cells(listed, "state") == ["complete", "complete"]
    info = run("adopt rmm-demo/minilm-toy").value
    assert info.model_id == "minilm-toy"
    assert run("adopt rmm-demo/minilm-toy").value == info, "again: no change"
    told = run("adopt --all")
    assert told.text.startswith("Adopted vit-digits: classification_model")
    assert {manager.get_model_status(name) for name in ("minilm-toy", "vit-digits")} == {ModelStatus.DOWNLOADED}
    assert run("adopt").value == []
    assert hub.requests == []


def test_adopt_names_and_types(run: Run, hub: DemoHub, manager: ModelManager) -> None:
    hub.add("org/strange", {"model.safetensors": b"x" * 10, "notes.txt": b"x"})
    hf(hub, Path(manager.cache_dir), "download", "org/strange")
    hub.offline = True
    assert "nothing in its files tells" in cells(run("adopt"), "state")[0]
    assert "Left out org/strange" in run("adopt --all").text
    with pytest.raises(UnsupportedModelError) as caught:
        run("adopt org/strange")
    assert "--type" in caught.value.hint
    assert manager.get_all_models() == {}
    info = run("adopt org/strange --type embedding_model --as mine").value
    assert (info.model_id, info.model_type.value) == ("mine", "embedding_model")
    with pytest.raises(ModelNotAvailableError, match="none of its files"):
        run("adopt org/elsewhere")
    for line in ("adopt a/b c/d --as x", "adopt --all a/b", "adopt --as x"):
        with pytest.raises(InvalidCommandError):
            run(line)
