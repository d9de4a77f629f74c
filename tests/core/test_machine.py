"""What a process may use of the machine, of its container or of its job."""

import psutil
import pytest

from diffsky_factory.core import machine

TOTAL = psutil.virtual_memory().total
GROUPS = {
    "alone": ("0::/\n", {}, None),
    "unlimited": ("0::/job\n", {"job/memory.max": "max"}, None),
    "job of a queue": ("0::/job/step\n", {"job/memory.max": "2000000", "job/step/memory.max": "max"}, 2_000_000),
    "container": ("0::/docker/1\n", {"memory.max": "3000000"}, 3_000_000),
    "version 1": (
        "5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n",
        {"memory/job/memory.limit_in_bytes": "4000000", "memory/memory.limit_in_bytes": str(2**63 - 4096)},
        4_000_000,
    ),
}


@pytest.mark.parametrize(("own", "limits", "expected"), GROUPS.values(), ids=GROUPS)
def test_memory_is_that_of_the_smallest_group_of_processes(own, limits, expected, tmp_path, monkeypatch):
    (tmp_path / "own").write_text(own)
    for name, text in limits.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
    assert machine.memory_limit() == (expected or TOTAL)


def test_memory_is_that_of_the_machine_where_there_are_no_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "none")
    assert machine.memory_limit() == TOTAL
