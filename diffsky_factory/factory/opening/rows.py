"""Rows of a dataset: what is true of those at hand, cuts that read only what they must, and what can be had of them.

It says what is true, or raises: rows that were sorted are the same, rows that were chosen or joined by other means are
not, and the error says what to do instead. `ds.sky` and `ds.box` add what holds on the sky, and in a box.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.expressions import condition
from diffsky_factory.core.user_files import user_path
from diffsky_factory.core.user_warnings import warn
from diffsky_factory.factory.opening import tables
from diffsky_factory.factory.opening.cuts import Cut, InTiles, Where
from diffsky_factory.factory.opening.explained import Explanation, explained
from diffsky_factory.factory.opening.selection import ATTRIBUTE, Selection, fingerprint, selection_from_text
from diffsky_factory.factory.opening.sources import STORE, Source, source_of
from diffsky_factory.outputs.layout import ranges
from diffsky_factory.outputs.reading import ROW
from diffsky_factory.sky.cosmology import Cosmology

INSTEAD = (
    "cut with ds.sky or ds.box (cone, box, polygon, moc, zslice, sub_box, where, in_tiles, or select for a mask of "
    "your own), and join cuts with their join"
)


def attribute(ds: xr.Dataset, name: str) -> Any:
    """An attribute that datasets of this package have."""
    if name not in ds.attrs:
        raise AttributeError(f"no attribute '{name}': this dataset was not made by diffsky_factory")
    return ds.attrs[name]


def rows_coordinate(ds: xr.Dataset) -> xr.DataArray:
    """Row of the store or mock of each row; raises InputError where it is gone."""
    if ROW not in ds.coords:
        attribute(ds, "cosmology")
        raise InputError(f"the coordinate '{ROW}', by which rows are known, is gone; {INSTEAD}")
    found = ds.coords[ROW]
    if found.ndim != 1:
        raise InputError(f"the coordinate '{ROW}' has shape {found.shape}: rows were chosen or repeated; {INSTEAD}")
    return found


def checked_selection(ds: xr.Dataset) -> Selection:
    """What the rows of a dataset are; raises InputError where they are others than those that were chosen."""
    attribute(ds, "cosmology")
    if ATTRIBUTE not in ds.attrs:
        raise InputError("rows of this dataset have no place: they are fits, or halos of a store of another version")
    found = selection_from_text(ds.attrs[ATTRIBUTE])
    rows = rows_coordinate(ds)
    if getattr(rows.data, "name", None) != found.token:
        now = fingerprint(np.asarray(rows))
        if now != found.rows:
            raise InputError(
                f"{now[0]:,} rows that were chosen or joined by other means than ds.sky or ds.box, out of "
                f"{found.rows[0]:,}: where they are from is not known; {INSTEAD}"
            )
    return found


class Catalogue:
    """What `ds.sky` and `ds.box` share."""

    _geometry: ClassVar[str]
    _instead: ClassVar[str]  # what to cut by place with

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def __repr__(self) -> str:
        try:
            return str(self.explain())
        except (InputError, ValueError, AttributeError) as error:
            return f"<ds.{type(self).__name__.lower()}: {error}>"

    # what the rows are

    @property
    def region(self) -> list[Any]:
        """Parts of the sky, or of the box, whose intersection the rows are from."""
        return self._selection.parts

    @property
    def cuts(self) -> tuple[str, ...]:
        """What has been cut, in words."""
        return self._selection.cuts

    @property
    def cosmology(self) -> Cosmology:
        """Cosmology of the simulation."""
        return Cosmology(**tables.parsed(self._attribute("cosmology")))

    @property
    def simulation(self) -> dict[str, Any]:
        """Attributes of the simulation: name, mass definition, completeness and more."""
        return dict(tables.parsed(self._attribute("simulation")))

    @property
    def tile_order(self) -> int:
        """Order of the tiles: of HEALPix pixels, NESTED, or of cubes of a box, 2^order along each side."""
        return int(self._attribute("tile_order"))

    @property
    def tiles(self) -> np.ndarray:
        """Tiles, in the order of their rows, that lie in the region or have rows here.

        A row belongs to the tile of its host.
        """
        found, space = self._source.tiles, self._selection.space
        chosen = np.ones(len(found.keys), bool)
        for one in self._selection.regions:
            chosen &= np.isin(found.keys, space.cells_of(space.part(one), found.order))
        if self._selection.cuts:
            chosen[self._tile_numbers()] = True
        return found.keys[chosen]

    @property
    def tile_rows(self) -> np.ndarray:
        """Rows of each of `tiles`."""
        found, keys = self._source.tiles, self.tiles
        counts = np.bincount(self._tile_numbers(), minlength=len(found.keys)) if self._selection.cuts else found.counts
        return counts[np.isin(found.keys, keys)]

    @property
    def _tile_extents(self) -> np.ndarray:
        """Extent of each of `tiles` within the region."""
        found, keys, chosen = self._source.tiles, self.tiles, self._selection
        if not chosen.regions:
            return found.extents[np.isin(found.keys, keys)]
        space, parts = chosen.space, chosen.parts
        return np.array([space.extent([space.cells([key], found.order), *parts]) for key in keys])

    @property
    def weight(self) -> xr.DataArray:
        """Objects that each row stands for: the column `weight`, or ones."""
        if "weight" in self._ds.data_vars:
            return self._ds["weight"]
        rows = self._rows_coordinate
        if "weight" in self._source.columns:
            found = self._source.variables(np.asarray(rows), ["weight"])
            if not found:
                raise InputError("the simulation has weights, and this dataset no column 'weight'; keep it")
            return xr.DataArray(found["weight"].data, dims=rows.dims, name="weight", attrs=found["weight"].attrs)
        ones = da.ones(rows.shape, chunks=rows.data.chunks) if rows.chunks else np.ones(rows.shape)
        return xr.DataArray(ones, dims=rows.dims, name="weight", attrs=columns()["weight"].attributes)

    # cuts

    def in_tiles(self, pixels: Sequence[int]) -> xr.Dataset:
        """The rows of some tiles. Raises ValueError where a tile is not in the dataset.

        A satellite belongs to the tile of its host, so that a few lie outside; the extent is that of the tiles.
        """
        wanted = np.asarray(pixels)
        if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
            raise ValueError(f"tiles are numbers of cells, integers, not {wanted.dtype}")
        if not wanted.size:
            raise ValueError("in_tiles: no tile is given; see its tiles")
        wanted = wanted.astype(np.int64)
        absent = np.setdiff1d(wanted, self.tiles)
        if len(absent):
            raise ValueError(f"no tile {absent[0]} of order {self.tile_order} here; see its tiles")
        chosen = self._selection
        cut, words = InTiles(wanted), f"in_tiles({len(wanted)} of order {self.tile_order})"
        return self._cut(cut, chosen.within(chosen.space.cells(wanted.tolist(), self.tile_order), words))

    def where(self, text: str) -> xr.Dataset:
        """Rows that meet a condition on columns, such as "mag_true[lsst_i] < 24 & is_central".

        Comparisons, arithmetic, & | ~ and the functions of `core.expressions`; a column with a further axis takes a
        label in brackets. Raises InputError that says what is wrong with it, also for a condition on places, after
        which the area or volume would not be known.
        """
        axes = {str(name): self._labels(values) for name, values in self._ds.data_vars.items()}
        kinds = {str(name): str(values.dtype) for name, values in self._ds.data_vars.items()}
        cut = Where(condition(text, axes, kinds))
        for name, _ in cut.columns:
            if name in self._selection.space.places:
                raise InputError(
                    f"where({text}): '{name}' is a place, and of what the rows are from would not be known; cut with "
                    f"{self._instead}, or with select, which leaves it as it is"
                )
        return self._cut(cut, self._selection.where(self._sealed(f"where({text})", cut)))

    def select(self, chosen: Any) -> xr.Dataset:
        """Rows chosen by a mask, or by an array of row numbers, which must not depend on positions.

        The area, or volume, does not change. Each row may be chosen once.
        """
        selection, rows = self._selection, np.asarray(self._rows_coordinate)
        if isinstance(chosen, xr.DataArray) and ROW in chosen.coords and not np.array_equal(chosen[ROW], rows):
            raise InputError("select: the mask is of other rows, or of these in another order; make it of this dataset")
        values = np.asarray(chosen)
        if values.dtype == bool:
            if values.shape != rows.shape:
                raise InputError(f"select: a mask of {len(rows)} rows is wanted, not of shape {values.shape}")
            values = np.flatnonzero(values)
        values = values.astype(np.int64) if not values.size else values
        if values.ndim != 1 or values.dtype.kind not in "iu" or len(np.unique(values)) != len(values):
            raise InputError("select: a mask, or numbers of rows of which each is given once, is wanted")
        if len(values) and not 0 <= values.min() <= values.max() < len(rows):
            raise InputError(f"select: numbers of rows from 0 to {len(rows) - 1} are wanted")
        kept = rows[values]
        return self._taken(values, kept, selection.where(f"select({tokenize(kept)[:8]})"))

    def join(self, *others: xr.Dataset) -> xr.Dataset:
        """The union of this cut and others of the same store or mock, in which each row occurs once.

        They may differ in regions only; cut in other columns afterwards.
        """
        every = [self, *(type(self)(other) for other in others)]
        chosen = [one._selection for one in every]
        if (
            len({(one.covered_text, one.redshift, one.conditions) for one in chosen}) > 1
            or len({(one._ds.attrs.get(STORE), one._ds.attrs.get("recipe")) for one in every}) > 1
        ):
            raise InputError("join: the cuts differ by more than regions; join regions first, then cut the rest")
        whole = xr.concat([one._ds for one in every], self._dimension, data_vars="minimal", coords="minimal")
        rows, positions = np.unique(np.asarray(whole[ROW]), return_index=True)
        parts = {"any": [{"all": list(one.regions)} if one.regions else dict(one.space.whole) for one in chosen]}
        joined = replace(chosen[0], regions=(parts,), cuts=(f"join of {len(every)} cuts", *chosen[0].conditions))
        own = set.intersection(*(set(one._own) for one in every))
        joined = replace(joined, extent=joined.space.extent(joined.parts))
        return _with(whole, sorted(own), joined, rows, positions, self._source)

    # what it costs, and what else can be had

    def explain(self) -> Explanation:
        """Rows, tiles, blocks and bytes of the dataset, and how it was cut; print it."""
        return explained(self._ds, self._selection, self._source, self._row_values())

    def photometry(self, bands: Any, *, save: bool = False, name: str | None = None, **how: Any) -> xr.Dataset:
        """True magnitudes in any bands, computed from what is stored when they are asked for.

        bands : name of a filter set, a band or several, {name: (wavelength [Angstrom], transmission)}, as in a recipe
        save  : write them into the store, beside the galaxies, as part photometry/<name>; `how` as in `build`; the
                same call again finishes what was cut off
        name  : of the part; that of the filter set where it is not given
        Those of a store built with these bands, to the last bits of float32. Raises InputError, listing the columns,
        where the store does not keep what light follows from.
        """
        from diffsky_factory.factory.opening.photometry import photometry

        return photometry(self._ds, bands, save=save, name=name, **how)

    def to_table(self) -> Any:
        """An astropy Table: one row a galaxy, one column a band, with units."""
        return tables.to_table(self._ds, self._dimension)

    def to_pandas(self) -> Any:
        """A pandas DataFrame: one row a galaxy, one column a band; units are in `.attrs`."""
        return tables.to_pandas(self._ds, self._dimension)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file, some rows at a time: one row a galaxy, one column a band, units as metadata."""
        tables.to_parquet(self._ds, self._dimension, user_path(path))

    # how

    def _attribute(self, name: str) -> Any:
        return attribute(self._ds, name)

    @property
    def _rows_coordinate(self) -> xr.DataArray:
        return rows_coordinate(self._ds)

    @property
    def _dimension(self) -> str:
        return str(self._rows_coordinate.dims[0])

    @cached_property
    def _selection(self) -> Selection:
        """What the rows are; raises InputError where they are others than those that were chosen, or elsewhere."""
        found = checked_selection(self._ds)
        if found.space.geometry != self._geometry:
            here, there = ("ds.box", "of a box") if found.box_size else ("ds.sky", "of a light cone")
            raise InputError(f"rows of this dataset are {there}; ask {here}")
        return found

    @cached_property
    def _source(self) -> Source:
        return source_of(self._ds)

    @property
    def _is_whole(self) -> bool:
        """Whether the rows are all of the source, untouched and in its order."""
        chosen = self._selection
        return not chosen.cuts and getattr(self._rows_coordinate.data, "name", None) == chosen.token

    @property
    def _own(self) -> list[str]:
        """Columns that are still those of the source."""
        return self._source.own(self._ds, self._rows_coordinate.data)

    def _row_values(self) -> np.ndarray | None:
        """Rows of the source; None for all of them in order."""
        return None if self._is_whole else np.asarray(self._rows_coordinate)

    def _tile_numbers(self) -> np.ndarray:
        """Number of the tile, in the order of the source, of each row."""
        rows, found = np.asarray(self._rows_coordinate), self._source.tiles
        return np.searchsorted(found.starts, rows, side="right") - 1

    def _labels(self, values: xr.DataArray) -> tuple[tuple[str, tuple], ...]:
        axes = [str(name) for name in values.dims if name != self._dimension]
        return tuple((name, tuple(self._ds[name].values.tolist()) if name in self._ds else ()) for name in axes)

    def _cut(self, cut: Cut, chosen: Selection) -> xr.Dataset:
        source, rows = self._source, self._row_values()
        for name, _ in cut.columns:
            if name not in self._ds:
                raise InputError(
                    f"no column '{name}' in this dataset, which the cut needs; keep it until after the cut"
                )
        maybe, surely = cut.possible(source)
        if not self._knows(cut):
            maybe, surely = np.ones_like(maybe), np.zeros_like(surely)
        blocks = source.blocks
        if rows is None:
            positions, rows, settled = _of_blocks(blocks, maybe, surely)
        else:
            of = blocks.of(rows)
            positions = np.flatnonzero(maybe[of])
            rows, settled = rows[positions], surely[of[positions]]
        keep, open_ = settled.copy(), np.flatnonzero(~settled)
        if len(open_):
            values = self._read(cut.columns, positions[open_], rows[open_])
            keep[open_] = cut.evaluate(lambda name, labels=(): values[name, labels])
        return self._taken(positions[keep], rows[keep], chosen)

    def _knows(self, cut: Cut) -> bool:
        """Whether what is known of the source's blocks holds for the columns of a cut."""
        own = self._own if cut.columns else ()
        return all(name in own for name, _ in cut.columns)

    def _sealed(self, words: str, cut: Cut) -> str:
        """Words for a condition; on columns that are not the source's they are of these rows alone."""
        if self._knows(cut) or all(self._is_loaded(name) for name, _ in cut.columns):
            return words
        return f"{words} of {tokenize([self._ds[name].data for name, _ in cut.columns if name in self._ds])[:8]}"

    def _is_loaded(self, name: str) -> bool:
        return name in self._source.columns and name in self._ds and self._ds[name].chunks is None

    def _read(self, wanted, positions: np.ndarray, rows: np.ndarray) -> dict[tuple[str, tuple], np.ndarray]:
        """Columns at some rows, those of the source by reading no more than their blocks."""
        names = list(dict.fromkeys(name for name, _ in wanted))
        own = self._own
        fresh = self._source.variables(rows, [name for name in names if name in own])
        lazy = {}
        for name, labels in wanted:
            values = self._ds[name]
            if name in fresh:
                values = xr.DataArray(fresh[name], {axis: self._ds[axis] for axis in values.dims[1:]})
            else:
                values = values.isel({self._dimension: positions})
            axes = [axis for axis in values.dims if axis != self._dimension]
            lazy[name, labels] = values.sel(dict(zip(axes, labels))).data
        return dict(zip(lazy, dask.compute(*lazy.values())))

    def _taken(self, positions: np.ndarray, rows: np.ndarray, chosen: Selection) -> xr.Dataset:
        before = self._ds.sizes[self._dimension]
        if before and not len(rows):
            warn(f"{chosen.cuts[-1]} selects none of {before:,} rows")
        return _with(self._ds, self._own, chosen, rows, positions, self._source)


