"""A disk that fills up while a download writes: a real, small file system where one can be mounted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import DiskFullError

from .fetching import MIB, REPO, blobs, content, run, spec

pytestmark = pytest.mark.usefixtures("no_leaks")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and sys.platform == "linux"
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", "size=8m", "rmm-test", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("no file system can be mounted here; the limit on file sizes is tested instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_D6_a_disk_that_is_too_small_is_told_before_the_first_byte(empty_hub: DemoHub, small_disk: Path) -> None:
    empty_hub.add(REPO, {"model.safetensors": content(9 * MIB)})
    with pytest.raises(DiskFullError, match=r"needs 9\.4 MB, has 8\.4 MB"):
        run(spec(empty_hub, small_disk / "cache"))
    assert list(small_disk.iterdir()) == []
    assert empty_hub.bytes_sent(path="*") == 0


def test_D7_what_came_before_the_disk_filled_is_used_after_it_is_freed(empty_hub: DemoHub, small_disk: Path) -> None:
    cache, ballast = small_disk / "cache", small_disk / "ballast"
    empty_hub.add(REPO, {"model.safetensors": content(6 * MIB), "config.json": b"{}"})
    empty_hub.rate = 6 * MIB

    def fill(record: FetchProgress) -> None:
        if record.downloaded_bytes > MIB and not ballast.exists():
            ballast.write_bytes(bytes(4 * MIB))

    with pytest.raises(DiskFullError, match=r"needs .* MB, has"):
        Transfer(spec(empty_hub, cache), fill).run()
    kept = partial_bytes(cache, REPO)
    assert MIB < kept < 6 * MIB
    assert not [name for name in blobs(cache) if name.endswith(".rmm-tmp")]
    assert find_snapshot(cache, REPO, None) is None

    ballast.unlink()
    empty_hub.rate = None
    assert run(spec(empty_hub, cache)).fetched_bytes == 6 * MIB - kept
    assert verify_snapshot(find_snapshot(cache, REPO, None))[:2] == ((), ())  # type: ignore[arg-type]


LIMITED = """
    import resource, sys
    from rmm_widgets.downloads.fetcher.transfer import Transfer
    from rmm_widgets.downloads.spec import FetchSpec
    from rmm_widgets.errors import DiskFullError

    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
    try:
        Transfer(FetchSpec("m", sys.argv[1], None, sys.argv[2], sys.argv[3], None), lambda _: None).run()
    except DiskFullError as error:
        print(error)
"""


def test_D6_a_limit_on_file_sizes_is_a_full_disk(empty_hub: DemoHub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    empty_hub.add(REPO, {"model.safetensors": content(4 * MIB), "config.json": b"{}"})
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), REPO, empty_hub.url, str(cache)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "too full: needs" in done.stdout, done.stderr
    assert partial_bytes(cache, REPO) <= 2 * MIB
    run(spec(empty_hub, cache))
    assert verify_snapshot(find_snapshot(cache, REPO, None))[:2] == ((), ())  # type: ignore[arg-type]
