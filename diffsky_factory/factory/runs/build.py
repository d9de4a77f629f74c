"""Building a mock into a store: a job whose tiles are those of a recipe."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory import __version__
from diffsky_factory.core.axes import axis
from diffsky_factory.core.constants import kind_of
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.assembly import Assembly, assembly
from diffsky_factory.factory.made_from import INPUTS, check_inputs
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.runs import checks, zones
from diffsky_factory.factory.runs.job import Job, Outcome, Progress, Tables, Tile, run
from diffsky_factory.factory.runs.planning import plan_build
from diffsky_factory.factory.runs.tasks import at_once
from diffsky_factory.inputs.filters import load_filters
from diffsky_factory.inputs.package_curves import packages_of
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.outputs import cells, dggs, store
from diffsky_factory.outputs.layout import IS_ROW, Part
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky.spaces import WORDS, Box, Space, space_of


@dataclass(frozen=True)
class Summary:
    """Result of a build; print it."""

    path: str
    rows: int
    tiles: int
    built: int  # tiles of this run
    built_rows: int
    extent: float  # deg^2, or Mpc^3 of a box
    unit: str
    seconds: float
    peak_memory: float  # bytes, of the largest process

    @property
    def area(self) -> float:
        """Area of a light cone [deg^2]; raises AttributeError for a box."""
        if self.unit != "deg2":
            raise AttributeError("a box has a volume, and no area")
        return self.extent

    @property
    def volume(self) -> float:
        """Volume of a box [Mpc^3]; raises AttributeError for a light cone."""
        if self.unit != "Mpc3":
            raise AttributeError("a light cone has an area; its volume follows from its redshifts")
        return self.extent

    @property
    def where(self) -> str:
        """Area or volume of the mock, in words."""
        into, unit = WORDS[self.unit]
        return f"{into} {self.extent:.4g} {unit}"

    def __str__(self) -> str:
        before = "the galaxies were there" if any(self.added.values()) else "nothing was left to do"
        rate = f"{self.built_rows / self.seconds:,.0f} galaxies/s" if self.built else before
        parts = "".join(f"part {name}: {tiles} of its tiles built now\n" for name, tiles in self.added.items())
        return (
            f"{self.rows:,} galaxies {self.where} in {self.tiles} tiles, {self.built} of them built now\n{parts}"
            f"{self.seconds:.1f} s, {rate}, peak memory {self.peak_memory / 1e9:.2f} GB\n"
            f"the store is {self.path}; to open it:\n"
            f"    import diffsky_factory as dff\n"
            f"    ds = dff.open_catalog({self.path!r})\n"
            f"    {self.example}.compute()"
        )

    example: str = "ds"  # what a user may want to look at first
    added: Mapping[str, int] = field(default_factory=dict)  # tiles of this run, by the part that was added


def build(
    recipe: "str | Path | Recipe | Mapping[str, Any]",
    path: str | Path,
    *,
    client: Any = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Summary:
    """Build a mock into a store, or finish one that was begun with the same recipe.

    recipe   : name, path of a yaml file, Recipe or its fields; `changes` replace fields
    path     : folder of the store; must not exist, or hold a build of the same recipe
    client   : a dask.distributed Client, whose workers see the same file system; else threads of this process
    workers  : tiles computed at a time without a client, default one per core
    progress : called as progress(tiles done, tiles, rows done, rows)
    Raises InputError, with nothing written, for anything wrong with recipe, inputs or path.
    """
    at_once(client, workers)  # refused before rows are counted
    path = user_path(path)
    wanted, begun = load_recipe(recipe, **changes).in_place(), store.is_store(path)
    if begun:  # its tiles stay as they are, also where an input has changed, which is then told
        rows = store.read_part(path).rows
        wanted = wanted if rows.order is None else wanted.in_tiles(rows.order, rows.partition == Box.partition)
    parts = assembly(wanted.text)
    if not begun and not store.is_free(path):
        raise InputError(f"{path}: exists and is no store; choose another place or remove it")
    planned = plan_build(parts)
    if begun:
        _check_same(path, store.read_part(path), planned.part)
    else:
        planned.check_fits(path, workers, client)
    job = Job(path, planned.part, compute_tile, complete=complete, check=lambda on: _check_same(path, on, planned.part))
    return _summary(path, run(job, client=client, workers=workers, progress=progress))


def finish(path: Path, part: Part, **how: Any) -> Summary:
    """Finish or mend a build; `how` as in `run`. Raises InputError where its inputs are not what they were."""
    _made_from(part)  # refused before anything is written
    return _summary(path, run(Job(path, part, compute_tile, complete=complete), **how))


def _made_from(part: Part) -> Assembly:
    """What a store is made from; raises InputError where an input is not what it was."""
    parts = assembly(part.made_from)
    if parts.calibration.hash != part.attributes["calibration_sha256"]:
        raise InputError(
            f"calibration '{part.attributes['calibration']}' has other values than when the store was begun; give it "
            "back its values, or build anew in another place"
        )
    check_inputs(part.attributes, parts.inputs)
    return parts


def _check_same(path: Path, found: Part, planned: Part) -> None:
    """Raise InputError where the store in a place is not the one that is planned."""
    if found.made_from != planned.made_from:
        raise InputError(f"{path}: holds a build of another recipe; choose another place or remove it")
    check_inputs(found.attributes, planned.attributes[INPUTS])
    if found.hash != planned.hash:
        raise InputError(
            f"{path}: holds a build of this recipe by another version or from other inputs; "
            f'finish it with "diffsky-factory resume {path}", choose another place, or remove it'
        )


def _summary(path: Path, outcome: Outcome) -> Summary:
    part, space = outcome.part, space_of(outcome.part.attributes)
    alone = next((array for array in part.arrays if any(axis(name).read_alone for name in array.axes)), None)
    example = f"ds.{part.arrays[0].name}"
    if alone is not None:
        name = next(name for name in alone.axes if axis(name).read_alone)
        example = f'ds.{alone.name}.sel({name}="{part.axes[name][0]}")'
    return Summary(
        path=str(path),
        rows=part.rows.total,
        tiles=part.rows.tiles,
        built=outcome.done,
        built_rows=outcome.done_rows,
        extent=part.attributes[space.extent_name],
        unit=space.unit,
        seconds=outcome.seconds,
        peak_memory=outcome.peak_memory,
        example=example,
    )


def compute_tile(part: Part, tile: int) -> Tile:
    """The galaxies of a tile, checked, and the ranges of their blocks."""
    parts = _made_from(part)
    names = [array.name for array in part.arrays if array.name != IS_ROW]
    rows = part.rows
    halos = parts.halos(rows.keys[tile])
    covered = getattr(parts.simulation, "footprint", ())
    checks.check_places(halos, rows.keys[tile], parts.order, rows.extents[tile], parts.space, parts.part, covered)
    columns = parts.galaxies(halos, names)
    if any(len(values) != rows.counts[tile] for values in columns.values()):
        raise checks.CheckError("has other rows than were planned; did an input change?")
    checks.check_tile(columns, parts.cosmology, parts.space)
    return Tile(columns, {"zones": zones.of_blocks(columns, part.rows.block, parts.space)})


def complete(path: Path, part: Part) -> Tables:
    """What completes a store of galaxies: index, calibration and provenance."""
    parts = assembly(part.made_from)
    known = parts.calibration
    attributes = {
        "index/tiles": cells.group_attributes(parts.space, part.rows.order),
        "calibration": store.plain(
            {
                "name": known.name,
                "parameters": {group: p._asdict() for group, p in known.parameters.items()},
                "defaults": {kind_of(key).__name__: p._asdict() for key, p in parts.model.defaults.items()},
                "replace": dict(parts.recipe.replace),
                "add": list(parts.recipe.add),
                "igm": parts.recipe.igm,
                "lines_in_flux": load_templates(parts.recipe.templates).lines_in_flux,
            }
        ),
        "provenance": store.plain(_provenance(parts)),
    }
    tables = {**_tile_index(part, parts.space), **zones.block_index(path, part), **_calibration_tables(parts)}
    return Tables(tables, attributes)


def _tile_index(part: Part, space: Space) -> dict[str, Table]:
    rows = part.rows
    made = cells.cell_tables(np.asarray(rows.keys, np.int64), space, rows.order)
    tables = {f"index/tiles/{name}": table for name, table in made.items()}
    extents = np.asarray(rows.extents, np.float64)
    for name, values, unit, meaning in (
        ("row_start", rows.starts, "", "First row of the tile in the arrays of the store."),
        ("row_count", np.asarray(rows.counts, np.int64), "", "Rows of the tile; up to the next one, the rest pads."),
        (space.extent_name, extents, space.unit, "Extent of the part of the tile that the mock covers."),
    ):
        attributes = {"units": unit, "description": meaning, **cells.reference(space)}
        tables[f"index/tiles/{name}"] = Table((dggs.DIMENSION,), values, attributes)
    return tables


def _calibration_tables(parts: Assembly) -> dict[str, Table]:
    """Templates and filter curves as they were used."""
    templates = load_templates(parts.recipe.templates)
    axes = "metallicity", "age", "wavelength", "line"
    tables = {
        f"calibration/templates/{name}": Table((dimension,), np.asarray(getattr(templates, name)))
        for name, dimension in zip(("log10_metallicity", "log10_age", "wavelength", "line_wavelength"), axes)
    }
    for name, last in (("flux", "wavelength"), ("line_luminosity", "line")):
        values = getattr(templates, name).astype(np.float32)
        tables[f"calibration/templates/{name}"] = Table(("metallicity", "age", last), values)
    for curve in load_filters(parts.recipe.bands):
        group = f"calibration/filters/{curve.name}"
        tables[f"{group}/wavelength"] = Table(("wavelength",), curve.wavelength, {"units": "Angstrom"})
        tables[f"{group}/transmission"] = Table(("wavelength",), curve.transmission, {"units": ""})
    return tables


def _provenance(parts: Assembly) -> dict[str, Any]:
    """Software and platform; with the recipe, what is needed to make the store again."""
    import jax

    packages = ("jax", "numpy", "zarr", "healpy", *sorted(packages_of(parts.recipe.bands)))
    return {
        "packages": {"diffsky_factory": __version__, **{name: version(name) for name in packages}},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "backend": jax.default_backend(),
        "simulation": parts.simulation.attributes,
    }
