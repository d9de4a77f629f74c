"""Stores of very many tiles: what opening, listing, cutting, verifying and resuming them cost.

python -m tests.benchmarks.many_tiles [--tiles 3000 12000 50000] [--folder FOLDER]

Each store has a few galaxies a tile, made by a dummy kernel, so that all time is that of the store. The physical floor
is the time that the system takes to look at every file of the store once, or to read the plan.
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import diffsky_factory as dff
from diffsky_factory.factory.assembly import assembly
from diffsky_factory.factory.runs import zones
from diffsky_factory.factory.runs.build import complete
from diffsky_factory.factory.runs.job import Job, Tile, run
from diffsky_factory.factory.runs.planning import attributes
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import IS_ROW, Part, Rows, array_layouts
from diffsky_factory.sky import tiles

ORDER, ROWS = 7, 20
COLUMNS = ("galaxy_id", "ra", "dec", "redshift")


def planned(n: int) -> Part:
    """A part of n tiles of the whole sky."""
    recipe = dff.load_recipe(
        {"name": "many", "simulation": "synthetic", "columns": COLUMNS, "bands": (), "region": {"full_sky": True}},
        tiles={"order": ORDER, "block": 64, "blocks_per_shard": 1},
    )
    rows = Rows(
        made_from=recipe.text,
        partition="healpix",
        order=ORDER,
        dimension="galaxy",
        block=64,
        shard=64,
        keys=tuple(range(n)),
        counts=(ROWS,) * n,
        extents=(tiles.pixel_area(ORDER),) * n,
    )
    said = {**attributes(assembly(recipe.text)), "region": {"pixels": list(range(n)), "order": ORDER}}
    said["area_deg2"] = n * tiles.pixel_area(ORDER)
    return Part("galaxies", rows, "build", recipe.text, array_layouts((*COLUMNS, IS_ROW)), {}, said)


def dummy(part: Part, tile: int) -> Tile:
    """A few galaxies of a tile."""
    rng = np.random.default_rng(tile)
    ra, dec = tiles.centres(tiles.finer(part.rows.keys[tile], ORDER, ORDER + 4), ORDER + 4)
    chosen = rng.integers(0, len(ra), ROWS)
    columns = {
        "galaxy_id": tile * ROWS + np.arange(ROWS),
        "ra": ra[chosen],
        "dec": dec[chosen],
        "redshift": rng.uniform(0.1, 2.0, ROWS),
    }
    return Tile(columns, {"zones": zones.of_blocks(columns, part.rows.block)})


def timed(found: dict, name: str, do):
    """The result of a call, whose seconds are noted."""
    start = time.perf_counter()
    result = do()
    found[name] = time.perf_counter() - start
    return result


def measured(path: Path, n: int) -> dict[str, float]:
    """Seconds of each step, on a store of n tiles that is made for it."""
    found: dict[str, float] = {"tiles": n}
    part = planned(n)
    timed(found, "build", lambda: run(Job(path, part, dummy, complete=complete)))
    for cached in (store._read_plan, store._read_part):
        cached.cache_clear()
    ds = timed(found, "open", lambda: dff.open_catalog(path))
    timed(found, "area and tiles", lambda: (ds.sky.area, ds.sky.tiles))
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([n // 2]), ORDER))
    cone = timed(found, "cone of 1 deg", lambda: ds.sky.cone(ra, dec, 1.0))
    timed(found, "zslice of it", lambda: cone.sky.zslice(0.5, 1.0).compute())
    timed(found, "repr and html", lambda: (repr(ds), repr(ds.sky), ds._repr_html_()))
    timed(found, "read a column", lambda: ds.redshift.values)
    timed(found, "status", lambda: dff.status(path))
    timed(found, "verify", lambda: dff.status(path, verify=True))
    timed(found, "resume, nothing to do", lambda: run(Job(path, part, dummy, complete=complete)))
    files = timed(found, "floor: every file's size", lambda: sum(1 for file in path.rglob("*") if file.stat().st_size))
    found["files"] = files
    found["floor: plan parsed"] = 0.0
    timed(found, "floor: plan parsed", lambda: json.loads((path / store.PLAN).read_text()))
    found["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def main() -> None:
    """Measure stores of several sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[3000, 12000, 50000])
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    columns = []
    for n in arguments.tiles:
        folder = Path(tempfile.mkdtemp(dir=arguments.folder))
        try:
            columns.append(measured(folder / "many.zarr", n))
        finally:
            shutil.rmtree(folder)
    print(f"{os.cpu_count()} cores; seconds")
    for name in columns[0]:
        print(f"{name:>26} " + " ".join(f"{column[name]:>12,.3f}" for column in columns))


if __name__ == "__main__":
    main()
