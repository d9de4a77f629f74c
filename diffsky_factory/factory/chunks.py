"""Galaxies by chunks: what a mock, a store or a cut of either is computed from, tile by tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.assembly import Assembly, assembly
from diffsky_factory.factory.opening.datasets import open_store
from diffsky_factory.factory.opening.rows import checked_selection
from diffsky_factory.factory.opening.sources import STORE, source_of
from diffsky_factory.factory.recipe import Recipe, load_recipe
from diffsky_factory.factory.recomputed import Request, recomputation
from diffsky_factory.outputs import store
from diffsky_factory.outputs.reading import ROW


class Chunk(NamedTuple):
    """What the galaxies of a tile are computed from, and which of them are meant."""

    columns: dict[str, np.ndarray]
    ids: np.ndarray
    chosen: np.ndarray  # (n,) bool


@dataclass(frozen=True)
class Chunks:
    """Tiles of a recipe, or of a store of galaxies that was built.

    recipe : text of the recipe
    path   : of the store; empty for halos that are made or read anew
    rows   : by tile, the rows of it that are meant; None for all
    """

    recipe: str
    path: str
    tiles: tuple[int, ...]
    rows: tuple[np.ndarray, ...] | None = None

    def assembly(self, wanted: Sequence[str]) -> Assembly:
        """Model and tables of the galaxies, and what is known of them before any stage."""
        return recomputation(self.path, _request(wanted)).parts if self.path else assembly(self.recipe)

    def chunk(self, number: int, wanted: Sequence[str], reads: Sequence[str]) -> Chunk:
        """Columns that stages read, of one of the tiles."""
        tile, names = self.tiles[number], {*reads, "galaxy_id", "weight"}
        if self.path:
            columns = recomputation(self.path, _request(wanted)).inputs(tile, names)
        else:
            parts = assembly(self.recipe)
            columns = parts.provided(parts.halos(int(parts.tiles[tile])), names)
        chosen = np.ones(len(columns["host_row"]), bool)
        if self.rows is not None:
            chosen[:] = False
            chosen[self.rows[number]] = True
        return Chunk(columns, columns["galaxy_id"], chosen)


def chunks_of(source: "xr.Dataset | Recipe | Mapping[str, Any] | str | Path") -> Chunks:
    """The chunks of a mock or store that is open, cut or not, of a recipe, or of the store at a path.

    Raises InputError for what is none of them, or a dataset whose rows are not known to be those of its store.
    """
    if isinstance(source, str | Path):
        return _of_dataset(open_store(source)) if store.is_store(user_path(source)) else _of_recipe(load_recipe(source))
    if isinstance(source, Recipe | Mapping) and not isinstance(source, xr.Dataset):  # which is a Mapping too
        return _of_recipe(load_recipe(source))
    if isinstance(source, xr.Dataset):
        return _of_dataset(source)
    raise InputError(f"source: a mock or store, a recipe, or the path of a store is wanted, not {source!r}")


def _of_recipe(recipe: Recipe) -> Chunks:
    return Chunks(recipe.text, "", tuple(range(len(assembly(recipe.text).tiles))))


def _of_dataset(ds: xr.Dataset) -> Chunks:
    checked_selection(ds)  # its rows are those that it says, or this raises
    if "recipe" not in ds.attrs:
        raise InputError("the dataset is of no mock: open it with open_catalog or make_mock")
    tiles, rows = source_of(ds).tiles, np.sort(np.asarray(ds[ROW]))
    if len(rows) != len(np.unique(rows)):
        raise InputError(f"coordinate '{ROW}': a galaxy is there twice; drop the second, or give it a weight of two")
    borders = np.searchsorted(rows, np.stack([tiles.starts, tiles.starts + tiles.counts]))
    used = np.flatnonzero(borders[1] > borders[0])
    numbers = np.arange(len(tiles.keys))
    if STORE in ds.attrs:  # an unfinished one has not all of its tiles
        keys = np.asarray(store.read_part(Path(ds.attrs[STORE])).rows.keys)
        numbers = np.searchsorted(keys, tiles.keys)
    chosen = tuple(rows[borders[0, one] : borders[1, one]] - tiles.starts[one] for one in used)
    return Chunks(ds.attrs["recipe"], ds.attrs.get(STORE, ""), tuple(numbers[used].tolist()), chosen)


def _request(wanted: Sequence[str]) -> str:
    return Request(tuple(wanted), {}).text
