"""What there is of memory: the machine, control groups of both versions, `ulimit -v`, and GPUs where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rmm_widgets.workers.capacity import Capacity, kept_back, read_machine, read_ram
from rmm_widgets.workers.gpus import gpu_memory_of, read_gpus, visible_gpus
from rmm_widgets.workers.measure import process_memory

MIB = 1 << 20
UNLIMITED_V1 = 9223372036854771712
V2 = "29 23 0:26 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw"
V1 = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


class Tree:
    """A root folder with /proc and control groups as Linux lays them out."""

    def __init__(self, root: Path, mount: str, group: str, shown: str = "/") -> None:
        self.root = root
        (root / "proc/self").mkdir(parents=True)
        other = "24 1 0:20 / /sys rw - sysfs sysfs rw"
        (root / "proc/self/mountinfo").write_text(f"{other}\n{mount.format(root=shown)}\nbroken\n")
        (root / "proc/self/cgroup").write_text(f"8:pids:/\n{group}\n")

    def write(self, folder: str, **files: object) -> None:
        place = self.root / "sys/fs/cgroup" / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (place / name.replace("__", ".")).write_text(f"{value}\n")

    def read(self) -> Capacity:
        return read_ram(self.root)


def test_the_machine_where_nothing_limits_it(tmp_path: Path) -> None:
    found = read_ram(tmp_path)
    assert found.total == psutil.virtual_memory().total
    assert 0 < found.available <= found.total


def test_the_real_machine() -> None:
    found = read_machine(devices=False, in_kernel=False).ram
    assert 0 < found.available <= found.total <= psutil.virtual_memory().total
    assert found.source


def test_version_2_with_a_limit_and_files_that_can_be_given_up(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2, "0::/user/box")
    stat = f"anon {100 * MIB}\ninactive_file {150 * MIB}\nactive_file {10 * MIB}"
    tree.write("user/box", memory__max=400 * MIB, memory__high="max", memory__current=300 * MIB, memory__stat=stat)
    assert tree.read() == Capacity(total=400 * MIB, available=250 * MIB, source="the container's limit")


def test_version_2_high_counts_where_it_is_lower(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2, "0::/box")
    tree.write("box", memory__max=400 * MIB, memory__high=350 * MIB, memory__current=300 * MIB)
    assert tree.read().available == 50 * MIB


def test_the_tightest_of_nested_groups(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2, "0::/outer/middle/inner")
    tree.write("outer", memory__max=500 * MIB, memory__current=480 * MIB)
    tree.write("outer/middle", memory__max="max", memory__current=70 * MIB)
    tree.write("outer/middle/inner", memory__max=200 * MIB, memory__current=60 * MIB)
    assert tree.read() == Capacity(total=500 * MIB, available=20 * MIB, source="the container's limit")


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2, "0::/box")
    tree.write("box", memory__max=100 * MIB, memory__current=130 * MIB)
    assert tree.read().available == 0


def test_a_container_sees_its_part_of_the_tree_as_the_whole(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2, "0::/docker/abc", shown="/docker/abc")
    tree.write("", memory__max=300 * MIB, memory__current=100 * MIB)
    assert tree.read().available == 200 * MIB


def test_version_1(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V1, "4:cpu,memory:/job")
    stat = f"cache {90 * MIB}\ninactive_file 0\ntotal_inactive_file {50 * MIB}"
    tree.write("memory", memory__limit_in_bytes=UNLIMITED_V1, memory__usage_in_bytes=900 * MIB)
    tree.write("memory/job", memory__limit_in_bytes=300 * MIB, memory__usage_in_bytes=200 * MIB, memory__stat=stat)
    assert tree.read() == Capacity(total=300 * MIB, available=150 * MIB, source="the container's limit")


@pytest.mark.parametrize("limit", ["max", UNLIMITED_V1, "", "nonsense", -1])
def test_no_limit_is_no_limit(tmp_path: Path, limit: object) -> None:
    tree = Tree(tmp_path, V2, "0::/box")
    tree.write("box", memory__max=limit, memory__current=10 * MIB)
    assert tree.read().total == psutil.virtual_memory().total


def test_an_address_space_limit_counts_for_each_process() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))\n"
        "from rmm_widgets.workers.capacity import read_ram\n"
        "new, here = read_ram(), read_ram(in_kernel=True)\n"
        "assert (new.total, new.available, new.source) == (900 << 20, 900 << 20, 'ulimit -v'), new\n"
        "assert 0 < here.available < new.available, here\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_what_is_kept_back() -> None:
    sizes = (1 << 30, 8 << 30, 512 << 30)
    assert [kept_back(Capacity(total=t, available=0, source="")) >> 20 for t in sizes] == [256, 409, 2048]


def test_a_process_is_measured_and_is_nothing_once_it_is_gone() -> None:
    program = "import sys; kept = bytearray(50_000_000); print('ready', flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == b"ready\n"
        assert 50_000_000 < process_memory(child.pid) < 100_000_000
        child.kill()
        child.wait()
        assert process_memory(child.pid) == 0


def test_where_there_is_no_driver_there_are_no_gpus() -> None:
    if read_gpus():
        pytest.skip("there is a GPU")
    assert gpu_memory_of(1) == {}
    assert read_machine(devices=True, in_kernel=False).devices == {}


GPUS = ("GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3")


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        ("2,0", (2, 0)),
        (" 1 , 2 ", (1, 2)),
        ("-1", ()),
        ("0,-1,1", (0,)),
        ("0,7,1", (0,)),
        ("GPU-cc", (2,)),
        ("GPU-aa", ()),
        ("GPU-aabb-2,GPU-aaaa", (1, 0)),
        ("MIG-uuid,1", ("MIG-uuid", 1)),
        ("nonsense", ()),
    ],
)
def test_cuda_visible_devices(text: str | None, visible: tuple[int | str, ...]) -> None:
    assert visible_gpus(text, GPUS) == visible
