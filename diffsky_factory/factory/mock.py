"""A mock that nobody has built: every column lazy, computed from halos when it is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from diffsky_factory.core.plan import plan
from diffsky_factory.factory.assembly import FROM_HALOS, Assembly, assembly
from diffsky_factory.factory.planning import attributes, used_axes
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.sizes import is_spectral
from diffsky_factory.outputs.reading import rows_of_bands, rows_of_tiles


def make_mock(recipe: "str | Path | Recipe", /, **changes: Any) -> xr.Dataset:
    """Galaxies of a recipe as a lazy dataset: one chunk per tile, and per band; only rows are counted now.

    recipe : name, path of a yaml file, or Recipe; `changes` replace its fields
    A column with a band axis is computed for the tiles and bands that are asked for. Columns that are computed together
    share the halos, and what does not depend on the band is computed once and held for a tile at a time: about 1 kB
    per galaxy. Spectra, a column with a wavelength axis each, are computed when they are asked for, by themselves.
    Numbers equal those of a built store to float32 rounding.
    Raises InputError for anything wrong with the recipe or its inputs.
    """
    parts = assembly(load_recipe(recipe, **changes).text)
    return _dataset(parts, parts.recipe.columns)


def make_halos(recipe: "str | Path | Recipe", /, **changes: Any) -> xr.Dataset:
    """Halos of a recipe's simulation and region, lazily; arguments and errors as in `make_mock`."""
    parts = assembly(load_recipe(recipe, **changes).text)
    return _dataset(parts, [name for name in parts.simulation.columns if not parts.column(name).row_number])


def _dataset(parts: Assembly, names: Sequence[str]) -> xr.Dataset:
    pixels = [int(pixel) for pixel in parts.pixels]
    rows = [parts.count(pixel) for pixel in pixels]
    tiles = tuple(pixel for pixel, n in zip(pixels, rows) if n)  # dask has no use for chunks without rows
    counts = tuple(n for n in rows if n)
    axes = used_axes(parts, names)
    recipe = parts.recipe.text
    of_bands = {name for name in names if "band" in parts.column(name).axes}
    kept, large = _kept(parts, names)

    # halos -> what is small -> bands and spectra: three layers of tasks, the first two shared by all columns
    numbers = da.from_array(np.asarray(tiles, np.int64), chunks=1, name=f"tile-{tokenize(tiles)}")
    halos = _layer(_halos, numbers, recipe=recipe)
    state = _layer(_state, halos, recipe=recipe, wanted=tuple(kept))
    variables = {}
    for name in names:
        column = parts.column(name)
        tail = tuple(len(axes[axis]) for axis in column.axes)
        if name in of_bands:
            at = column.axes.index("band")
            array = rows_of_bands(_bands, state, counts, tail, at, column.dtype, label=name, recipe=recipe, column=name)
        else:
            source = state if name in kept or name in large else halos
            array = rows_of_tiles(_picked, source, counts, tail, column.dtype, label=name, recipe=recipe, column=name)
        variables[name] = xr.Variable(("galaxy", *column.axes), array, column.attributes)
    coordinates = {axis: list(labels) for axis, labels in axes.items()}
    ds = xr.Dataset(variables, coordinates, attributes(parts))
    ds.attrs.update(tile_pixels=pixels, tile_rows=rows, tile_areas_deg2=list(parts.tile_areas(pixels)))
    return ds


def _kept(parts: Assembly, names: Sequence[str]) -> tuple[list[str], set[str]]:
    """Columns to compute per tile, for themselves or for the large ones; and the large ones, of bands and spectra."""

    def is_large(name: str) -> bool:
        return "band" in parts.column(name).axes or is_spectral(name)

    given = {*parts.simulation.columns, *FROM_HALOS}
    written = {name for stage in parts.stages for name in stage.writes if not is_large(name)}
    large = [name for name in names if is_large(name)]
    used_by_large = plan(parts.stages, given | written, large).reads
    small = [name for name in names if name not in large]
    return [name for name in dict.fromkeys([*small, *used_by_large]) if name not in given], set(large)


def _layer(function, source: da.Array, **known: Any) -> da.Array:
    """One object per tile, from one object per tile."""
    name = f"{function.__name__.strip('_')}-{tokenize(source.name, known)}"
    return source.map_blocks(function, dtype=object, name=name, meta=np.empty(0, object), **known)


def _boxed(columns: dict) -> np.ndarray:
    box = np.empty(1, object)
    box[0] = columns
    return box


def _halos(tile: np.ndarray, recipe: str) -> np.ndarray:
    return _boxed(assembly(recipe).halos(int(tile[0])))


def _state(halos: np.ndarray, recipe: str, wanted: tuple[str, ...]) -> np.ndarray:
    columns = halos[0]
    return _boxed({**columns, **assembly(recipe).galaxies(columns, wanted)})


def _picked(columns: np.ndarray, recipe: str, column: str) -> np.ndarray:
    return assembly(recipe).galaxies(columns.flat[0], [column])[column]


def _bands(columns: np.ndarray, band: np.ndarray, recipe: str, column: str) -> np.ndarray:
    return assembly(recipe).galaxies(columns.flat[0], [column], bands=[int(band.flat[0])])[column]
