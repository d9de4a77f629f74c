"""A mock that nobody has built: every column lazy, computed from halos when it is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from diffsky_factory.core.axes import any_large, axis_read_alone
from diffsky_factory.core.columns import column
from diffsky_factory.core.imports import trusted
from diffsky_factory.core.plan import plan
from diffsky_factory.core.user_warnings import warn
from diffsky_factory.factory.assembly import Assembly, assembly, opened_as
from diffsky_factory.factory.made_from import INPUTS
from diffsky_factory.factory.opening.datasets import covered_regions, described
from diffsky_factory.factory.opening.selection import Selection, fingerprint_of_ranges
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.runs.planning import attributes, used_axes
from diffsky_factory.outputs.reading import ROW, label_variable, mapped


def make_mock(recipe: "str | Path | Recipe | Mapping[str, Any]", /, **changes: Any) -> xr.Dataset:
    """Galaxies of a recipe as a lazy dataset, one chunk per tile, and per band; only rows are counted now.

    recipe : name, path of a yaml file, Recipe or its fields; `changes` replace fields
    A column with a band axis is computed for the tiles and bands that are asked for. Columns that are computed together
    share the halos, and what does not depend on the band is computed once and held for a tile at a time: about 1 kB
    per galaxy. Spectra, a column with a wavelength axis each, are computed when they are asked for, by themselves.
    Numbers equal those of a built store to float32 rounding.
    Raises InputError for anything wrong with the recipe or its inputs, and when it is computed, where a file that it is
    made from is another one than when it was opened.
    """
    parts = assembly(load_recipe(recipe, **changes).in_place().text)
    parts.warn_of_unused()
    return _dataset(parts, parts.columns, "galaxy")


def make_halos(recipe: "str | Path | Recipe | Mapping[str, Any]", /, **changes: Any) -> xr.Dataset:
    """Halos of a recipe's simulation and region, lazily, dimension `halo`; arguments and errors as in `make_mock`."""
    parts = assembly(load_recipe(recipe, **changes).in_place().text)
    names = [name for name in parts.simulation.columns if not parts.column(name).row_number]
    return _dataset(parts, names, "halo")


def _dataset(parts: Assembly, names: Sequence[str], dimension: str) -> xr.Dataset:
    every = [int(tile) for tile in parts.tiles]
    rows = parts.counts
    tiles = tuple(tile for tile, n in zip(every, rows) if n)  # dask has no use for chunks without rows
    counts = tuple(n for n in rows if n)
    if not counts:
        low, high = parts.simulation.redshift_range
        warn(f"{parts.recipe.simulation}: no halos from redshift {low:g} to {high:g} in its region")
    axes = used_axes(parts, names)
    made_from = {"recipe": parts.recipe.text, "inputs": parts.inputs}
    kept, large = _kept(parts, names)

    # halos -> what is small -> bands and spectra: three layers of tasks, the first two shared by all columns
    numbers = da.from_array(np.asarray(tiles, np.int64), chunks=1, name=f"tile-{tokenize(tiles)}")
    halos = _layer(_halos, numbers, **made_from)
    state = _layer(_state, halos, **made_from, wanted=tuple(kept))
    variables = {}
    for name in names:
        known = column(name)
        tail = tuple(len(axes[one]) for one in known.axes)
        source = state if name in kept or name in large else halos
        how = {**made_from, "column": name, "dtype": known.dtype}
        if counts:
            token = f"{name}-{tokenize(source.name, how)}"
            array = mapped(trusted(_picked), source, counts, known.axes, tail, name=token, **how)
        else:
            array = da.zeros((0, *tail), dtype=known.dtype)
        variables[name] = xr.Variable((dimension, *known.axes), array, known.attributes)
    coordinates = {name: label_variable(name, labels) for name, labels in axes.items()}
    number = da.arange(sum(counts), chunks=(counts or (0,),), dtype=np.int64)
    coordinates[ROW] = xr.Variable((dimension,), number, column(ROW).attributes)
    said = attributes(parts)
    chosen = Selection(
        extent=parts.extent,
        covered=covered_regions(said),
        redshift=(said["redshift_min"], said["redshift_max"]),
        rows=fingerprint_of_ranges(np.zeros(1, np.int64), np.array([sum(counts)])),
        token=number.name,
        box_size=said.get("box_size", 0.0),
    )
    return xr.Dataset(variables, coordinates, described({**said, INPUTS: parts.inputs}, chosen))


def _kept(parts: Assembly, names: Sequence[str]) -> tuple[list[str], set[str]]:
    """Columns to compute per tile, for themselves or for the large ones; and the large ones, of bands and spectra."""

    def is_large(name: str) -> bool:
        return any_large(column(name).axes)

    written = {name for stage in parts.stages for name in stage.writes if not is_large(name)}
    large = [name for name in names if is_large(name)]
    used_by_large = plan(parts.stages, parts.given | written, large).reads
    small = [name for name in names if name not in large]
    return [name for name in dict.fromkeys([*small, *used_by_large]) if name not in parts.given], set(large)


def _layer(function, source: da.Array, **known: Any) -> da.Array:
    """One object per tile, from one object per tile."""
    name = f"{function.__name__.strip('_')}-{tokenize(source.name, known)}"
    return da.map_blocks(trusted(function), source, dtype=object, name=name, meta=np.empty(0, object), **known)


def _boxed(columns: dict) -> np.ndarray:
    box = np.empty(1, object)
    box[0] = columns
    return box


def _halos(tile: np.ndarray, recipe: str, inputs: dict[str, str]) -> np.ndarray:
    return _boxed(opened_as(recipe, inputs).halos(int(tile[0])))


def _state(halos: np.ndarray, recipe: str, inputs: dict[str, str], wanted: tuple[str, ...]) -> np.ndarray:
    columns = halos[0]
    return _boxed({**columns, **opened_as(recipe, inputs).galaxies(columns, wanted)})


def _picked(
    columns: np.ndarray, label: np.ndarray | None, recipe: str, inputs: dict[str, str], column: str
) -> np.ndarray:
    parts = opened_as(recipe, inputs)
    alone = axis_read_alone(parts.column(column).axes)
    bands = None if alone is None or label is None else [int(label.flat[0])]
    return parts.galaxies(columns.flat[0], [column], bands=bands)[column]
