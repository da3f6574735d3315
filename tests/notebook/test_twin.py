"""The static twin: a table beside the live view that tells its time and is kept up to date, slowly."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import fallback
from rmm_widgets.notebook import twin as twin_module
from rmm_widgets.notebook.protocol import Progress, Row
from rmm_widgets.notebook.publisher import Publisher
from rmm_widgets.notebook.publishers import publisher_of
from rmm_widgets.notebook.twin import PACE, Twin
from rmm_widgets.notebook.widgets import DownloadProgress, ModelManagerPanel

from ..commands.custom import Echo
from .conftest import LONG, RecordingComm
from .kernels import VIEW, Kernel, running, settle
from .test_publisher import Source, make_row

AS_OF = re.compile(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.")


class Outputs:
    """Where a kernel's outputs go."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, bool, dict[str, Any]]] = []

    def publish(self, data: dict[str, Any], *, transient: dict[str, str], update: bool = False, **_rest: Any) -> None:
        assert set(transient) == {"display_id"}
        self.sent.append((time.monotonic(), update, data))

    def updates(self) -> list[str]:
        return [data["text/html"] for _, update, data in self.sent if update]


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """Outputs of a kernel whose front end has output areas."""
    outputs = Outputs()
    monkeypatch.setattr(twin_module, "_display_publisher", lambda: outputs.publish)
    return outputs


@pytest.fixture
def publisher() -> Iterator[tuple[Publisher, Source]]:
    source = Source()
    publisher = Publisher(source)
    yield publisher, source
    publisher.close(LONG)
    assert not publisher.running


def stages(rows: Any, _progress: Any) -> str:
    return ",".join(f"{row.id}:{row.stage}" for row in rows)


def wait_for(condition: Any) -> None:
    ends = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def show(twin: Twin, publisher: Publisher, source: Source) -> None:
    rows: tuple[Row, ...] = tuple(source.snapshot.rows.values())
    progress: dict[str, Progress] = {}
    assert twin.show(rows, progress, publisher)


def test_the_first_table_is_the_same_in_every_run_and_later_ones_tell_their_time(
    outputs: Outputs, publisher: tuple[Publisher, Source]
) -> None:
    publishes, source = publisher
    source.change("a", 1, stage="registered")
    twin = Twin(lambda snapshot: snapshot, stages)
    show(twin, publishes, source)
    (_, update, data) = outputs.sent[0]
    assert not update
    assert data["text/plain"] == "As it was when this cell ran."
    assert f'class="rmm-static-{twin.id}"' in data["text/html"]
    assert 'data-rmm-as-of=""' in data["text/html"]
    source.change("a", 1, stage="loaded")
    wait_for(outputs.updates)
    assert "a:loaded" in outputs.updates()[-1]
    assert AS_OF.search(outputs.updates()[-1])


def test_updates_are_slow_the_last_one_arrives_and_what_looks_the_same_is_not_sent(
    outputs: Outputs, publisher: tuple[Publisher, Source]
) -> None:
    publishes, source = publisher
    twin = Twin(lambda snapshot: snapshot, stages)
    show(twin, publishes, source)
    started = time.monotonic()
    for number in range(200):
        source.change("a", number, stage=f"stage {number}")
        time.sleep(0.005)
    wait_for(lambda: outputs.updates() and "a:stage 199" in outputs.updates()[-1])
    times = [when for when, update, _ in outputs.sent if update]
    assert len(times) <= (times[-1] - started) / PACE + 1
    count = len(outputs.sent)
    source.change("a", 1000, stage="stage 199")
    view_told = source.taken
    wait_for(lambda: source.taken > view_told)
    time.sleep(PACE)  # by then it would have been sent
    assert len(outputs.sent) == count


def test_a_front_end_that_speaks_gets_a_time_where_nothing_changed(
    outputs: Outputs, publisher: tuple[Publisher, Source]
) -> None:
    publishes, source = publisher
    twin = Twin(lambda snapshot: snapshot, stages)
    show(twin, publishes, source)
    for _ in range(3):
        twin.seen(publishes)
    wait_for(outputs.updates)
    assert AS_OF.search(outputs.updates()[0])
    show(twin, publishes, source)
    assert AS_OF.search(outputs.sent[-1][2]["text/html"]), "shown again it still tells its time"
    assert len(outputs.updates()) == 1


