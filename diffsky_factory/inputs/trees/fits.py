"""Fits of histories from a store, by the id of the halo."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import kept_while_unchanged, note
from diffsky_factory.core.user_files import user_path
from diffsky_factory.outputs import store
from diffsky_factory.outputs.reading import column_names, read_column, readable
from diffsky_factory.physics.halos.growth import HaloGrowth

IDS = ("simulation_halo_id", "halo_id")
PARAMETERS, HAS_FIT = "mah_parameters", "has_mah_fit"


class Fits(NamedTuple):
    """Halos with a fit of their own, ascending in id."""

    halo_id: np.ndarray  # (n,) int64
    mah_parameters: np.ndarray  # (n, 5) float32

    def of(self, *names: np.ndarray) -> dict[str, np.ndarray]:
        """Fits of halos by the first of their names that has one; elsewhere the defaults of Diffmah, and False."""
        found = np.full(len(names[0]), -1)
        for ids in names[::-1]:
            at = np.minimum(np.searchsorted(self.halo_id, ids), len(self.halo_id) - 1)
            found = np.where(self.halo_id[at] == ids, at, found) if len(self.halo_id) else found
        has = found >= 0
        values = np.tile(np.array(HaloGrowth(), np.float64), (len(found), 1))
        values[has] = self.mah_parameters[found[has]]
        return {"fitted_mah_parameters": values, "has_mah_fit": has}


def read_fits(path: Path) -> Fits:
    """The fits of a store that `fit_histories` wrote; all of them, 28 bytes each, once per process and store.

    Or of what was cut from one and saved by xarray. Raises InputError where there are none, or where a file is damaged.
    """
    path = user_path(path)
    return _read(path)


@kept_while_unchanged(2)
def _read(path: Path) -> Fits:
    is_store = store.is_store(path)
    note(store.content_file(path) if is_store else path / store.ROOT)
    names, read = (_of_store if is_store else _of_group)(path)
    if not ({PARAMETERS, HAS_FIT} <= set(names) and set(IDS) & set(names)):
        raise InputError(
            f"{path}: has no {PARAMETERS}, {HAS_FIT} and {' or '.join(IDS)} together; it is no store of fits"
        )
    ids, fitted = read(next(name for name in IDS if name in names)), read(HAS_FIT).astype(bool)
    values = read(PARAMETERS).astype(np.float32)
    if ids.dtype != np.int64 or values.shape != (len(ids), len(HaloGrowth._fields)) or len(fitted) != len(ids):
        raise InputError(
            f"{path}: {ids.dtype} ids {ids.shape}, {PARAMETERS} {values.shape}: not int64 and 5 numbers each"
        )
    ids, values = ids[fitted], values[fitted]
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        raise InputError(f"{path}: halo {ids[order][:-1][np.diff(ids[order]) == 0][0]} has two fits; keep one")
    return Fits(ids[order], values[order])


Columns = tuple[Collection[str], Callable[[str], np.ndarray]]
"""Names of columns, and what reads one by its name."""


def _of_store(path: Path) -> Columns:
    part, tiles = readable(path)
    rows = part.rows.rows_of(tiles)
    return column_names(part), lambda name: read_column(path, part, name, rows)


def _of_group(path: Path) -> Columns:
    """The arrays of the group, at the root or one below, that has parameters."""
    import zarr

    try:
        root = zarr.open_group(path, mode="r", zarr_format=3)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a store of fits ({error}); name the folder of one") from error
    if root.attrs.get("state", "complete") != "complete":
        raise InputError(f"{path}: is not complete; finish the fits first")
    groups = [root, *(group for _, group in root.groups())]
    found: Any = next((group for group in groups if PARAMETERS in group), root)
    return list(found.array_keys()), lambda name: np.asarray(found[name][:])
