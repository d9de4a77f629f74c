"""What this process may use of the machine."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

OWN_GROUPS = Path("/proc/self/cgroup")  # of Linux: a line of number, controllers and path for each group of processes
GROUPS = Path("/sys/fs/cgroup")


def cores(most: int | None = None) -> int:
    """Cores this process may use, or a number beyond which more are of no use."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return number if most is None else min(most, number)


def memory_limit() -> int:
    """Bytes of memory that this process may have: of the machine, or of its container or job, where these have less."""
    return min([psutil.virtual_memory().total, *_limits_of_groups()])


def _limits_of_groups() -> Iterator[int]:
    """Bytes that the groups of processes allow this one is in, itself and those that it is part of."""
    for line in OWN_GROUPS.read_text().splitlines() if OWN_GROUPS.is_file() else ():
        _, controllers, path = line.split(":", 2)
        versions = {"memory": (GROUPS / "memory", "memory.limit_in_bytes"), "": (GROUPS, "memory.max")}
        if controllers not in versions:
            continue
        root, name = versions[controllers]
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            limit = folder / name
            if folder.is_relative_to(root) and limit.is_file() and (text := limit.read_text().strip()) != "max":
                yield int(text)


def give_back_memory() -> None:
    """Memory of arrays that are gone goes back to the system; glibc keeps gigabytes where threads come and go."""
    if _with_glibc():
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@cache
def _with_glibc() -> bool:
    return sys.platform == "linux" and "glibc" in platform.libc_ver()
