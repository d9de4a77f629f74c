"""Zone maps: the lowest and highest value of some columns in every block, so that cuts skip what they cannot need."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from diffsky_factory.core.axes import axis
from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import Part, label_array
from diffsky_factory.outputs.remedies import remedy
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky.boxes import AXES
from diffsky_factory.sky.spaces import Space

COLUMNS = ("redshift", "redshift_obs", "log10_halo_mass", "log10_stellar_mass", "ra", "dec")
BRIGHTEST = "mag_true"  # of which the least value in each band is known
DIMENSION, GROUP = "block", "index/blocks"

Bounds = tuple[np.ndarray, np.ndarray]
"""Lowest and highest value, one of each per block."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of rows of a store, ascending, and what is known of each.

    first  : row of the store at which it begins
    count  : rows
    tile   : number of its tile
    zones  : lowest and highest values by column and label ("" where it has no axis)
    """

    first: np.ndarray
    count: np.ndarray
    tile: np.ndarray
    zones: Mapping[tuple[str, str], Bounds]

    def bounds(self, name: str, labels: tuple = ()) -> Bounds | None:
        """Lowest and highest value of a column in each block, or None where they are not known."""
        return self.zones.get((name, str(labels[0]) if labels else ""))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the block that holds each row."""
        return np.searchsorted(self.first, rows, side="right") - 1


def of_blocks(columns: Mapping[str, np.ndarray], block: int, space: Space) -> dict[str, list]:
    """Zone maps of a tile, as its commit remembers them."""
    found: dict[str, list] = {}
    n = len(next(iter(columns.values())))
    starts = np.arange(0, n, block)
    for name in dict.fromkeys((*COLUMNS, *space.places)):
        if name in columns and n:
            values = columns[name].astype(np.float64)
            found[name] = [np.minimum.reduceat(values, starts).tolist(), np.maximum.reduceat(values, starts).tolist()]
    if BRIGHTEST in columns and n:
        found[BRIGHTEST] = np.minimum.reduceat(columns[BRIGHTEST].astype(np.float64), starts, axis=0).tolist()
    return found


def block_index(path: Path, part: Part) -> dict[str, Table]:
    """Tables of a store whose tiles are all there: tile, first row, rows and ranges of every block that has rows."""
    tiles = np.arange(part.rows.tiles)
    blocks = _blocks(part, tiles)
    tables = {name: Table((DIMENSION,), values) for name, values in zip(("tile", "row_start", "row_count"), blocks)}
    for name, values in _committed_zones(path, part, tiles).items():
        units = {"units": column(name.rpartition("_")[0]).unit}
        if values.ndim == 1:
            tables[name] = Table((DIMENSION,), values, units)
            continue
        (labels,) = part.array(BRIGHTEST).axes
        tables[name] = Table((DIMENSION, labels), values, units)
        tables[labels] = Table((labels,), label_array(part.axes[labels]), axis(labels).attributes)
    return {f"{GROUP}/{name}": table for name, table in tables.items()}


def _committed_zones(path: Path, part: Part, tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Lowest and highest values in the blocks of some tiles, as their commits say, by the name of their table."""
    commits = [store.commit(path, part, tile) or {"rows": 0} for tile in tiles.tolist()]
    zones = [commit.get("zones", {}) for commit in commits if commit["rows"]]
    known = set.intersection(*map(set, zones)) if zones else set()
    found = {}
    for name in (*COLUMNS, *AXES):
        for i, end in enumerate(("min", "max") if name in known else ()):
            found[f"{name}_{end}"] = np.concatenate([zone[name][i] for zone in zones])
    if BRIGHTEST in known:
        found[f"{BRIGHTEST}_min"] = np.concatenate([zone[BRIGHTEST] for zone in zones])
    return found


def read_blocks(path: Path, part: Part, tiles: np.ndarray) -> Blocks:
    """Blocks of some tiles of a store; what is known of them is read from the index, or from commits without one."""
    tile, first, count = _blocks(part, tiles)
    zones: dict[tuple[str, str], Bounds] = {}
    if part.job == "build":
        whole = store.is_complete(path, part) and len(tiles) == part.rows.tiles
        tables = _index(path, part) if whole else _committed_zones(path, part, tiles)
        for name in (*COLUMNS, *AXES):
            if f"{name}_min" in tables:
                zones[name, ""] = tables[f"{name}_min"], tables[f"{name}_max"]
        if f"{BRIGHTEST}_min" in tables:
            (labels,) = part.array(BRIGHTEST).axes
            for label, low in zip(part.axes[labels], tables[f"{BRIGHTEST}_min"].T):
                zones[BRIGHTEST, str(label)] = low, np.full(len(low), np.inf)
    return Blocks(first, count, tile, zones)


def _index(path: Path, part: Part) -> dict[str, np.ndarray]:
    """The tables of `block_index`, of a complete store."""
    problem = store.tables_damage(path, part, f"{GROUP}/")
    if problem:
        raise InputError(f"{path}: {problem}; {remedy(path, part)} to mend it")
    group = zarr.open_group(path / GROUP, mode="r", zarr_format=3)
    wanted = [f"{name}_{end}" for name in (*COLUMNS, *AXES) for end in ("min", "max")] + [f"{BRIGHTEST}_min"]
    return {name: np.asarray(array[:]) for name, array in group.arrays() if name in wanted}


def _blocks(part: Part, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tile, first row and number of rows of every block of some tiles that has rows."""
    rows = part.rows
    counts = np.asarray(rows.counts, np.int64)[tiles]
    blocks = -(-counts // rows.block)
    tile = np.repeat(tiles, blocks)
    place = np.arange(len(tile)) - np.repeat(np.cumsum(blocks) - blocks, blocks)  # of the block in its tile
    left = np.repeat(counts, blocks) - place * rows.block
    return tile.astype(np.int64), rows.starts[tile] + place * rows.block, np.minimum(left, rows.block)
