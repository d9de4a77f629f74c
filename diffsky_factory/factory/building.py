"""Building a mock into a store: tiles side by side, each committed on its own, resumed where a job was killed."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory import __version__
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory import checks
from diffsky_factory.factory.assembly import Assembly, assembly
from diffsky_factory.factory.planning import available_cores, plan_build
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.tasks import alone, finished, peak_memory, unfinished
from diffsky_factory.inputs.filters import load_filters
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import Layout

ZONE_COLUMNS = ("redshift", "redshift_obs", "log10_halo_mass", "log10_stellar_mass", "ra", "dec")


@dataclass(frozen=True)
class Summary:
    """What a build did."""

    path: str
    rows: int
    tiles: int
    built: int  # tiles of this run
    built_rows: int
    area: float  # deg^2
    seconds: float
    peak_memory: float  # bytes, of the largest process

    def __str__(self) -> str:
        rate = f"{self.built_rows / self.seconds:,.0f} galaxies/s" if self.built else "nothing was left to do"
        return (
            f"{self.rows:,} galaxies on {self.area:.4g} deg^2 in {self.tiles} tiles, {self.built} of them built now\n"
            f"{self.seconds:.1f} s, {rate}, peak memory {self.peak_memory / 1e9:.2f} GB\n"
            f"the store is {self.path}; to open it:\n"
            f"    import diffsky_factory as dff\n"
            f"    ds = dff.open_catalog({self.path!r})\n"
            f"    {self.example}.compute()"
        )

    example: str = "ds"  # what a user may want to look at first


def build(
    recipe: "str | Path | Recipe",
    path: str | Path,
    *,
    client: Any = None,
    workers: int | None = None,
    progress: Callable[[int, int, int, int], None] | None = None,
    **changes: Any,
) -> Summary:
    """Build a mock into a store, or finish one that was begun with the same recipe.

    recipe   : name, path of a yaml file, or Recipe; `changes` replace its fields
    path     : folder of the store; must not exist, or hold a build of the same recipe
    client   : a dask.distributed Client, whose workers see the same file system; else threads of this process
    workers  : tiles computed at a time without a client, default one per core
    progress : called as progress(tiles done, tiles, rows done, rows)
    Raises InputError, with nothing written, for anything wrong with recipe, inputs or path.
    """
    path, start = Path(path), time.perf_counter()
    parts = assembly(load_recipe(recipe, **changes).text)
    begun = (path / store.PLAN).exists()
    if not begun and not store.is_free(path):
        raise InputError(f"{path}: exists and is no store; choose another place or remove it")
    planned = plan_build(parts)
    if begun:
        _check_same(path, store.read_layout(path), planned.layout)
    else:
        planned.check_fits(path)
        store.make_folder(path)
    with alone(path):
        if (path / store.PLAN).exists():  # by now perhaps of another process
            _check_same(path, store.read_layout(path), planned.layout)
        else:
            store.create(path, planned.layout)
        return _finish(path, store.read_layout(path), client, workers, progress, start)


def resume(
    path: str | Path,
    *,
    client: Any = None,
    workers: int | None = None,
    progress: Callable[[int, int, int, int], None] | None = None,
) -> Summary:
    """Finish a store: tiles without a commit, or with a file that is missing or damaged, are built again.

    Arguments and errors as in `build`; the recipe is the one in the store.
    """
    path, start = Path(path), time.perf_counter()
    layout = store.read_layout(path)
    if layout.order is None:
        raise InputError(f"{path}: holds fits of histories; call fit_histories with the same histories to finish it")
    with alone(path):
        return _finish(path, layout, client, workers, progress, start)


def _check_same(path: Path, found: Layout, planned: Layout) -> None:
    """Raise InputError where the store in a place is not the one that is planned."""
    if found.recipe != planned.recipe:
        raise InputError(f"{path}: holds a build of another recipe; choose another place or remove it")
    if found.hash != planned.hash:
        raise InputError(
            f"{path}: holds a build of this recipe by another version or from other inputs; "
            f'finish it with "diffsky-factory resume {path}", choose another place, or remove it'
        )


def _finish(path: Path, layout: Layout, client: Any, workers: int | None, progress, start: float) -> Summary:
    """Build what is missing or damaged; for who holds the lock."""
    _check_inputs(path, layout)
    tiles, todo = len(layout.pixels), unfinished(path, layout)
    done, rows = tiles - len(todo), layout.rows - sum(layout.row_counts[tile] for tile in todo)
    peak, refused = 0.0, []
    if progress:
        progress(done, tiles, rows, layout.rows)
    for tile, memory, error in finished(_attempt, todo, client, workers or available_cores(), str(path.absolute())):
        if error is not None:
            refused.append(error)
            continue
        done, rows, peak = done + 1, rows + layout.row_counts[tile], max(peak, memory)
        if progress:
            progress(done, tiles, rows, layout.rows)
    if refused:
        more = f"; so do {len(refused) - 1} other tiles" if len(refused) > 1 else ""
        raise checks.CheckError(f"{min(refused, key=str)}{more}")
    if not store.is_complete(path):
        store.finalize(path, layout, *_index_and_calibration(path, layout))
    names = [array.name for array in layout.arrays]
    band = f'.sel(band="{layout.axes["band"][0]}")' if "mag_true" in names else ""
    return Summary(
        path=str(path),
        rows=layout.rows,
        tiles=tiles,
        built=len(todo),
        built_rows=sum(layout.row_counts[tile] for tile in todo),
        area=layout.attributes["area_deg2"],
        seconds=time.perf_counter() - start,
        peak_memory=max(peak, peak_memory()),
        example=f"ds.mag_true{band}" if band else f"ds.{names[0]}",
    )


def _check_inputs(path: Path, layout: Layout) -> None:
    """Raise InputError where what the store is made from cannot be had or is not what it was."""
    known, now = layout.attributes["calibration_sha256"], assembly(layout.recipe).calibration.hash
    if now != known:
        raise InputError(
            f"{path}: calibration '{layout.attributes['calibration']}' has other values than when the store was begun; "
            "give it back its values, or build anew in another place"
        )


@dataclass(frozen=True)
class Status:
    """How far a store is."""

    path: str
    state: str
    tiles: int
    built: int
    rows: int
    built_rows: int
    damaged: tuple[str, ...] = ()


def status(path: str | Path, *, verify: bool = False) -> Status:
    """Tiles and rows that are committed; with verify, every file is read and its checksum compared."""
    path = Path(path)
    layout, complete = store.read_layout(path), store.is_complete(path)
    committed = [tile for tile in range(len(layout.pixels)) if store.commit(path, layout, tile)]
    damaged = []
    if verify:
        problems = {f"tile {pixel}": store.damage(path, layout, tile) for tile, pixel in enumerate(layout.pixels)}
        problems["metadata"] = store.metadata_damage(path, layout)
        unbuilt = "" if complete else "not built"
        damaged = [f"{what}: {problem}" for what, problem in problems.items() if problem and problem != unbuilt]
    return Status(
        path=str(path),
        state="complete" if complete else "building",
        tiles=len(layout.pixels),
        built=len(committed),
        rows=layout.rows,
        built_rows=sum(layout.row_counts[tile] for tile in committed),
        damaged=tuple(damaged),
    )


def build_tile(path: str, tile: int) -> tuple[int, float]:
    """Compute, check, write and commit one tile; returns its number and the process's peak memory [bytes]."""
    layout = store.read_layout(path)
    parts = assembly(layout.recipe)
    names = [array.name for array in layout.arrays]
    columns = parts.galaxies(parts.halos(layout.pixels[tile]), names)
    n = layout.row_counts[tile]
    if any(len(values) != n for values in columns.values()):
        raise checks.CheckError(f"tile {layout.pixels[tile]}: has other rows than were planned; did an input change?")
    try:
        checks.check_tile(columns, parts.cosmology)
    except checks.CheckError as error:
        raise checks.CheckError(f"tile {layout.pixels[tile]}: {error}") from error
    store.write_tile(Path(path), layout, tile, columns, {"rows": n, "zones": _zones(layout, columns)})
    return tile, peak_memory()


