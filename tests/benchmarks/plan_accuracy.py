"""What a plan says against what a build takes: memory of threads and of processes, bytes, files and seconds.

python -m tests.benchmarks.plan_accuracy [--cases small ...] [--ways 1 2 2p] [--kept] [--json FILE]

Every build runs in a fresh process, with nothing kept on disk from earlier ones, so that tables, halos and kernels are
made anew; --kept lets them be kept. Memory is what the system says that all processes of the build hold, looked at ten
times a second. A way is a number of threads, or with a p of processes of a dask cluster.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

import diffsky_factory as dff
from diffsky_factory.core.cache import FOLDER
from tests.benchmarks.measure import ROOT

SMALL = {"region": {"order": 7, "pixels": [87376, 87377]}}
MASSES = {
    "bands": [],
    "columns": ["galaxy_id", "ra", "dec", "redshift", "log10_halo_mass", "log10_stellar_mass"],
}
SETS = ["lsst", "roman", "euclid", "hsc", "sdss", "galex"]
CASES: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "small, one band": {**SMALL, "bands": ["lsst_i"]},
    "small, many bands": {**SMALL, "bands": SETS},
    "small, masses": {**SMALL, **MASSES},
    "small, large blocks": {**SMALL, "tiles": {"order": 7, "block": 65536, "blocks_per_shard": 1}},
    "small, one block a tile": {**SMALL, "tiles": {"order": 7, "block": 131072, "blocks_per_shard": 1}},
    "example": {},
    "example, one tile": {"tiles": {"order": 5, "block": 16384, "blocks_per_shard": 4}},
    "large, masses": {**MASSES, "region": {"order": 5, "pixels": [5461, 5462, 5463, 5464, 5465]}},
    "large": {"region": {"order": 5, "pixels": [5461, 5462, 5463, 5464, 5465]}},
}
WAYS = ("1", "2", "2p")
EVERY = 0.1  # s between two looks

BUILD = """
import json, sys
import diffsky_factory as dff
if __name__ == "__main__":
    changes, path, workers, processes = json.loads(sys.argv[1])
    if processes:
        from dask.distributed import Client
        with Client(n_workers=workers, threads_per_worker=1, dashboard_address=None) as client:
            summary = dff.build("example", path, client=client, **changes)
    else:
        summary = dff.build("example", path, workers=workers, **changes)
    print(json.dumps({"rows": summary.rows, "seconds": summary.seconds, "peak": summary.peak_memory}))
"""


def looked_at(process: subprocess.Popen) -> dict[str, float]:
    """Peak memory [bytes] of a process, of the largest of its children, and of all together, until it ends."""
    peaks: dict[int, int] = {}
    together, main = 0, psutil.Process(process.pid)
    while process.poll() is None:
        held = dict(_held(main))
        together = max(together, sum(held.values()))
        peaks = {pid: max(peaks.get(pid, 0), held.get(pid, 0)) for pid in {*peaks, *held}}
        time.sleep(EVERY)
    return {"main": peaks.pop(process.pid), "worker": max(peaks.values(), default=0), "together": together}


def _held(process: psutil.Process) -> Iterator[tuple[int, int]]:
    """Memory [bytes] of a process and of those that it started, by number."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            yield one.pid, one.memory_info().rss
        except psutil.NoSuchProcess:
            continue


def measured(changes: Mapping[str, Any], way: str, kept: bool) -> dict[str, Any]:
    """What a build takes, and what its plan says."""
    workers, processes = int(way.removesuffix("p")), way.endswith("p")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mock.zarr"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **({} if kept else {FOLDER: f"{folder}/cache"})}
        script = Path(folder) / "build.py"
        script.write_text(BUILD)
        given = json.dumps([dict(changes), str(path), workers, processes])
        build = subprocess.Popen(
            [sys.executable, str(script), given], env=environment, stdout=subprocess.PIPE, text=True, cwd=folder
        )
        taken: dict[str, Any] = looked_at(build)
        if build.returncode:
            raise SystemExit(f"{changes}, {way}: ended with {build.returncode}")
        assert build.stdout is not None
        taken.update(json.loads(build.stdout.read().splitlines()[-1]))
        files = [file for file in path.rglob("*") if file.is_file() and file.name != ".lock"]
        taken.update(files=len(files), bytes=sum(file.stat().st_size for file in files))
    return taken


def planned(changes: Mapping[str, Any], way: str) -> dict[str, float]:
    """What the plan says of the same."""
    workers, processes = int(way.removesuffix("p")), way.endswith("p")
    plan = dff.plan("example", **changes)
    return {
        "rows": plan.rows.total,
        **({"worker": plan.worker_memory} if processes else {}),
        "together": plan.memory(workers, processes=processes),
        "bytes": plan.bytes,
        "files": plan.files,
        "seconds": plan.seconds(workers),
    }


def main() -> None:
    """Build all cases in all ways, and print what was planned beside what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--kept", action="store_true", help="with tables and kernels of earlier runs")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    found = []
    for case in arguments.cases:
        for way in arguments.ways:
            taken = measured(CASES[case], way, arguments.kept)
            said = planned(CASES[case], way)
            found.append({"case": case, "way": way, "planned": said, "measured": taken})
            print(f"{case}, {way}: {taken['rows']:,} galaxies", flush=True)
            for name, value in said.items():
                print(f"    {name:>9} {value:>16,.0f} {taken[name]:>16,.0f} {value / taken[name]:>6.2f}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
