"""Where the rows of a dataset come from: a store or a mock, its tiles, and what is known of its blocks."""

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import dask.array as da
import numpy as np
import xarray as xr

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.assembly import Assembly, opened_as
from diffsky_factory.factory.made_from import INPUTS
from diffsky_factory.factory.runs.zones import Blocks, Bounds, read_blocks
from diffsky_factory.outputs import reading, store
from diffsky_factory.outputs.commits import FIRST, Verify
from diffsky_factory.outputs.layout import Part
from diffsky_factory.sky import tiles
from diffsky_factory.sky.bounds import bounding_circles
from diffsky_factory.sky.boxes import AXES
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.groups import REACH

STORE = "store"  # attribute: path of the store that a dataset is of
VERIFY = "verify"  # attribute: when checksums are compared, where it is not at the first read of a file
OPEN_TILES = "open_tiles"  # attribute: how many tiles there were, of a store that was not complete when it was opened


class Circles(NamedTuple):
    """A circle on the sky for each block, that holds all of its rows [deg]."""

    ra: np.ndarray
    dec: np.ndarray
    radius: np.ndarray


class Tiles(NamedTuple):
    """Tiles of a source, in the order of their rows."""

    order: int
    keys: np.ndarray  # pixels, or cells of a box
    starts: np.ndarray
    counts: np.ndarray
    extents: np.ndarray  # deg^2, or Mpc^3


class Source(Protocol):
    """What ds.sky asks of a store or a mock."""

    tiles: Tiles
    blocks: Blocks
    block_keys: np.ndarray  # of the tile of each block

    @property
    def circles(self) -> Circles:
        """On the sky, around the rows of each block."""

    @property
    def ranges(self) -> tuple[Bounds, Bounds, Bounds]:
        """In a box, lowest and highest x, y and z of the rows of each block."""

    columns: tuple[str, ...]

    def own(self, ds: xr.Dataset, rows: Any) -> list[str]:
        """Names of the variables of a dataset that are columns of the source at some rows, untouched.

        What is known of the source's blocks holds for these alone.
        """

    def variables(self, rows: np.ndarray, names: list[str]) -> dict[str, xr.Variable]:
        """Those of the columns at other rows that are better read anew than chosen from, lazily."""

    def row_array(self, rows: np.ndarray) -> Any:
        """Rows as the coordinate `row` holds them."""


class StoreSource:
    """A part of a store."""

    def __init__(self, path: Path, part: Part, verify: Verify) -> None:
        self.path, self.part, self.verify = path, part, verify
        self.columns = tuple(reading.column_names(part))
        built = reading.built_tiles(path, part)
        rows = part.rows
        self.tiles = Tiles(
            rows.order,
            np.asarray(rows.keys, np.int64)[built],
            rows.starts[built],
            np.asarray(rows.counts, np.int64)[built],
            np.asarray(rows.extents, np.float64)[built],
        )
        self.blocks = read_blocks(path, part, built)
        self.block_keys = np.asarray(rows.keys, np.int64)[self.blocks.tile]

    @cached_property
    def circles(self) -> Circles:
        """From the ranges of blocks, or around their tiles: what is smaller."""
        margin = reach(_cosmology(self.part.attributes), self.part.attributes["redshift_min"])
        around = _around(self.block_keys, self.tiles.order, margin)
        ra, dec = self.blocks.bounds("ra"), self.blocks.bounds("dec")
        if ra is None or dec is None:
            return around
        found = Circles(*bounding_circles(*ra, *dec))
        smaller = around.radius < found.radius  # of a block on the meridian of ra = 0, whose range is all of it
        return Circles(*(np.where(smaller, one, other) for one, other in zip(around, found)))

    @cached_property
    def ranges(self) -> tuple[Bounds, Bounds, Bounds]:
        """As they are known, or all of the box."""
        size, n = self.part.attributes["box_size"], len(self.blocks.first)
        x, y, z = (self.blocks.bounds(axis) or (np.zeros(n), np.full(n, size)) for axis in AXES)
        return x, y, z

    def own(self, ds: xr.Dataset, rows: Any) -> list[str]:
        """Those whose lazy array is still the one that reads them."""
        if not isinstance(rows, da.Array):
            return []
        first, found = self.part.rows.dimension, []
        for name in self.columns:
            array = self.part.array(name)
            lazy = reading.lazy_name(self.path, self.part, array, rows, self.verify)
            if name in ds.data_vars and _same(ds, name, (first, *array.axes), lazy, self.part.axes):
                found.append(name)
        return found

    def variables(self, rows: np.ndarray, names: list[str]) -> dict[str, xr.Variable]:
        """Read block by block when they are asked for."""
        return reading.columns(self.path, self.part, self.row_array(rows), names, self.verify)

    def row_array(self, rows: np.ndarray) -> Any:
        """In chunks of one size."""
        return reading.some_rows(rows, self.part.rows.shard)


