"""`add --include`, `info --files`, `outdated` and `update` against a real hub."""

from __future__ import annotations

import json

import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.render import to_text
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.views import info_table, model_message
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import DownloadError, InvalidCommandError
from rmm_widgets.manager import ModelManager

REPO = "rmm-demo/many"
FILES = {
    "config.json": b'{"architectures": ["XForSequenceClassification"]}',
    "m-Q4_K_M.gguf": b"4" * 4000,
    "m-Q8_0.gguf": b"8" * 8000,
}


@pytest.fixture
def many(hub: DemoHub) -> str:
    return hub.add(REPO, FILES)


def rows(text: str) -> dict[str, str]:
    """The lines of an info table by their first word."""
    lines = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {field.strip(): value.strip() for field, value in lines}


def test_include_and_exclude_choose_the_files(context: Context, many: str) -> None:
    result = execute_line(context, f"add {REPO} --include '*.json' --include '*.gguf' --exclude '*Q4*'")
    assert result.value.allow_patterns == ("*.json", "*.gguf")
    assert result.value.ignore_patterns == ("*Q4*",)
    assert "8.0 kB" in result.text
    result = execute_line(context, "info many")
    assert to_text(info_table(result.value)) == result.text, "notebooks show the value"
    shown = rows(result.text)
    assert shown["files"].startswith("2 files, 8.0 kB: config.json, m-Q8_0.gguf")
    assert shown["left out"] == "m-Q4_K_M.gguf (matches ignore_patterns)"
    assert shown["allow patterns"] == "*.json, *.gguf"
    assert shown["ignore patterns"] == "*Q4*"


@pytest.mark.parametrize("options", ["--include ''", "--exclude ' '", f"--include {'x' * 300}", "--include"])
def test_bad_patterns_are_refused_before_the_hub_is_asked(context: Context, hub: DemoHub, options: str) -> None:
    with pytest.raises(InvalidCommandError):
        execute_line(context, f"add {REPO} {options}")
    assert hub.requests == []


def test_info_tells_what_is_fetched_and_what_is_not(context: Context, many: str, hub: DemoHub) -> None:
    execute_line(context, f"add {REPO}")
    hub.reset_log()
    before = rows(execute_line(context, "info many").text)
    assert hub.requests == [], "plain info asks nobody"
    execute_line(context, "download many --wait")
    for shown in (before, rows(execute_line(context, "info many").text)):
        assert shown["files"].endswith("2 files, 4.0 kB: config.json, m-Q4_K_M.gguf")
        assert shown["left out"] == "m-Q8_0.gguf (another quantisation: Q4_K_M is chosen)"


def test_info_with_files_lists_them_all(context: Context, many: str) -> None:
    execute_line(context, f"add {REPO}")
    for source in ("on the Hub", "on disk"):
        result = execute_line(context, "info many --files")
        assert [file.path for file in result.value] == list(FILES)
        assert source in result.text
        assert many in result.text
        assert "no: another quantisation: Q4_K_M is chosen" in result.text
        assert "git-sha1" in result.text
        assert "sha256" in result.html
        execute_line(context, "download many --wait")
    listed = json.loads(execute_line(context, "info many --files --json").text)
    assert listed[0] == {
        "path": "config.json",
        "size": len(FILES["config.json"]),
        "chosen": True,
        "reason": "",
        "digest": "git-sha1",
        "on_disk": True,
    }


def test_S20_outdated_offers_and_update_accepts(context: Context, many: str, hub: DemoHub) -> None:
    execute_line(context, f"add {REPO}")
    execute_line(context, "download many --wait")
    assert execute_line(context, "outdated").text == "Nothing newer was found."
    newer = hub.update(REPO, {"m-Q4_K_M.gguf": b"5" * 4000})
    for line in ("outdated", "outdated many"):
        offered = execute_line(context, line)
        assert many in offered.text
        assert newer in offered.text
        assert "%rmm update ID" in offered.text
        (offer,) = offered.value
        assert (offer.commit, offer.newer_commit) == (many, newer)
    assert json.loads(execute_line(context, "outdated --json").text)[0]["newer_commit"] == newer
    again = execute_line(context, f"add {REPO}")
    assert many in again.text
    assert newer in again.text
    assert newer in model_message(again.value).text, "notebooks show the value"
    assert rows(execute_line(context, "info many").text)["newer commit"] == newer
    result = execute_line(context, "update many --wait")
    assert result.text == "Updated many."
    assert result.value.result().name == newer
    assert "newer commit" not in rows(execute_line(context, "info many").text)
    assert execute_line(context, "outdated many").value == []


def test_one_repository_that_is_gone_does_not_hide_the_others(
    context: Context, manager: ModelManager, many: str, hub: DemoHub
) -> None:
    for repo in (REPO, "rmm-demo/vit-digits"):
        execute_line(context, f"add {repo}")
        execute_line(context, f"download {repo.partition('/')[2]} --wait")
    newer = hub.update(REPO, {"m-Q4_K_M.gguf": b"5" * 4000})
    hub.remove("rmm-demo/vit-digits")
    result = execute_line(context, "outdated")
    assert [offer.newer_commit for offer in result.value] == [newer]
    assert "vit-digits: " in result.text
    with pytest.raises(DownloadError):
        execute_line(context, "outdated vit-digits")


def test_views_do_not_wait(manager: ModelManager, context: Context, many: str) -> None:
    execute_line(context, f"add {REPO}")
    view = Context(manager=manager, table=context.table, may_wait=False)
    listing = execute_line(view, "info many --files").value.result(60)
    assert [file.path for file in listing.files] == list(FILES)
    assert execute_line(view, "info many").value.info.model_id == "many"
    assert execute_line(view, "outdated many").value.result(60) is None