@pytest.mark.usefixtures("front_end")
def test_a_widget_shows_its_twin_and_ends_it_when_it_is_closed(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm], outputs: Outputs
) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    shown = panel._repr_mimebundle_()
    assert "text/html" not in shown, "one table is enough"
    assert "echo" in shown["text/plain"]
    assert f"rmm-static-{comm.state()['_twin']}" in outputs.sent[0][2]["text/html"]
    comm.receive({"method": "custom", "content": {"kind": "rmm/cmd", "rid": "1", "name": "ping"}})
    manager.load_model("echo").result(LONG)
    wait_for(lambda: outputs.updates() and "loaded" in outputs.updates()[-1])
    panel.close()
    wait_for(lambda: not publisher_of(manager).running)


@pytest.mark.usefixtures("front_end")
def test_a_jobs_twin_ends_as_its_result(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm], outputs: Outputs
) -> None:
    echo.gate.clear()
    job = manager.download_model("echo")
    bars = DownloadProgress(job)
    bars._repr_mimebundle_()
    assert "<progress" in outputs.sent[0][2]["text/html"] or "echo" in outputs.sent[0][2]["text/html"]
    echo.gate.set()
    job.result(LONG)
    wait_for(lambda: outputs.updates() and "echo: downloaded" in outputs.updates()[-1])
    bars.close()


@pytest.mark.parametrize("served", [False, True])
def test_ids_differ_between_widgets(monkeypatch: pytest.MonkeyPatch, served: bool) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if served:
        monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    assert len({Twin(lambda snapshot: snapshot, stages).id for _ in range(10)}) == 10


@pytest.fixture
def kernel(hub: DemoHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    settle(hub, tmp_path, monkeypatch)
    with running(tmp_path / "kernel") as kernel:
        yield kernel


@pytest.mark.slow
def test_a_real_kernel_keeps_the_twin_up_to_date_while_a_cell_blocks(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%rmm add rmm-demo/minilm-toy --as toy")
    messages = kernel.run("%rmm")
    (display,) = [each["content"] for each in messages if each["msg_type"] == "display_data"]
    (result,) = [each["content"]["data"] for each in messages if each["msg_type"] == "execute_result"]
    display_id = display["transient"]["display_id"]
    comm_id = result[VIEW]["model_id"]
    opened = kernel.wait_for(lambda content: content["comm_id"] == comm_id)
    assert opened["data"]["state"]["_twin"] == display_id
    assert f"rmm-static-{display_id}" in display["data"]["text/html"]
    gate = tmp_path / "gate"
    block = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)"
    kernel.client.execute("job = %rmm download toy\n" + block)
    kernel.wait_until(lambda: any("downloaded" in each["text/html"] for each in kernel.display_updates(display_id)))
    gate.touch()
    last = kernel.display_updates(display_id)[-1]["text/html"]
    assert AS_OF.search(last)
    captured = kernel.run("%%capture\nfrom rmm_widgets import ModelManagerPanel\ndisplay(ModelManagerPanel())")
    assert not [each for each in captured if each["msg_type"] in {"display_data", "error"}]


def test_of_very_many_models_a_few_are_shown_and_the_rest_is_counted() -> None:
    rows = [make_row(f"m{number}\nx") for number in range(10_000)]
    assert fallback.rows_html(rows).count("<tr>") == 1 + 20 + 1
    *lines, last = fallback.rows_text(rows).splitlines()
    assert (len(lines), last) == (1 + 20, "… and 9980 more")
    assert lines[1].split() == ["m0", "x", "embedding_model", "registered", "unknown"]
    assert "more" not in fallback.rows_text(rows[:200]) + fallback.rows_html(rows[:200])
    assert fallback.rows_text([]) == "No models are registered."