class MockSource:
    """A mock that nobody has built; its blocks are its tiles."""

    def __init__(self, parts: Assembly) -> None:
        self.parts = parts
        self.columns = tuple(dict.fromkeys((*(parts.columns or parts.simulation.columns), *_weights(parts))))
        keys = np.asarray(parts.tiles, np.int64)
        counts = np.asarray(parts.counts, np.int64)
        starts = np.cumsum(counts) - counts
        self.tiles = Tiles(parts.order, keys, starts, counts, np.asarray(parts.tile_extents(keys.tolist())))
        some = counts > 0
        self.blocks = Blocks(starts[some], counts[some], np.flatnonzero(some), {})
        self.block_keys = keys[some]

    @cached_property
    def circles(self) -> Circles:
        """Around the tiles."""
        margin = reach(self.parts.cosmology, self.parts.simulation.redshift_range[0])
        return _around(self.block_keys, self.parts.order, margin)

    @cached_property
    def ranges(self) -> tuple[Bounds, Bounds, Bounds]:
        """All of the box: satellites of a tile may lie across its faces."""
        n, size = len(self.block_keys), self.parts.simulation.attributes["box_size"]
        return ((np.zeros(n), np.full(n, size)),) * 3

    def own(self, ds: xr.Dataset, rows: Any) -> list[str]:
        """Those of a mock of which nothing was cut yet."""
        known = [name for name in self.columns if name in ds.data_vars and name in self._fresh]
        fresh = {name: self._fresh[name] for name in known}
        return [name for name, own in fresh.items() if _same(ds, name, own.dims, own.data.name, self.parts.axes)]

    @cached_property
    def _fresh(self) -> xr.Dataset:
        from diffsky_factory.factory.opening.mock import make_halos, make_mock

        return (make_mock if self.parts.recipe.columns else make_halos)(self.parts.recipe)

    def variables(self, rows: np.ndarray, names: list[str]) -> dict[str, xr.Variable]:
        """None: columns of a mock are chosen from as any other array is."""
        return {}

    def row_array(self, rows: np.ndarray) -> Any:
        """In chunks of one size."""
        return reading.some_rows(rows, reading.CHUNK)


def source_of(ds: xr.Dataset) -> Source:
    """The store or mock that a dataset is of; raises InputError where it is not there, or is another one now."""
    if STORE in ds.attrs:
        path = Path(ds.attrs[STORE])
        if not store.is_store(path):
            raise InputError(f"{path}: the store that this dataset was cut from is not here; open it where it is now")
        part = store.read_part(path)
        if part.made_from != ds.attrs.get("recipe"):
            raise InputError(f"{path}: holds another store than when this dataset was opened; open it again")
        state = len(reading.built_tiles(path, part))
        if state != ds.attrs.get(OPEN_TILES, part.rows.tiles):
            raise InputError(f"{path}: has other tiles than when this dataset was opened; open it again")
        return _store_source(str(path), part, state, ds.attrs.get(VERIFY, FIRST))
    if "recipe" not in ds.attrs:
        raise AttributeError("no attribute 'recipe': this dataset was not made by diffsky_factory")
    return _mock_source(opened_as(ds.attrs["recipe"], json.loads(ds.attrs.get(INPUTS, "{}"))))


def _same(ds: xr.Dataset, name: str, dims: tuple, lazy: str, labels: Mapping[str, Any]) -> bool:
    """Whether a variable is still the lazy array of its column, by its name, on the same axes with the same labels."""
    values = ds[name]
    if values.dims != dims or getattr(values.data, "name", None) != lazy:
        return False
    return all(one in ds.coords and ds[one].values.tolist() == list(labels[str(one)]) for one in values.dims[1:])


def _weights(parts: Assembly) -> tuple[str, ...]:
    return ("weight",) if "weight" in parts.simulation.columns else ()


def reach(cosmology: Cosmology, redshift: float) -> float:
    """Angle [deg] by which a satellite may lie outside the tile of its host."""
    distance = float(comoving_distance_64(cosmology, redshift))
    return float(np.rad2deg(np.arcsin(REACH / distance))) if distance > REACH else 180.0


@lru_cache(maxsize=8)
def _store_source(path: str, part: Part, state: int, verify: Verify) -> StoreSource:
    return StoreSource(Path(path), part, verify)


@lru_cache(maxsize=8)
def _mock_source(parts: Assembly) -> MockSource:
    return MockSource(parts)


def _around(pixels: np.ndarray, order: int, margin: float) -> Circles:
    """Circles around pixels, wider by a margin."""
    import healpy

    ra, dec = tiles.centres(pixels, order)
    radius = min(np.rad2deg(healpy.max_pixrad(2**order)) + margin, 180.0)
    return Circles(ra, dec, np.full(len(pixels), radius))


def _cosmology(attributes: Mapping[str, Any]) -> Cosmology:
    return Cosmology(**attributes["cosmology"])
