"""Stores of very many tiles: what planning, opening, listing, cutting, verifying and resuming them cost.

python -m tests.benchmarks.many_tiles [--tiles 3000 12000 50000] [--folder FOLDER] [--profile STEP]

The halos are a table with one in every tile, and columns that it gives, so that all time is that of the plan and the
store. `plan`, `build`, `open_catalog`, `status`, cuts and `resume` are what a user calls. Only tiles beyond BUILT are
not written by `build`, which takes a minute per thousand: they are written here, all at once, with the same bytes. The
physical floor is the time that the system takes to look at every file of the store once, or to read the plan.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr

import diffsky_factory as dff
from diffsky_factory.factory.runs import zones
from diffsky_factory.factory.runs.planning import BuildPlan
from diffsky_factory.outputs import commits, store
from diffsky_factory.outputs.layout import IS_ROW, Part
from diffsky_factory.sky import tiles
from diffsky_factory.sky.spaces import Sky

ORDER, BLOCK = 7, 64
BUILT = 200  # tiles that `build` makes
AT_ONCE = 1000  # shards that are written by one call
COLUMNS = ("galaxy_id", "ra", "dec", "redshift")
ENTRY = {
    "title": "A halo in every tile",
    "format": "table",
    "cosmology": {"Om0": 0.3075, "h": 0.6774},
    "columns": {
        "simulation_halo_id": "id",
        **{name: {"column": name, "unit": "deg"} for name in ("ra", "dec")},
        "redshift": "redshift",
        **{name: {"column": name, "unit": "km/s"} for name in ("vx", "vy", "vz")},
        "log10_halo_mass": {"column": "mass", "unit": "Msun"},
    },
    "options": {"geometry": "lightcone", "velocities": "physical", "hosts": "all"},
}


def recipe(folder: Path, n: int) -> dict[str, Any]:
    """A recipe of n halos in as many tiles, whose files are written to a folder."""
    rng = np.random.default_rng(1)
    ra, dec = tiles.centres(np.arange(n), ORDER)
    with h5py.File(folder / "halos.hdf5", "w") as file:
        file["id"], file["ra"], file["dec"], file["redshift"] = np.arange(n), ra, dec, rng.uniform(0.1, 2.0, n)
        file["mass"] = 10.0 ** rng.uniform(11.0, 14.0, n)
        for name in ("vx", "vy", "vz"):
            file[name] = rng.normal(0.0, 200.0, n)
    (folder / "many.yaml").write_text(json.dumps({**ENTRY, "files": ["halos.hdf5"]}))
    return {
        "name": "many",
        "simulation": str(folder / "many.yaml"),
        "columns": list(COLUMNS),
        "bands": [],
        "region": {"full_sky": True},
        "tiles": {"order": ORDER, "block": BLOCK, "blocks_per_shard": 1},
    }


def fill(path: Path, part: Part) -> None:
    """Write the tiles that are missing, of one shard each, as `write_tile` does: with the bytes of many at once."""
    todo = np.array([tile for tile in range(part.rows.tiles) if not store.commit(path, part, tile)])
    rng, size = np.random.default_rng(2), part.rows.shard
    for at in range(0, len(todo), AT_ONCE):
        some = todo[at : at + AT_ONCE]
        first, last = int(some[0]), int(some[-1]) + 1
        assert np.array_equal(some, np.arange(first, last))
        ra, dec = tiles.centres(np.asarray(part.rows.keys)[some], ORDER)
        values = {"galaxy_id": some, "ra": ra, "dec": dec, "redshift": rng.uniform(0.1, 2.0, len(some)), IS_ROW: True}
        for array in part.arrays:
            full = np.full((len(some), size), array.fill, array.dtype)
            full[:, 0] = values[array.name]
            zarr.open_array(path / part.path(array), mode="r+")[first * size : last * size] = full.ravel()
        for i, tile in enumerate(some):
            files = {file: commits.fingerprint(path / file) for file in store._expected(part, int(tile))}
            columns = {name: np.atleast_1d(values[name][i]) for name in COLUMNS}
            notes = {"rows": 1, "zones": zones.of_blocks(columns, part.rows.block, Sky())}
            commit = {"part": part.hash, "key": part.rows.keys[tile], "files": files, **notes}
            commits.write_sealed(store._commit_file(path, part, int(tile)), commit)


def timed(found: dict[str, float], name: str, do: Callable, profiled: str | None = None) -> Any:
    """The result of a call, whose seconds are noted, and the functions that took longest if that is asked for."""
    profile = cProfile.Profile()
    start = time.perf_counter()
    result = profile.runcall(do) if name == profiled else do()
    found[name] = time.perf_counter() - start
    print(f"    {name}: {found[name]:.2f} s", flush=True)
    if name == profiled:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(40)
    return result


def measured(folder: Path, n: int, profiled: str | None) -> dict[str, float]:
    """Seconds of each step, on a store of n tiles that is made for it."""
    found: dict[str, float] = {"tiles": n}
    path = folder / "many.zarr"
    few = recipe(folder, BUILT)
    timed(found, f"build of {BUILT} tiles", lambda: dff.build(few, folder / "few.zarr"))
    asked = recipe(folder, n)
    plan: BuildPlan = timed(found, "plan", lambda: dff.plan(asked), profiled)
    store.make_folder(path)
    store.create(path, plan.part)
    timed(found, "(tiles are written)", lambda: fill(path, plan.part))
    # nothing is missing but what completes the store
    timed(found, "build, finished", lambda: dff.build(asked, path), profiled)
    for cached in (store._read_plan, store._read_part):
        cached.cache_clear()
    ds = timed(found, "open", lambda: dff.open_catalog(path), profiled)
    timed(found, "area and tiles", lambda: (ds.sky.area, ds.sky.tiles), profiled)
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([n // 2]), ORDER))
    cone = timed(found, "cone of 1 deg", lambda: ds.sky.cone(ra, dec, 1.0), profiled)
    timed(found, "cone of 20 deg", lambda: ds.sky.cone(ra, dec, 20.0), profiled)
    timed(found, "zslice of it", lambda: cone.sky.zslice(0.5, 1.0).compute(), profiled)
    timed(found, "repr and html", lambda: (repr(ds), repr(ds.sky), ds._repr_html_()), profiled)
    timed(found, "read a column", lambda: ds.redshift.values, profiled)
    timed(found, "status", lambda: dff.status(path), profiled)
    timed(found, "verify", lambda: dff.status(path, verify=True), profiled)
    timed(found, "resume, nothing to do", lambda: dff.resume(path), profiled)
    store.begin(path, plan.part)
    store.remove_tile(path, plan.part, n // 2)
    timed(found, "open, one tile missing", lambda: dff.open_catalog(path, allow_partial=True), profiled)
    timed(found, "resume, one tile missing", lambda: dff.resume(path), profiled)
    files = timed(found, "floor: every file's size", lambda: sum(1 for file in path.rglob("*") if file.stat().st_size))
    found["files"], found["files planned"] = files, plan.files
    timed(found, "floor: plan parsed", lambda: json.loads((path / store.PLAN).read_text()))
    found["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def main() -> None:
    """Measure stores of several sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[3000, 12000, 50000])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--profile", default=None, metavar="STEP", help="print what takes the time of a step")
    arguments = parser.parse_args()
    columns = []
    for n in arguments.tiles:
        print(f"{n:,} tiles", flush=True)
        folder = Path(tempfile.mkdtemp(dir=arguments.folder))
        try:
            columns.append(measured(folder, n, arguments.profile))
        finally:
            shutil.rmtree(folder)
    print(f"{os.cpu_count()} cores; seconds")
    for name in columns[0]:
        print(f"{name:>26} " + " ".join(f"{column[name]:>12,.3f}" for column in columns))


if __name__ == "__main__":
    main()
