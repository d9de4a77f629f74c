"""What a dataset is and what reading it costs, for a person to read."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from diffsky_factory.factory.opening.selection import Selection
from diffsky_factory.factory.opening.sources import STORE, Source
from diffsky_factory.outputs.reading import ROW
from diffsky_factory.sky.spaces import WORDS


@dataclass(frozen=True)
class Explanation:
    """Rows of a dataset, and of the tiles, blocks and bytes of what it is cut from those that hold them.

    bytes : of all columns once decompressed: of the rows, and of the blocks that are read to have them
    """

    source: str
    rows: int
    extent: float  # deg^2, or Mpc^3 of a box
    unit: str
    redshift: tuple[float, float]
    tiles: tuple[int, int]
    blocks: tuple[int, int]
    bytes: int
    bytes_read: int
    cuts: tuple[str, ...]

    def __str__(self) -> str:
        into, unit = WORDS[self.unit]
        density = f", {self.rows / self.extent:,.4g} per {unit}" if self.extent else ""
        low, high = self.redshift
        redshift = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        cuts = " > ".join(self.cuts) or "none"
        return (
            f"{self.rows:,} rows {into} {self.extent:.6g} {unit}{density}, redshift {redshift}\n"
            f"cuts: {cuts}\n"
            f"in {self.tiles[0]:,} of {self.tiles[1]:,} tiles, {self.blocks[0]:,} of {self.blocks[1]:,} blocks; "
            f"all columns {self.bytes / 1e6:,.1f} MB, read from blocks of {self.bytes_read / 1e6:,.1f} MB\n"
            f"of {self.source}"
        )

    __repr__ = __str__


def explained(ds: xr.Dataset, chosen: Selection, source: Source, rows: np.ndarray | None) -> Explanation:
    """The explanation of a dataset of a source; rows None for all of it."""
    blocks, tiles = source.blocks, source.tiles
    total = int(blocks.count.sum())
    some_blocks = np.arange(len(blocks.first)) if rows is None else np.unique(blocks.of(rows))
    n = total if rows is None else len(rows)
    (dimension,) = ds.coords[ROW].dims
    of_rows = [values for values in ds.data_vars.values() if dimension in values.dims]
    row_bytes = sum(values.dtype.itemsize * values.size // max(values.sizes[dimension], 1) for values in of_rows)
    return Explanation(
        source=f"the store {ds.attrs[STORE]}" if STORE in ds.attrs else "a mock that is not built",
        rows=n,
        extent=chosen.extent,
        unit=chosen.space.unit,
        redshift=chosen.redshift,
        tiles=(len(np.unique(blocks.tile[some_blocks])), len(tiles.keys)),
        blocks=(len(some_blocks), len(blocks.first)),
        bytes=row_bytes * n,
        bytes_read=row_bytes * int(blocks.count[some_blocks].sum()),
        cuts=chosen.cuts,
    )
