"""The store of a simulation's halos: columns in the order of the sky, written once, complete or not there."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from diffsky_factory.core.columns import column
from diffsky_factory.core.halo_layout import CHUNK, FIRST_ROW, FORMAT, GROUP_CELL, INDEX_ORDER, OCCUPIED
from diffsky_factory.sky import tiles

Batch = tuple[np.ndarray, dict[str, np.ndarray]]


def write_halos(
    path: Path, columns: Mapping[str, type], attributes: Mapping[str, Any], batches: Iterable[Batch]
) -> int:
    """Write batches of (cell of the group, columns), in order of the cells, to a store; its number of rows.

    The store appears at `path` when it is complete: before, it is a folder beside it.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    group = zarr.create_group(unfinished)
    kinds = {name: column(name).dtype for name in columns}
    arrays: dict[str, zarr.Array] = {}
    occupied, starts, rows = [], [], 0
    for cells, batch in batches:
        values = {GROUP_CELL: cells, **{name: batch[name].astype(kind) for name, kind in kinds.items()}}
        for name, part in values.items():
            if name not in arrays:
                attrs = {} if name == GROUP_CELL else column(name).attributes
                arrays[name] = _array(group, name, part, attrs)
            arrays[name].resize((rows + len(part), *part.shape[1:]))
            arrays[name][rows:] = part
        if attributes["geometry"] == "lightcone":
            pixels, first = np.unique(tiles.coarser(cells, tiles.FINEST, INDEX_ORDER), return_index=True)
            new = ~np.isin(pixels, occupied[-1:])
            occupied.extend(pixels[new].tolist())
            starts.extend((rows + first[new]).tolist())
        rows += len(cells)
    if attributes["geometry"] == "lightcone":
        group.create_array(OCCUPIED, data=np.asarray(occupied, np.int64))
        group.create_array(FIRST_ROW, data=np.asarray([*starts, rows], np.int64))
    kinds = {name: str(np.dtype(columns[name])) for name in columns}
    group.attrs.update(format=FORMAT, columns=kinds, attributes=dict(attributes), rows=rows)
    os.replace(unfinished, path)
    return rows


def _array(group: zarr.Group, name: str, part: np.ndarray, attributes: Mapping[str, Any]) -> zarr.Array:
    shape = (0, *part.shape[1:])
    chunks = (CHUNK, *part.shape[1:])
    return group.create_array(name, shape=shape, chunks=chunks, dtype=part.dtype, attributes=dict(attributes))