Result = tuple[int, float, checks.CheckError | None]
"""Of one tile: its number, the peak memory of its process, and why it was refused, if it was."""


def _attempt(path: str, tile: int) -> Result:
    """Build a tile. One that fails its checks does not keep the others from being built."""
    try:
        return *build_tile(path, tile), None
    except checks.CheckError as error:
        return tile, 0.0, error


def _zones(layout: Layout, columns) -> dict[str, list]:
    """Lowest and highest value of some columns in every block, so that cuts can skip blocks."""
    zones: dict[str, list] = {}
    n = len(next(iter(columns.values())))
    starts = np.arange(0, n, layout.block)
    for name in ZONE_COLUMNS:
        if name in columns and n:
            values = columns[name].astype(np.float64)
            zones[name] = [np.minimum.reduceat(values, starts).tolist(), np.maximum.reduceat(values, starts).tolist()]
    if "mag_true" in columns and n:
        zones["mag_true"] = np.minimum.reduceat(columns["mag_true"].astype(np.float64), starts, axis=0).tolist()
    return zones


def _index_and_calibration(path: Path, layout: Layout) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tables and group attributes that complete a store."""
    parts = assembly(layout.recipe)
    commits = [store.commit(path, layout, tile) for tile in range(len(layout.pixels))]
    tables = {
        "index/tiles/pixel": np.asarray(layout.pixels, np.int64),
        "index/tiles/row_start": layout.row_starts,
        "index/tiles/row_count": np.asarray(layout.row_counts, np.int64),
        "index/tiles/area_deg2": np.asarray(layout.areas, np.float64),
        **_block_index(layout, commits),
        **_calibration_tables(parts),
    }
    known = parts.calibration
    attributes = {
        "calibration": {
            "name": known.name,
            "parameters": {group: p._asdict() for group, p in known.parameters.items()},
            "defaults": {kind.__name__: p._asdict() for kind, p in parts.defaults.items()},
            "replace": dict(parts.recipe.replace),
            "igm": parts.recipe.igm,
            "lines_in_flux": load_templates(parts.recipe.templates).lines_in_flux,
        },
        "provenance": _provenance(parts),
    }
    return tables, attributes


def _block_index(layout: Layout, commits: list[dict]) -> dict[str, np.ndarray]:
    """Zone maps: the tile, first row, rows and ranges of every block that has rows."""
    tile_of, start_of, count_of = [], [], []
    for tile, n in enumerate(layout.row_counts):
        for first in range(0, n, layout.block):
            tile_of.append(tile)
            start_of.append(int(layout.row_starts[tile]) + first)
            count_of.append(min(layout.block, n - first))
    tables = {
        "index/blocks/tile": np.asarray(tile_of, np.int64),
        "index/blocks/row_start": np.asarray(start_of, np.int64),
        "index/blocks/row_count": np.asarray(count_of, np.int64),
    }
    zones = [commit["zones"] for commit in commits if commit["rows"]]
    for name in ZONE_COLUMNS:
        if zones and name in zones[0]:
            for i, end in enumerate(("min", "max")):
                tables[f"index/blocks/{name}_{end}"] = np.concatenate([zone[name][i] for zone in zones])
    if zones and "mag_true" in zones[0]:
        tables["index/blocks/mag_true_min"] = np.concatenate([zone["mag_true"] for zone in zones])
    return tables


def _calibration_tables(parts: Assembly) -> dict[str, np.ndarray]:
    """Templates and filter curves as they were used, so that any band can be computed from the store alone."""
    templates = load_templates(parts.recipe.templates)
    tables = {
        f"calibration/templates/{name}": np.asarray(getattr(templates, name))
        for name in ("log10_metallicity", "log10_age", "wavelength", "line_wavelength")
    }
    tables["calibration/templates/flux"] = templates.flux.astype(np.float32)
    tables["calibration/templates/line_luminosity"] = templates.line_luminosity.astype(np.float32)
    for curve in load_filters(parts.recipe.bands):
        tables[f"calibration/filters/{curve.name}"] = np.stack([curve.wavelength, curve.transmission])
    return tables


def _provenance(parts: Assembly) -> dict[str, Any]:
    """Software and platform; with the recipe, what is needed to make the store again."""
    import jax

    packages = ("jax", "numpy", "zarr", "healpy", "speclite", "astro-sedpy")
    return {
        "packages": {"diffsky_factory": __version__, **{name: version(name) for name in packages}},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "backend": jax.default_backend(),
        "simulation": parts.simulation.attributes,
    }
