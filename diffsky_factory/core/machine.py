"""What this process may use of the machine."""

import ctypes
import os
import platform
import sys
from functools import cache


def cores(most: int | None = None) -> int:
    """Cores this process may use, or a number beyond which more are of no use."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return number if most is None else min(most, number)


def give_back_memory() -> None:
    """Memory of arrays that are gone goes back to the system; glibc keeps gigabytes where threads come and go."""
    if _with_glibc():
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@cache
def _with_glibc() -> bool:
    return sys.platform == "linux" and "glibc" in platform.libc_ver()
