"""Copies of a periodic box around an observer, and when each of their halos is seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.cosmology import Cosmology, age_64, comoving_distance_64
from diffsky_factory.sky.distance_table import CubicTable, redshift_table
from diffsky_factory.sky.regions import FullSky, region

MPC_PER_GYR = 1.0227121650537077e-3  # per km/s: a Gyr of 31557600e9 s over a Mpc of 3.0856775814913673e19 km
MARGIN = 10.0  # Mpc, chosen: halos just outside are kept too, as satellites of hosts inside
COARSE = 4  # HEALPix order, chosen: its pixels decide which copies miss a region
STEPS = 4  # chosen: each shortens the error of the crossing by v/c, to 1e-12 of the first
BITS = 6  # bits of a packed offset along each axis
UNSKEWED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Replicas:
    """The sky of an observer in a box that repeats itself.

    A point p of copy n of the box is seen at R (p + L n - observer), with one rotation R for all copies, so that
    nothing is cut where copies meet. Copies repeat the same structure at distances of L along the axes of the box;
    the rotation turns these axes away from those of the sky.

    box_size, observer : Mpc, comoving
    redshift : lowest and highest
    region : part of the sky, in its plain form
    rotation : orthonormal 3x3 matrix, from the axes of the box to those of the sky
    """

    box_size: float
    cosmology: Cosmology
    redshift: tuple[float, float]
    observer: tuple[float, float, float] = (0.0, 0.0, 0.0)
    region: Mapping | None = None
    rotation: tuple[tuple[float, ...], ...] = UNSKEWED

    def __post_init__(self) -> None:
        low, high = self.redshift
        if not 0.0 <= low < high <= 20.0:
            raise InputError(f"redshift = {self.redshift}: 0 <= low < high <= 20 is wanted")
        matrix = np.asarray(self.rotation, np.float64)
        if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6):
            raise InputError("rotation: an orthonormal 3x3 matrix is wanted, from the axes of the box to the sky's")
        region(self.where)

    @property
    def where(self) -> Mapping:
        """The region; the whole sky where none is given."""
        return self.region or {"full_sky": True}

    @property
    def distances(self) -> tuple[float, float]:
        """Nearest and farthest comoving distance [Mpc], margins included."""
        low, high = comoving_distance_64(self.cosmology, np.array(self.redshift))
        return max(low - MARGIN, 0.0), high + MARGIN

    @cached_property
    def time(self) -> CubicTable:
        """Cosmic time [Gyr] at which light that comes from a distance [Mpc] has left."""
        table = self.redshift_at
        radius = table.start + table.step * np.arange(len(table.values))
        time = age_64(self.cosmology, np.maximum(table(radius), 0.0))
        # dt/dr = -a / c
        slope = -1.0 / (1.0 + table.values) / (299792.458 * MPC_PER_GYR)
        return CubicTable(table.start, table.step, time, slope * table.step)

    @cached_property
    def redshift_at(self) -> CubicTable:
        """Redshift at a comoving distance [Mpc]."""
        return redshift_table(self.cosmology, self.redshift[1] + 0.1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Copies (n, 3) of which some part lies in the region and the range of redshift, nearest first."""
        near, far = self.distances
        most = int(np.ceil(far / self.box_size)) + 1
        all_of_them = np.array(list(product(range(-most, most + 1), repeat=3)))
        low = all_of_them * self.box_size - np.asarray(self.observer)  # corner nearest to the box's origin
        nearest = np.linalg.norm(np.clip(0.0, low, low + self.box_size), axis=-1)
        farthest = np.linalg.norm(np.maximum(np.abs(low), np.abs(low + self.box_size)), axis=-1)
        within = (nearest <= far) & (farthest >= near)
        chosen = all_of_them[within][np.argsort(nearest[within], kind="stable")]
        return chosen[[self._meets(offset) for offset in chosen]]

    def _meets(self, offset: np.ndarray) -> bool:
        """Whether a copy may reach into the region."""
        import healpy

        where = region(self.where)
        if isinstance(where, FullSky):
            return True
        centre = self.seen(np.full((1, 3), 0.5 * self.box_size), offset)[0]
        distance, radius = np.linalg.norm(centre), 0.5 * np.sqrt(3.0) * self.box_size + MARGIN
        if distance <= radius:
            return True
        disc = healpy.query_disc(2**COARSE, centre, np.arcsin(radius / distance), inclusive=True, nest=True)
        return bool(np.isin(disc, where.pixels(COARSE)).any())

    def seen(self, position: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Where positions (n, 3) of a copy of the box are seen, from the observer along the axes of the sky [Mpc]."""
        return self.turned(position + self.box_size * offset - np.asarray(self.observer))

    def turned(self, vector: np.ndarray) -> np.ndarray:
        """Vectors (n, 3) along the axes of the box, along those of the sky."""
        return vector @ np.asarray(self.rotation).T

    def number(self, offset: np.ndarray) -> int:
        """Number of a copy, the same for every region and range: 0 for the box itself, 6 bits an axis up to 31 away."""
        i, j, k = (int(2 * abs(n) - (n < 0)) for n in offset)  # 0, -1, 1, -2, .. -> 0, 1, 2, 3, ..
        if max(i, j, k) < 2**BITS:
            return (i << 2 * BITS) | (j << BITS) | k
        return 2 ** (3 * BITS) + ((i << 40) | (j << 20) | k)

    def keep(self, position: np.ndarray) -> np.ndarray:
        """Which positions (n, 3) lie in the region and the range of distances, or within a margin of them, bool."""
        near, far = self.distances
        radius = np.linalg.norm(position, axis=-1)
        inside = (radius >= near) & (radius <= far) & (radius > 0.0)
        where = region(self.where)
        if isinstance(where, FullSky) or not inside.any():
            return inside
        rows = np.flatnonzero(inside)
        inside[rows] = self._near_region(position[rows], radius[rows])
        return inside

    def _near_region(self, position: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Whether a direction is inside the region, or one of eight a margin away from it is."""
        where = region(self.where)
        ra = np.rad2deg(np.arctan2(position[:, 1], position[:, 0])) % 360.0
        dec = np.rad2deg(np.arctan2(position[:, 2], np.hypot(position[:, 0], position[:, 1])))
        angle = np.rad2deg(MARGIN / radius)
        near = where.inside(ra, dec)
        for east, north in product((-1, 0, 1), repeat=2):
            if (east, north) != (0, 0):
                at = np.clip(dec + north * angle, -90.0, 90.0)
                wide = np.minimum(angle / np.maximum(np.cos(np.deg2rad(dec)), 1e-3), 180.0)
                near |= where.inside((ra + east * wide) % 360.0, at)
        return near

    def crossing(self, position: np.ndarray, velocity: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Where and when halos that keep their comoving velocity cross the light cone.

        position (n, 3) [Mpc] as seen, velocity (n, 3) [km/s] peculiar, physical, at a cosmic time [Gyr]
        -> positions (n, 3) [Mpc] and times (n,) [Gyr] of crossing
        """
        scale = 1.0 / (1.0 + float(self.redshift_of_time(np.array([time]))[0]))
        drift = velocity * (MPC_PER_GYR / scale)
        at = position
        for _ in range(STEPS):
            when = self.time(np.linalg.norm(at, axis=-1))
            at = position + drift * (when - time)[:, None]
        return at, self.time(np.linalg.norm(at, axis=-1))

    def redshift_of_time(self, time: np.ndarray) -> np.ndarray:
        """Redshift at a cosmic time [Gyr], within the light cone's."""
        table = self.redshift_at
        radius = table.start + table.step * np.arange(len(table.values))
        return np.interp(time, self.time(radius)[::-1], table.values[::-1])

    @property
    def attributes(self) -> dict:
        """What a catalogue made with it says."""
        return {
            "box_size": self.box_size,
            "copies_of_the_box": len(self.offsets),
            "observer": list(self.observer),
            "rotation": [list(row) for row in self.rotation],
            "periodicity": f"structure repeats every {self.box_size:g} Mpc along the axes of the box",
            "footprint": [dict(self.where)],
            "cut": {"region": dict(self.where), "redshift": list(self.redshift)},
        }


def generic_rotation() -> tuple[tuple[float, ...], ...]:
    """A rotation whose axes point along no simple direction of the box: no line of sight meets its own copy soon.

    Euler angles of 1 / golden ratio, 1 / sqrt(2) and 1 rad about z, x and z; chosen, as any irrational ones would do.
    """
    a, b, c = 0.6180339887, 0.7071067812, 1.0

    def about_z(angle):
        return np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])

    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(b), -np.sin(b)], [0.0, np.sin(b), np.cos(b)]])
    return tuple(tuple(float(x) for x in row) for row in about_z(a) @ about_x @ about_z(c))
