"""How much memory this machine, this container and its GPUs have, and how much of it is free.

Main memory is bounded by the machine, by each control group that this process is in (versions 1 and 2), and by
`ulimit -v`; the tightest counts. GPUs are the business of `gpus`. Reads files, so call it off the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec
import psutil

__all__ = ["Capacity", "Machine", "kept_back", "read_machine", "read_ram"]

_MIB = 1 << 20


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that there are and that can still be had, and what says so: for messages."""

    total: int
    available: int
    source: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a load may use. `devices` has the GPUs by the names that loaders take: "cuda:0"."""

    ram: Capacity
    devices: Mapping[str, Capacity] = msgspec.field(default_factory=dict[str, Capacity])


def kept_back(capacity: Capacity) -> int:
    """Bytes that no model gets, so that the kernel and the system can go on: 5 %, at least 256 MiB, at most 2 GiB."""
    return min(max(capacity.total // 20, 256 * _MIB), 2048 * _MIB)


def read_machine(*, devices: bool, in_kernel: bool) -> Machine:
    """Look now.

    Args:
        devices: Look for GPUs, too.
        in_kernel: The memory is for this process, not for one of its own; `ulimit -v` counts per process.
    """
    found: dict[str, Capacity] = {}
    if devices:
        from .gpus import read_gpus

        found = {gpu.device: Capacity(total=gpu.total, available=gpu.free, source=gpu.name) for gpu in read_gpus()}
    return Machine(ram=read_ram(in_kernel=in_kernel), devices=found)


def read_ram(root: Path = Path("/"), *, in_kernel: bool = False) -> Capacity:
    """Main memory; `root` is where `/proc` and the control groups' file systems are looked for."""
    memory = psutil.virtual_memory()
    machine = Capacity(total=memory.total, available=memory.available, source="the machine")
    limits = [machine, *_control_groups(root, memory.total), *_address_space(in_kernel=in_kernel)]
    return min(limits, key=lambda each: each.available)


def _address_space(*, in_kernel: bool) -> Iterator[Capacity]:
    try:
        import resource
    except ImportError:
        return  # Windows
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        taken = psutil.Process().memory_info().vms if in_kernel else 0
        yield Capacity(total=limit, available=max(limit - taken, 0), source="ulimit -v")


# Control groups

_FILES = {
    "cgroup2": (("memory.max", "memory.high"), "memory.current", "inactive_file"),
    "cgroup": (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
}
"""By file system: the limits, the usage, and what of it the system gives up when it is asked for more."""


def _control_groups(root: Path, machine: int) -> Iterator[Capacity]:
    """The limits of this process's group and of all groups around it."""
    groups = _own_groups(root)
    for kind, mount, mounted in _mounts(root):
        group = groups.get(kind)
        if group is None:
            continue
        # In a container the mount may show a part of the tree, and the group's path may be the host's.
        inner = group.relative_to(mounted) if group.is_relative_to(mounted) else PurePosixPath()
        for folder in (inner, *inner.parents):
            if (found := _limit(root / mount.relative_to("/") / folder, kind)) and found.total < machine:
                yield found


def _own_groups(root: Path) -> dict[str, PurePosixPath]:
    """This process's group for memory, by kind of file system."""
    found: dict[str, PurePosixPath] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            found["cgroup2"] = PurePosixPath(path)
        elif "memory" in controllers.split(","):
            found["cgroup"] = PurePosixPath(path)
    return found


def _mounts(root: Path) -> Iterator[tuple[str, PurePosixPath, PurePosixPath]]:
    """Kind, place and root of every mounted tree of groups that may say something about memory."""
    for line in _lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        fields, types = place.split(), kind.split()
        if len(fields) < 5 or not types or types[0] not in _FILES:
            continue
        if types[0] == "cgroup" and "memory" not in types[-1].split(","):
            continue
        yield types[0], PurePosixPath(fields[4]), PurePosixPath(fields[3])


def _limit(folder: Path, kind: str) -> Capacity | None:
    limits, usage, given_up = _FILES[kind]
    numbers = [number for name in limits if (number := _number(folder / name)) is not None]
    used = _number(folder / usage)
    if not numbers or used is None:
        return None
    statistics = dict(line.split(maxsplit=1) for line in _lines(folder / "memory.stat") if " " in line)
    spare = statistics.get(given_up, "0").strip()
    taken = max(used - (int(spare) if spare.isdecimal() else 0), 0)
    limit = min(numbers)
    return Capacity(total=limit, available=max(limit - taken, 0), source="the container's limit")


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, as "max" is none."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
