"""`ds.box`: the periodic box that galaxies or halos are in: sub-boxes, positions in redshift space, random points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.opening.cuts import InBoxPart
from diffsky_factory.factory.opening.rows import Catalogue
from diffsky_factory.sky.boxes import AXES, BoxPart, SubBox, box_part, wrapped
from diffsky_factory.sky.distance_table import hubble_ratio_64
from diffsky_factory.sky.spaces import Box as PeriodicBox

REDSHIFT_SPACE = "redshift_space"  # attribute: the axis along which positions are those of redshift space


class Box(Catalogue):
    """Box of a dataset made by this package, opened by it, or cut from one; lengths in comoving Mpc."""

    _geometry = PeriodicBox.geometry
    _instead = "ds.box.sub_box or within"

    @property
    def size(self) -> float:
        """Length of a side of the whole box [Mpc], after which positions repeat."""
        return self._selection.box_size

    @property
    def volume(self) -> float:
        """Volume [Mpc^3] that the rows are from, exact."""
        return self._selection.extent

    @property
    def redshift(self) -> float:
        """Redshift of the box."""
        return self._selection.redshift[0]

    @property
    def periodic(self) -> tuple[bool, bool, bool]:
        """Whether no cut has left out a part of the box along x, y and z: pairs may be counted through those faces.

        Joins and cells are taken for parts along all axes.
        """
        parts = self._selection.parts
        x, y, z = (all(isinstance(one, SubBox) and one.is_whole(axis) for one in parts) for axis in range(3))
        return x, y, z

    @property
    def tile_volumes(self) -> np.ndarray:
        """Volume [Mpc^3] of each of `tiles` within the part of the box."""
        return self._tile_extents

    @property
    def velocity_to_distance(self) -> float:
        """Comoving Mpc by which 1 km/s moves a galaxy in redshift space: (1 + z) / H(z)."""
        hubble = 100.0 * float(self.cosmology.h) * float(hubble_ratio_64(self.cosmology, self.redshift))
        return float((1.0 + self.redshift) / hubble)

    def sub_box(
        self, x: Sequence[float] | None = None, y: Sequence[float] | None = None, z: Sequence[float] | None = None
    ) -> xr.Dataset:
        """Rows with low <= x < high and so on [Mpc]; it may lie across a face, as [900, 1100] in a box of 1000."""
        given = {axis: ends for axis, ends in zip(AXES, (x, y, z)) if ends is not None}
        return self.within({"box": given})

    def within(self, where: Mapping | BoxPart) -> xr.Dataset:
        """Rows inside a part of the box, in any form that a recipe takes."""
        if REDSHIFT_SPACE in self._ds.attrs:
            raise InputError("positions are those of redshift space: cut first, then move them with redshift_space")
        part = box_part(where, self.size)
        return self._cut(InBoxPart(part), self._selection.within(part, _words_of(part)))

    def redshift_space(self, axis: str = "z") -> xr.Dataset:
        """The rows with positions along an axis as an observer at rest, far along it, infers them from redshifts.

        s = x + v_x (1 + z) / H(z), brought back into the box. Source: Kaiser 1987, MNRAS 227, 1
        """
        size = self.size
        if axis not in AXES:
            raise InputError(f"redshift_space: axis is x, y or z, not {axis!r}")
        moved = self._ds.attrs.get(REDSHIFT_SPACE)
        if moved:
            raise InputError(f"redshift_space: positions are those of redshift space along {moved} already")
        absent = [name for name in (axis, f"v{axis}") if name not in self._ds]
        if absent:
            raise InputError(f"no column '{absent[0]}' in this dataset, which redshift space needs; keep it")
        place = self._ds[axis] + self._ds[f"v{axis}"].astype(np.float64) * self.velocity_to_distance
        inside = xr.apply_ufunc(wrapped, place, size, dask="parallelized", output_dtypes=[np.float64])
        found = self._ds.assign({axis: inside.astype(self._ds[axis].dtype).assign_attrs(self._ds[axis].attrs)})
        return found.assign_attrs({REDSHIFT_SPACE: axis})

    def randoms(self, n: int, *, seed: int = 0) -> xr.Dataset:
        """n points that are uniform in the volume that the rows are from."""
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 0:
            raise InputError(f"randoms: n is a number of points, 0 or more, not {n!r}")
        rng, parts, known, found = np.random.default_rng(seed), self._selection.parts, columns(), np.empty((0, 3))
        if self.volume <= 0.0:
            raise InputError("randoms: the part of the box is empty")
        share = self.volume / self.size**3
        while len(found) < n:
            points = rng.uniform(0.0, self.size, (int(1.1 * (n - len(found)) / share) + 16, 3))
            inside = np.logical_and.reduce([part.inside(*points.T) for part in parts])
            found = np.concatenate([found, points[inside]])
        values = {axis: ("random", found[:n, i], known[axis].attributes) for i, axis in enumerate(AXES)}
        said = {"box_size": self.size, "volume_mpc3": self.volume, "seed": seed}
        return xr.Dataset(values, attrs=said)


def _words_of(part: Any) -> str:
    """A part of a box in a few words."""
    if not isinstance(part, SubBox):
        return next(iter(part.plain))
    every = ", ".join(f"{axis} {low:g} to {high:g}" for axis, (low, high) in part.plain["box"].items())
    return f"sub_box({every})"
