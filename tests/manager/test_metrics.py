"""Metrics for Prometheus: real requests, read by Prometheus' own parser."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidConfigError, ManagerClosedError, RMMError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelHealth

from .models import Scripted, info

LONG = 60.0


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def scraped(address: str) -> dict[str, float]:
    """Every sample, as `name{label=value}`."""
    with urllib.request.urlopen(address, timeout=LONG) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    return {
        _name(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _name(name: str, labels: Mapping[str, str]) -> str:
    return name + ("{" + ",".join(f"{key}={value}" for key, value in sorted(labels.items())) + "}" if labels else "")


def test_a_life_of_a_model(manager: ModelManager, hub: DemoHub) -> None:
    address = manager.start_metrics()
    before = scraped(address)
    assert before["rmm_downloads_total{outcome=completed}"] == before["rmm_unloads_total"] == 0
    assert "rmm_memory_budget_bytes" not in before
    manager.memory_budget = "2GB"
    manager.register_from_hub("rmm-demo/minilm-toy").result(LONG)
    manager.download_model("minilm-toy").result(LONG)
    manager.load_model("minilm-toy").result(LONG)
    loaded = scraped(address)
    size = manager.describe("minilm-toy").size_on_disk
    assert loaded["rmm_downloads_total{outcome=completed}"] == 1
    assert loaded["rmm_downloaded_bytes_total"] == manager.get_statistics().total_bytes_downloaded > 0
    assert loaded["rmm_disk_bytes"] == size
    assert loaded["rmm_loads_total{outcome=completed}"] == loaded["rmm_load_duration_seconds_count"] == 1
    assert 0 < loaded["rmm_load_duration_seconds_sum"] < LONG
    assert loaded["rmm_models{status=loaded}"] == 1
    assert loaded["rmm_model_memory_bytes{model=minilm-toy}"] > 1_000_000
    assert loaded["rmm_memory_bytes"] > 1_000_000
    assert loaded["rmm_memory_budget_bytes"] == 2_000_000_000
    assert loaded["rmm_model_health{health=healthy,model=minilm-toy}"] == 1
    assert loaded["rmm_model_health{health=unhealthy,model=minilm-toy}"] == 0
    assert loaded["rmm_health_changes_total{health=healthy}"] == 1
    assert loaded[f"rmm_build_info{{version={__import__('rmm_widgets').__version__}}}"] == 1
    manager.unload_model("minilm-toy").result(LONG)
    after = scraped(address)
    assert after["rmm_unloads_total"] == 1
    assert after["rmm_models{status=loaded}"] == 0
    assert not [name for name in after if "model=minilm-toy" in name and after[name]]


def test_failures_are_counted_by_what_they_were(manager: ModelManager, hub: DemoHub) -> None:
    address = manager.start_metrics()
    manager.register_from_hub("rmm-demo/vit-digits").result(LONG)
    hub.inject(Fault(path="*", status=403))
    with pytest.raises(RMMError):
        manager.download_model("vit-digits").result(LONG)

    def fail() -> None:
        raise ValueError("no")

    manager.register_model(info("broken"), model=Scripted("broken", load=fail))
    with pytest.raises(RMMError):
        manager.load_model("broken").result(LONG)
    found = scraped(address)
    assert found["rmm_downloads_total{outcome=failed}"] == found["rmm_failures_total{action=download_failed}"] == 1
    assert found["rmm_loads_total{outcome=failed}"] == found["rmm_failures_total{action=load_failed}"] == 1
    assert found["rmm_models{status=error}"] == 2


def test_names_follow_the_conventions(manager: ModelManager) -> None:
    with urllib.request.urlopen(manager.start_metrics(), timeout=LONG) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert len(families) > 10
    for family in families:
        assert family.name.startswith("rmm_")
        assert family.documentation.endswith(".")
        assert family.type != "counter" or all(
            sample.name.endswith(("_total", "_created")) for sample in family.samples
        ), family.name
        assert not family.name.endswith(("_ms", "_kb", "_mb", "_percent"))


def test_it_is_on_the_loopback_address_only_and_ends_with_the_manager(
    make_manager: Callable[..., ModelManager],
) -> None:
    manager = make_manager()
    address = manager.start_metrics()
    port = int(address.rpartition(":")[2].partition("/")[0])
    assert address == f"http://127.0.0.1:{port}/metrics"
    listening = [each.laddr for each in psutil.Process().net_connections() if each.status == "LISTEN"]
    assert [each.ip for each in listening if each.port == port] == ["127.0.0.1"]
    manager.close()
    with pytest.raises(urllib.error.URLError):
        scraped(address)
    with pytest.raises(ManagerClosedError):
        manager.start_metrics()


def test_starting_again_and_stopping(manager: ModelManager) -> None:
    address = manager.start_metrics()
    port = int(address.rpartition(":")[2].partition("/")[0])
    assert manager.start_metrics() == manager.start_metrics(port) == address
    with pytest.raises(InvalidConfigError, match="already"):
        manager.start_metrics(port + 1 if port < 65535 else port - 1)
    assert manager.stop_metrics() is True
    assert manager.stop_metrics() is False
    assert manager.start_metrics(port) == address


@pytest.mark.parametrize("bad", [-1, 65536, "9000", None, True, 1.5])
def test_what_is_no_port(manager: ModelManager, bad: Any) -> None:
    with pytest.raises(InvalidConfigError, match="port is") as caught:
        manager.start_metrics(bad)
    assert caught.value.hint


def test_a_port_that_is_taken(manager: ModelManager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidConfigError, match="cannot be used"):
        manager.start_metrics(taken.getsockname()[1])
    assert manager.stop_metrics() is False
    assert manager.start_metrics()


def test_a_hostile_name_is_a_label_and_no_more(manager: ModelManager) -> None:
    name = 'a"} 1 x\\y{b="'
    manager.register_model(info(name), model=Scripted(name))
    manager.load_model(name).result(LONG)
    found = scraped(manager.start_metrics())
    assert f"rmm_model_memory_bytes{{model={name}}}" in found
    assert all(each.startswith("rmm_") for each in found)
    assert manager.get_model_health(name) is not ModelHealth.UNHEALTHY


def test_nothing_of_prometheus_is_imported_without_use(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rmm_widgets import ModelManager\n"
        f"with ModelManager(data_dir={str(tmp_path / 'd')!r}, cache_dir={str(tmp_path / 'c')!r}) as manager:\n"
        "    print('prometheus_client' in sys.modules)\n"
        "    sys.modules['prometheus_client'] = None\n"
        "    try:\n        manager.start_metrics()\n"
        "    except Exception as error:\n        print(type(error).__name__, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=True)
    first, second = done.stdout.splitlines()
    assert first == "False"
    assert second.startswith("MissingDependencyError")
    assert "rmm_widgets[prometheus]" in second
