"""Datasets of stores and of what was saved from them, with what ds.sky needs to know of their rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.opening.selection import ATTRIBUTE, Selection, fingerprint_of_ranges
from diffsky_factory.factory.opening.sources import OPEN_TILES, STORE, VERIFY
from diffsky_factory.outputs import store
from diffsky_factory.outputs.commits import FIRST, Verify, check_verify
from diffsky_factory.outputs.halo_store import GROUP_CELL
from diffsky_factory.outputs.layout import Part
from diffsky_factory.outputs.reading import ROW, open_part, readable
from diffsky_factory.sky.spaces import space_of

NETCDF = (".nc", ".nc4")
OF_THE_WHOLE = ("area_deg2", "volume_mpc3", "region", "footprint", "redshift_min", "redshift_max", "simulation_columns")
"""Attributes of a store or mock that are not those of what is cut from it; ds.sky knows them."""


def described(attributes: Mapping[str, Any], chosen: Selection) -> dict[str, Any]:
    """Attributes of a dataset of a mock, from those of the mock."""
    of_mock = {name: value for name, value in attributes.items() if name not in OF_THE_WHOLE}
    return {**store.plain(of_mock), ATTRIBUTE: chosen.text}


def open_store(
    path: str | Path, *, part: str | None = None, allow_partial: bool = False, verify: Verify = FIRST
) -> xr.Dataset:
    """A part of a store, the first without a name, lazily.

    verify : when the checksum of a file is compared with its commit
    A part that is not complete is opened with allow_partial=True alone, and then shows its committed tiles.
    Raises InputError where there is no such store, where it is damaged, or where it is not complete.
    """
    check_verify(verify)
    path = user_path(path).absolute()
    layout, tiles = readable(path, part, allow_partial=allow_partial)
    ds = open_part(path, layout, tiles, verify)
    if layout.rows.partition != "pieces":
        first = store.read_part(path)
        chosen = _selection(first.attributes, layout, tiles, ds[ROW].data.name)
        ds.attrs = described({**first.attributes, **layout.attributes}, chosen)
    ds.attrs.update({STORE: str(path), **({} if verify == FIRST else {VERIFY: verify})})
    if not store.is_complete(path, layout):
        ds.attrs.update({"state": "building", OPEN_TILES: len(tiles)})
    return ds.drop_vars(GROUP_CELL, errors="ignore")


def open_tree(path: str | Path, *, verify: Verify = FIRST) -> xr.DataTree:
    """All complete parts of a store, lazily, with exact rows: a node for each, the attributes of the store at the root.

    verify : as in `open_catalog`
    Raises InputError where there is no store, or where its first part is not complete.
    """
    path = user_path(path).absolute()
    parts = [store.read_part(path, name) for name in store.part_names(path)]
    shown = [parts[0], *(part for part in parts[1:] if store.is_complete(path, part))]
    nodes = {part.name: open_store(path, part=part.name, verify=verify) for part in shown}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=store.plain(parts[0].attributes)), **nodes})


def is_saved(path: Path) -> bool:
    """Whether a path holds a dataset of this package that was saved by xarray, to Zarr or netCDF."""
    return ATTRIBUTE in _saved_attributes(path)


def open_saved(path: Path) -> xr.Dataset:
    """A dataset that was saved by xarray, lazily."""
    try:
        if path.is_dir():
            return xr.open_zarr(path, chunks={}, zarr_format=3)
        return xr.open_dataset(path, chunks={})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def covered_regions(attributes: Mapping[str, Any]) -> tuple[Mapping, ...]:
    """Regions whose intersection a mock covers, from its attributes."""
    footprint = attributes.get("footprint")
    return (attributes["region"], *([{"any": footprint}] if footprint else []))


def _selection(attributes: Mapping[str, Any], part: Part, tiles: np.ndarray, token: str) -> Selection:
    rows, covered = part.rows, covered_regions(attributes)
    extent = attributes[space_of(attributes).extent_name]
    if len(tiles) < rows.tiles and rows.order is not None:
        extent = float(np.asarray(rows.extents)[tiles].sum())
        covered = (*covered, space_of(attributes).cells([rows.keys[tile] for tile in tiles], rows.order).plain)
    return Selection(
        extent=extent,
        covered=covered,
        redshift=(attributes["redshift_min"], attributes["redshift_max"]),
        rows=fingerprint_of_ranges(rows.starts[tiles], np.asarray(rows.counts, np.int64)[tiles]),
        token=token,
        box_size=attributes.get("box_size", 0.0),
    )


def _saved_attributes(path: Path) -> Mapping[str, Any]:
    try:
        if path.is_dir():
            return zarr.open_group(path, mode="r", zarr_format=3).attrs
        if path.suffix in NETCDF:
            with xr.open_dataset(path) as found:
                return found.attrs
    except (OSError, ValueError, KeyError):
        pass  # some other folder or file, of which its own reader says what is wrong
    return {}
