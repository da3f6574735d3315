"""What the side panel says and shows, and what it does to a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from rmm_widgets import __version__

from .conftest import DARK
from .kernelspecs import OTHER_LANGUAGE, WITHOUT_PACKAGE, add_kernel
from .lab import LabPage, Notebook
from .scenes import button
from .side_panel import comms_and_publishers, expect_models, models, prompts
from .waiting import wait_until

pytestmark = pytest.mark.usefixtures("quiet_console")

OpenNotebook = Callable[..., Notebook]
IMPORTED = "import sys; print('rmm_widgets' in sys.modules)"
OTHER_PROTOCOL = """
from rmm_widgets.notebook import bridge, view_commands
bridge.PROTOCOL_VERSION = view_commands.PROTOCOL_VERSION = 99
view_commands.__version__ = '9.9.9'
"""


@pytest.fixture(autouse=True)
def hidden_at_first(lab: LabPage) -> None:
    lab.hide_models_panel()


def test_connecting_leaves_no_trace_in_the_notebook(lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook(models("one", folder=tmp_path), "6 * 7", "1/0")
    notebook.run(0)
    notebook.save()
    expect_models(lab.models_panel(), "one")
    assert not notebook.is_dirty()
    assert notebook.outputs(0) == []
    notebook.run(1)
    assert prompts(notebook, [0, 1]) == ["[1]:", "[2]:"]
    # What the panel asks is not in the way of the user's own names and history.
    history = "print(len(In), sorted(Out), _, 'importlib' in globals())"
    assert notebook.ask(history).split() == ["3", "[2]", "42", "False"]
    assert lab.page_errors == []


def test_no_kernel_hears_of_a_hidden_panel(lab: LabPage, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("1")
    notebook.run(0)
    assert notebook.ask(IMPORTED).strip() == "False"
    lab.models_panel()
    expect(lab.page.get_by_role("region", name="Models").get_by_text("No models yet")).to_be_visible()
    assert notebook.ask(IMPORTED).strip() == "True"


def test_a_kernel_without_the_package_is_left_alone(lab: LabPage, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("1", kernel=add_kernel(lab.server, "without", WITHOUT_PACKAGE))
    panel = lab.models_panel()
    expect(panel).to_contain_text("rmm_widgets is not installed in this kernel")
    expect(panel.get_by_role("button", name="Copy: %pip install rmm_widgets")).to_be_visible()
    assert notebook.ask(IMPORTED).strip() == "False"
    notebook.ask("import sys; sys.installed = True")
    button(panel, "Look again").click()
    expect(panel.get_by_role("grid", name="Models").or_(panel.get_by_text("No models yet")).first).to_be_visible()


def test_a_kernel_of_another_language_is_asked_nothing(lab: LabPage, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("1", kernel=add_kernel(lab.server, "toy", OTHER_LANGUAGE, language="toy"))
    expect(lab.models_panel()).to_contain_text("The kernel runs toy. Models are managed in Python kernels.")
    assert notebook.ask("how often?") == "1"


def test_a_kernel_of_another_protocol_is_not_talked_to(lab: LabPage, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("1")
    notebook.ask(OTHER_PROTOCOL)
    panel = lab.models_panel()
    expect(panel).to_contain_text("Panel and kernel do not fit together")
    expect(panel).to_contain_text(f"The kernel has rmm_widgets 9.9.9, this panel is of {__version__}")
    expect(panel.get_by_role("button", name=f"Copy: %pip install rmm_widgets=={__version__}")).to_be_visible()
    wait_until(lambda: comms_and_publishers(notebook) == [0, 0], "the comms are closed")


def test_other_versions_of_one_protocol_work_together(
    lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(models("one", folder=tmp_path))
    notebook.run(0)
    notebook.ask("from rmm_widgets.notebook import view_commands; view_commands.__version__ = '9.9.9'")
    panel = lab.models_panel()
    expect_models(panel, "one")
    expect(panel).to_contain_text(f"rmm_widgets 9.9.9 in the kernel, {__version__} in this panel")


def test_a_manager_that_is_closed_is_not_replaced_behind_the_users_back(
    lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(models("one", folder=tmp_path))
    notebook.run(0)
    panel = lab.models_panel()
    expect_models(panel, "one")
    notebook.ask("manager.close()")
    expect(panel).to_contain_text("The model manager was closed")
    button(panel, "Connect").click()
    expect_models(panel, "one")
    assert notebook.ask("print(rmm_widgets.get_manager() is manager)").strip() == "False"


@pytest.fixture
def asks_first(lab: LabPage) -> Iterator[None]:
    """The setting that the panel waits for its button."""
    script = "(value) => window.jupyterapp.serviceManager.settings.save('rmm-widgets:connection', value)"
    lab.page.evaluate(script, '{"autoConnect": false}')
    lab.load()
    lab.hide_models_panel()
    yield
    lab.page.evaluate(script, "{}")
    lab.load()


def test_it_asks_first_where_the_user_wants_that(
    asks_first: None, lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook(models("one", folder=tmp_path))
    panel = lab.models_panel()
    expect(panel).to_contain_text("Connecting runs a few silent lines in this kernel.")
    assert notebook.ask(IMPORTED).strip() == "False"
    notebook.run(0)
    button(panel, "Connect").click()
    expect_models(panel, "one")
    notebook.restart_kernel()
    notebook.run(0)
    expect_models(panel, "one")


def test_what_was_set_up_is_there_again(
    lab: LabPage, open_notebook: OpenNotebook, themes: Callable[[str], None], tmp_path: Path
) -> None:
    notebook = open_notebook(models("one", "two", folder=tmp_path / "a"))
    notebook.run(0)
    other = open_notebook(models("three", folder=tmp_path / "b"))
    other.run(0)
    notebook.bring_to_front()
    panel = lab.models_panel()
    expect_models(panel, "one", "two")
    panel.get_by_label("Filter models").fill("two")
    button(panel, "Details two").click()
    panel.get_by_role("tab", name="Try it").click()
    panel.get_by_label("First text").fill("a cat")

    lab.hide_models_panel()
    expect(lab.page.locator(".rmm-SidePanel-content")).to_have_count(0)
    lab.models_panel()
    expect_set_up(panel)
    other.bring_to_front()
    expect_models(panel, "three")
    notebook.bring_to_front()
    expect_set_up(panel)
    lab.execute("rmm-widgets:search", {"query": ""})
    themes(DARK)
    expect(panel.get_by_role("dialog", name="Search the Hub")).to_be_visible()
    lab.page.keyboard.press("Escape")
    expect_set_up(panel)
    assert lab.page_errors == []


def expect_set_up(panel: Locator) -> None:
    expect(panel.get_by_role("grid", name="Models")).to_have_attribute("aria-rowcount", "2")
    expect(panel.get_by_label("Filter models")).to_have_value("two")
    expect(panel.get_by_label("First text")).to_have_value("a cat")
