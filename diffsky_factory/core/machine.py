"""What this process may use of the machine."""

import os


def cores(most: int | None = None) -> int:
    """Cores this process may use, or a number beyond which more are of no use."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return number if most is None else min(most, number)