def _of_blocks(blocks, maybe: np.ndarray, surely: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and rows of all rows of the blocks that may matter, and whether each is settled."""
    before = np.cumsum(blocks.count) - blocks.count
    count = blocks.count[maybe]
    return ranges(before[maybe], count), ranges(blocks.first[maybe], count), np.repeat(surely[maybe], count)


def _with(
    ds: xr.Dataset, own: list[str], chosen: Selection, rows: np.ndarray, positions: np.ndarray, source: Source
) -> xr.Dataset:
    """Some rows of a dataset: columns of the source are read anew, all others are taken from what is there."""
    dimension, coordinate = ds.coords[ROW].dims[0], rows
    fresh = source.variables(rows, own)
    others = ds.drop_vars(list(fresh)).isel({dimension: positions})
    if ds.coords[ROW].chunks is not None:
        coordinate = source.row_array(rows)
        # in chunks of one size, as Zarr wants them
        others = others.chunk({dimension: max(coordinate.chunks[0], default=1) or 1}) if others.chunks else others
    for name, variable in fresh.items():
        variable.attrs = dict(ds[name].attrs)
    made = others.assign({name: fresh[name] if name in fresh else others[name] for name in ds.data_vars})
    made = made[list(ds.data_vars)].assign_coords({ROW: (dimension, coordinate, ds.coords[ROW].attrs)})
    chosen = replace(chosen, rows=fingerprint(rows), token=getattr(coordinate, "name", ""))
    made.attrs = {**ds.attrs, ATTRIBUTE: chosen.text}
    return made
