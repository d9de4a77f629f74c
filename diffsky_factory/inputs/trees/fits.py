"""Fits of histories from a store, by the id of the halo."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
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
    """The fits of a store that `fit_histories` wrote; all of them, 28 bytes each, once per process and store."""
    path = user_path(path)
    try:
        return _read(str(path), (path / "zarr.json").stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a store of fits ({error}); name the folder of one") from error


@lru_cache(maxsize=2)
def _read(path: str, modified: int) -> Fits:
    import zarr

    root = zarr.open_group(path, mode="r", zarr_format=3)
    if root.attrs.get("state", "complete") != "complete":
        raise InputError(f"{path}: is not complete; finish the fits first")
    group = _group_with(root, PARAMETERS)
    if group is None or HAS_FIT not in group or not any(name in group for name in IDS):
        raise InputError(
            f"{path}: has no {PARAMETERS}, {HAS_FIT} and {' or '.join(IDS)} together; it is no store of fits"
        )
    ids = np.asarray(group[next(name for name in IDS if name in group)][:])
    fitted = np.asarray(group[HAS_FIT][:]).astype(bool)
    values = np.asarray(group[PARAMETERS][:], np.float32)
    if ids.dtype != np.int64 or values.shape != (len(ids), len(HaloGrowth._fields)) or len(fitted) != len(ids):
        raise InputError(
            f"{path}: {ids.dtype} ids {ids.shape}, {PARAMETERS} {values.shape}: not int64 and 5 numbers each"
        )
    ids, values = ids[fitted], values[fitted]
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        raise InputError(f"{path}: halo {ids[order][:-1][np.diff(ids[order]) == 0][0]} has two fits; keep one")
    return Fits(ids[order], values[order])


def _group_with(root: Any, name: str) -> Any:
    """The group, at the root or one below, that has an array of a name; None if there is none."""
    if name in root:
        return root
    return next((group for _, group in root.groups() if name in group), None)
