"""`ds.sky`: the sky of a dataset of galaxies or halos, and cuts that read only what they must."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.expressions import condition
from diffsky_factory.factory.opening.cuts import InRegion, Where
from diffsky_factory.factory.opening.rows import Catalogue
from diffsky_factory.sky.randoms import exact_random_points, random_points
from diffsky_factory.sky.regions import Cone, Region, region
from diffsky_factory.sky.spaces import Sky as Sphere


class Sky(Catalogue):
    """Sky of a dataset made by this package, opened by it, or cut from one."""

    _geometry = Sphere.geometry
    _instead = "ds.sky.cone, box, polygon, moc or within"

    @property
    def area(self) -> float:
        """Area in deg^2 of the sky that the rows are from, to 1e-4 where regions cross."""
        return self._selection.extent

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift that the rows may have; of a mock, of its hosts."""
        return self._selection.redshift

    @property
    def tile_areas(self) -> np.ndarray:
        """Area [deg^2] of each of `tiles` within the region."""
        return self._tile_extents

    def cone(self, ra: float, dec: float, radius: float) -> xr.Dataset:
        """Rows within a radius [deg] of a point; astropy Quantities are converted, in other cuts too."""
        return self.within({"cone": {"ra": ra, "dec": dec, "radius": radius}})

    def box(self, ra: Sequence[float], dec: Sequence[float]) -> xr.Dataset:
        """Rows between two meridians, eastward from the first to the second, and two parallels [deg]."""
        return self.within({"rectangle": {"ra": list(ra), "dec": list(dec)}})

    def polygon(self, ra: Sequence[float], dec: Sequence[float]) -> xr.Dataset:
        """Rows inside a polygon whose edges are great circles, by its corners [deg]."""
        return self.within({"polygon": {"ra": list(ra), "dec": list(dec)}})

    def moc(self, moc: Any) -> xr.Dataset:
        """Rows inside a MOC: a mocpy.MOC, its text, or the path of a FITS file."""
        return self.within({"moc": moc})

    def within(self, where: Mapping | Region) -> xr.Dataset:
        """Rows inside a region, in any form that a recipe takes."""
        where = region(where)
        return self._cut(InRegion(where), self._selection.within(where, words_of(where)))

    def zslice(self, low: float, high: float, kind: str = "redshift") -> xr.Dataset:
        """Rows with low <= redshift < high; kind is "redshift" or "redshift_obs".

        Raises InputError for another kind, and where the ends are in the wrong order.
        """
        if kind not in ("redshift", "redshift_obs"):
            raise InputError(f"kind is 'redshift' or 'redshift_obs', not {kind!r}")
        if not all(isinstance(end, int | float | np.number) for end in (low, high)):
            raise InputError(f"zslice({low!r}, {high!r}): two numbers are wanted")
        if not low < high:
            order = "; the ends are in the wrong order" if low > high else ""
            raise InputError(f"zslice({low}, {high}): give low < high{order}")
        chosen = self._selection
        if kind == "redshift":
            first, last = chosen.redshift
            least = min(max(float(low), first), last)
            chosen = replace(chosen, redshift=(least, max(min(float(high), last), least)))
        cut = Where(condition(f"{float(low)!r} <= {kind} < {float(high)!r}", {kind: ()}))
        words = f"zslice({float(low)!r}, {float(high)!r}{'' if kind == 'redshift' else f', {kind}'})"
        return self._cut(cut, chosen.where(self._sealed(words, cut)))

    def randoms(self, n: int | None = None, *, density: float | None = None, seed: int = 0) -> xr.Dataset:
        """Points uniform on the sky that the rows are from: n of them, or of a density [deg^-2].

        Those of a density belong to the cells of the sky: a part of the region has the points that the whole has there.
        """
        where = self._selection.parts
        if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**63):
            raise InputError(f"seed={seed!r}: a whole number, 0 or more, is wanted")
        if n is not None and density is None:
            ra, dec, _ = exact_random_points(where, n, seed)
        elif density is not None and n is None:
            ra, dec, _ = random_points(where, density, seed)
        else:
            raise ValueError("give n or density, one of the two")
        known = columns()
        values = {name: ("random", points, known[name].attributes) for name, points in (("ra", ra), ("dec", dec))}
        said = {"area_deg2": self.area, "seed": seed, "density_deg2": len(ra) / self.area if self.area else 0.0}
        return xr.Dataset(values, attrs=said)


def words_of(where: Region) -> str:
    """A region in a few words."""
    if isinstance(where, Cone):
        return f"cone({where.ra:g}, {where.dec:g}, {where.radius:g})"
    ((kind, _),) = [item for item in where.plain.items() if item[0] != "order"] or [("region", None)]
    return {"rectangle": "box"}.get(kind, kind)
