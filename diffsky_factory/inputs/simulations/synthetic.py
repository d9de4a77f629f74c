"""The embedded universe: halos of any part of the sky from the mass functions, without a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.simulations import synthetic_tables
from diffsky_factory.inputs.simulations.arrange import arrange
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import Region, region

PLANCK_2015 = Cosmology()
SMDPL_HOSTS = HaloMassFunctionParameters()
SMDPL_SUBHALOS = SubhaloMassFunctionParameters()
CELL_ORDER = 8  # chosen: cells of 0.05 deg^2, a few thousand halos each; ids and draws belong to the cell
IDS_PER_CELL = 2**32
DEFAULT_REGION = {"order": 5, "pixels": (5461,)}
SUB_PIXELS = 4 ** (tiles.FINEST - CELL_ORDER)

COLUMNS = {
    "halo_id": np.int64,
    "host_halo_id": np.int64,
    "is_central": np.bool_,
    **dict.fromkeys(("ra", "dec", "redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
}


class Hosts(NamedTuple):
    """What decides how many rows a cell has, and how far its hosts are."""

    redshift: np.ndarray
    distance: np.ndarray  # comoving Mpc
    log10_mass: np.ndarray
    satellites: np.ndarray  # number of each host, int64


@dataclass(frozen=True)
class Synthetic:
    """Hosts on the light cone from the mass function, satellites from the subhalo mass function; unclustered.

    The sky is generated in cells of HEALPix order 8, each from its own counter-based streams of random numbers, so
    a tile is the same, bit for bit, alone or in any run. Hosts are independent of each other: there is no large-scale
    structure, only the clustering of satellites around their host.
    """

    cosmology: Cosmology = PLANCK_2015
    mass_function: HaloMassFunctionParameters = SMDPL_HOSTS
    subhalo_mass_function: SubhaloMassFunctionParameters = SMDPL_SUBHALOS
    log10_mass_min: float = 11.0  # dex(Msun), of hosts and satellites
    redshift_min: float = 0.01  # chosen: nearer, peculiar velocities rival the expansion
    redshift_max: float = 2.0
    seed: int = 0
    host_velocity_dispersion: float = 300.0  # km/s per axis, chosen: about the rms of linear theory at z = 0

    def __post_init__(self):
        low, high = self.redshift_min, self.redshift_max
        _require(0.0 < low < high <= 15.0, "redshift_min, redshift_max", (low, high), "0 < min < max <= 15")
        _require(8.0 <= self.log10_mass_min <= 15.5, "log10_mass_min", self.log10_mass_min, "8 to 15.5 dex(Msun)")
        _require(0 <= self.seed < 2**64, "seed", self.seed, "0 to 2^64 - 1")
        _require(self.host_velocity_dispersion >= 0.0, "host_velocity_dispersion", "negative", "0 km/s or more")
        synthetic_tables.check_mass_function(self)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Synthetic":
        """From plain options, as recipes write them; parameters and cosmology as mappings of names to numbers.

        Raises InputError for an unknown name, with those that are like it.
        """
        _known(options, [field.name for field in fields(cls)], "option of the synthetic universe")
        values = dict(options)
        for field in fields(cls):
            if isinstance(values.get(field.name), Mapping):
                kind = type(field.default)
                _known(values[field.name], kind._fields, field.name)
                values[field.name] = kind(**{name: float(x) for name, x in values[field.name].items()})
        return cls(**values)

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host."""
        return self.redshift_min, self.redshift_max

    @property
    def default_region(self) -> dict[str, Any]:
        """Where nothing else is said: one pixel of 3.4 deg^2 on the equator."""
        return dict(DEFAULT_REGION)

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        return {
            "name": "synthetic",
            "mass_definition": "largest virial mass so far of the main progenitor (Bryan & Norman 1998), as in SMDPL",
            "log10_halo_mass_min": float(self.log10_mass_min),
            "seed": int(self.seed),
            "clustering": "none between hosts",
        }

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return dict(COLUMNS)

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that overlap a region, ascending."""
        return region(where).pixels(order)

    def area(self, where: Mapping | Region) -> float:
        """Area of a region [deg^2], exact."""
        return float(region(where).area)

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments, exactly, from the masses of the hosts alone.

        Their positions are needed too in cells at the rim of a region, or of a pixel smaller than a cell.
        """
        number, area = 0, _region(where)
        for cell in _cells(order, pixel):
            hosts = self._hosts(cell)
            keep = self._keep(cell, len(hosts.redshift), order, pixel, area)
            number += int(np.count_nonzero(keep) + hosts.satellites[keep].sum())
        return number

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`.

        halo_id, host_halo_id : cell * 2^32 + a counter from 1 within the cell, hosts first
        ra, dec : deg; redshift : 1, cosmological, of each halo's own position
        redshift_obs : 1, with the line-of-sight velocity
        x, y, z : Mpc, comoving; vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun), largest mass of the main progenitor so far
        host_row : row of the central in these arrays
        Satellites may lie beyond redshift_min, redshift_max or the pixel by a virial radius: groups stay whole.
        """
        parts, area = [], _region(where)
        for cell in _cells(order, pixel):
            hosts = self._hosts(cell)
            keep = self._keep(cell, len(hosts.redshift), order, pixel, area)
            if keep.any():
                parts.append(self._halos_of_cell(cell, hosts, keep))
        if not parts:
            return arrange({name: np.empty(0, kind) for name, kind in COLUMNS.items()})
        return arrange({name: np.concatenate([part[name] for part in parts]) for name in COLUMNS})

    def _stream(self, cell: int, name: str) -> np.random.Generator:
        """Random numbers of one kind for one cell, from its own key: no draw shifts another."""
        key = np.array([self.seed, (cell << 32) | crc32(name.encode())], np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def _hosts(self, cell: int) -> Hosts:
        """The hosts of a cell, Poisson in number, by inverse distributions of redshift and of mass given redshift."""
        tables = _tables(self)
        number = self._stream(cell, "host_number").poisson(tables.mean_hosts)
        share = self._stream(cell, "host_redshift").random(number)
        # a shell is filled evenly in volume, which also is exact in the nearest one
        distance = np.cbrt(np.interp(share, tables.share, tables.volume))
        redshift = tables.redshift(distance)
        mass = tables.mass(redshift, 1.0 - self._stream(cell, "host_mass").random(number))
        mean = np.interp(mass, tables.host_mass, tables.mean_satellites)
        return Hosts(redshift, distance, mass, self._stream(cell, "satellite_number").poisson(mean))

    def _sky(self, cell: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """ra, dec [deg] of the hosts of a cell: centres of order-29 pixels of the cell, all alike in area."""
        within = self._stream(cell, "host_position").integers(0, SUB_PIXELS, number)
        return tiles.centres(cell * SUB_PIXELS + within, tiles.FINEST)

    def _keep(self, cell: int, number: int, order: int, pixel: int, area: Region | None) -> np.ndarray:
        """Which of the hosts of a cell lie in the pixel and the region, bool."""
        keep = np.ones(number, bool)
        rim = area is not None and not area.covers(CELL_ORDER, cell)
        if order > CELL_ORDER or rim:
            ra, dec = self._sky(cell, number)
            if order > CELL_ORDER:
                keep &= tiles.pixel(ra, dec, order) == pixel
            if rim:
                keep &= area.inside(ra, dec)
        return keep

    def _halos_of_cell(self, cell: int, hosts: Hosts, keep: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the hosts of a cell that are kept, then of their satellites.

        All of the cell are drawn, so that a halo does not depend on which others are kept.
        """
        number = len(hosts.redshift)
        host = np.repeat(np.arange(number), hosts.satellites)  # of each satellite
        ra, dec = self._sky(cell, number)
        position = coordinates.cartesian(ra, dec, hosts.distance)
        velocity = self.host_velocity_dispersion * self._stream(cell, "host_velocity").standard_normal((number, 3))
        mass, offset, kick = self._satellites(cell, hosts, host)
        ra_satellite, dec_satellite, distance = coordinates.sky(position[host] + offset)
        redshift = np.concatenate([hosts.redshift, _tables(self).redshift(distance)])
        position = np.concatenate([position, position[host] + offset])
        velocity = np.concatenate([velocity, velocity[host] + kick])
        halo_id = np.int64(cell) * IDS_PER_CELL + 1 + np.arange(number + len(host), dtype=np.int64)
        columns = {
            "halo_id": halo_id,
            "host_halo_id": np.concatenate([halo_id[:number], halo_id[host]]),
            "is_central": np.arange(len(halo_id)) < number,
            "ra": np.concatenate([ra, ra_satellite]),
            "dec": np.concatenate([dec, dec_satellite]),
            "redshift": redshift,
            "redshift_obs": coordinates.observed_redshift(
                redshift, coordinates.line_of_sight_velocity(position, velocity)
            ),
            **dict(zip("xyz", position.T, strict=True)),
            **dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)),
            "log10_halo_mass": np.concatenate([hosts.log10_mass, mass]),
        }
        keep = np.concatenate([keep, keep[host]])
        return columns if keep.all() else {name: values[keep] for name, values in columns.items()}

    def _satellites(self, cell: int, hosts: Hosts, host: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mass [dex(Msun)], offset from the host [comoving Mpc] (n, 3) and velocity relative to it [km/s] (n, 3)."""
        number, tables = len(host), _tables(self)
        redshift, host_mass = hosts.redshift[host], hosts.log10_mass[host]
        ratio = tables.ratio(host_mass, 1.0 - self._stream(cell, "satellite_mass").random(number))
        mass = np.clip(host_mass + ratio, self.log10_mass_min, host_mass)

        hubble_ratio = np.interp(redshift, tables.grid_redshift, tables.hubble_ratio)
        omega_matter = self.cosmology.Om0 * (1.0 + redshift) ** 3 / hubble_ratio**2
        virial = satellites.virial_radius(host_mass, hubble_ratio, omega_matter, self.cosmology.h)
        concentration = satellites.concentration(host_mass, redshift, self.cosmology.h)
        depth, cosine, angle = self._stream(cell, "satellite_position").random((3, number))
        radius = virial * (1.0 + redshift) * satellites.nfw_radius(depth, concentration)
        direction = _unit_vectors(2.0 * cosine - 1.0, 2.0 * np.pi * angle)

        dispersion = satellites.velocity_dispersion(host_mass, virial)
        kick = self._stream(cell, "satellite_velocity").standard_normal((number, 3))
        return mass, radius[:, None] * direction, dispersion[:, None] * kick


@lru_cache(maxsize=8)
def _tables(universe: Synthetic) -> synthetic_tables.Tables:
    """The look-ups of a universe: once per process, so that a universe stays small to send to a worker."""
    return synthetic_tables.build(universe, 4.0 * np.pi / (12 * 4**CELL_ORDER))


def _region(where: Mapping | Region | None) -> Region | None:
    """The region given, if there is one."""
    return None if where is None else region(where)


def _cells(order: int, pixel: int) -> np.ndarray:
    """Generation cells of a pixel: those inside it, or the one that holds it."""
    if not (0 <= order <= tiles.FINEST and 0 <= pixel < 12 * 4**order):
        raise InputError(f"no pixel {pixel} at HEALPix order {order}: 0 to {12 * 4**order - 1}")
    if order <= CELL_ORDER:
        return tiles.finer(int(pixel), order, CELL_ORDER)
    return tiles.coarser(np.array([pixel]), order, CELL_ORDER)


def _unit_vectors(cosine: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Directions (n, 3) from the cosine of the polar angle and the azimuth [rad]."""
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1)


def _known(given: Mapping, names, what: str) -> None:
    """Refuse a name that is not among the known ones, with those that are like it."""
    for name in given:
        if name not in names:
            near = get_close_matches(str(name), names, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(names)}"
            raise InputError(f"'{name}' is no {what}: {hint}")


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise InputError(f"{name} = {value}: must be {wanted}")
