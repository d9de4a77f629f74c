"""The embedded universe: halos of any part of the sky, clustered as they should be, without a file."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.halos import synthetic
from diffsky_factory.halos.synthetic import matter as synthetic_matter
from diffsky_factory.halos.synthetic import patches as synthetic_patches
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic import tables as synthetic_tables
from diffsky_factory.halos.synthetic.arranged import COLUMNS, halos_of_patch
from diffsky_factory.halos.synthetic.structure import Structure
from diffsky_factory.halos.synthetic.tables import HostTables
from diffsky_factory.physics import halos, structure
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.structure import abundance
from diffsky_factory.physics.structure.power import POWER_SPECTRA
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64, redshift_at_distance_64
from diffsky_factory.sky.cosmology_check import checked_cosmology
from diffsky_factory.sky.regions import FullSky, Region, region, share_inside
from diffsky_factory.sky.spaces import Sky

PLANCK_2015 = Cosmology()
SMDPL_SUBHALOS = SubhaloMassFunctionParameters()
DEFAULT_REGION = {"order": 5, "pixels": (5461,)}
PATCH_ORDER = 4  # chosen: halos are made for 13 deg^2 at once, or less where fewer are asked for or there are many
PATCH_FINER = 2  # chosen: orders by which a patch is coarser than the tile it is made for, so that tiles share it
MOST_HOSTS = 1.5e6  # chosen: in a patch, 200 MB
MARGIN = 0.12  # chosen: redshift by which hosts may come from beyond, or satellites lie beyond, the farthest host
REACH = 100.0  # Mpc, chosen: more than anything moves
SHELLS = 512  # chosen: of the integral over redshift of mean numbers


@dataclass(frozen=True)
class Synthetic:
    """Halos on the light cone of a universe with large-scale structure.

    Waves of linear theory move matter to second order; hosts are drawn from the density field, so that their mass
    function and their bias on large scales are those asked for; satellites follow the subhalo mass function. All
    follows from the seed in fixed chunks of space, and a halo's random numbers from its id: a tile is the same, bit
    for bit, alone or in any run. docs/explanation/synthetic-universe.md
    """

    cosmology: Cosmology = PLANCK_2015
    power_spectrum: str = "eisenstein98"
    mass_function: str | HaloMassFunctionParameters = "smdpl"
    subhalo_mass_function: SubhaloMassFunctionParameters = SMDPL_SUBHALOS
    log10_mass_min: float = 11.0  # dex(Msun), of hosts and satellites
    redshift_min: float = 0.01  # chosen: nearer, peculiar velocities rival the expansion
    redshift_max: float = 2.0
    seed: int = 0
    cell: float = 8.0  # Mpc, chosen: of the lattice of waves; halos are not clustered on smaller scales, but for groups
    unresolved_velocity: bool = True  # of waves shorter than the cell
    f_nl: float = 0.0  # of the primordial potential, phi + f_nl (phi^2 - <phi^2>)

    def __post_init__(self):
        checked_cosmology(self.cosmology, "the synthetic universe")
        low, high = self.redshift_min, self.redshift_max
        _require(0.0 < low < high <= 15.0, "redshift_min, redshift_max", (low, high), "0 < min < max <= 15")
        _require(8.0 <= self.log10_mass_min <= 15.5, "log10_mass_min", self.log10_mass_min, "8 to 15.5 dex(Msun)")
        _require(0 <= self.seed < 2**64, "seed", self.seed, "0 to 2^64 - 1")
        _require(4.0 <= self.cell <= 12.0, "cell", self.cell, "4 to 12 Mpc")
        _require(
            self.power_spectrum in POWER_SPECTRA, "power_spectrum", self.power_spectrum, " or ".join(POWER_SPECTRA)
        )
        _require(abs(self.f_nl) <= 5000.0, "f_nl", self.f_nl, "-5000 to 5000")
        abundance.mass_function(self.mass_function)
        _mean_numbers(self)  # refuses a mass function beyond its range

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Synthetic":
        """The universe of options as recipes write them: parameters and cosmology are mappings of names to numbers.

        Raises InputError for an unknown name, with those that are like it.
        """
        _check_names(options, [field.name for field in fields(cls)], "option of the synthetic universe")
        hints, values = get_type_hints(cls), dict(options)
        for name, value in options.items():
            if isinstance(value, Mapping):
                kinds = [kind for kind in (hints[name], *get_args(hints[name])) if hasattr(kind, "_fields")]
                _require(bool(kinds), name, dict(value), "a plain value")
                _check_names(value, kinds[0]._fields, name)
                values[name] = kinds[0](**{each: float(x) for each, x in value.items()})
        return cls(**values)

    @property
    def drawn_from(self) -> tuple[Any, ...]:
        """All that its halos follow from: its fields, and the code and the library that draw them."""
        return (repr(self), np.__version__, *_code())

    @property
    def space(self) -> Sky:
        """The sky."""
        return Sky()

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
            "mass_definition": abundance.mass_definition(self.mass_function),
            "log10_halo_mass_min": float(self.log10_mass_min),
            "seed": int(self.seed),
            "clustering": f"waves in cells of {self.cell:g} Mpc, moved to second order, bias by Tinker et al. 2010",
            "power_spectrum": self.power_spectrum,
            "f_nl": float(self.f_nl),
        }

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return dict(COLUMNS)

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that overlap a region, ascending."""
        return region(where).pixels(order)

    def extent(self, where: Mapping | Region) -> float:
        """Area of a region [deg^2], exact."""
        return float(region(where).area)

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments, exactly; all hosts are made for it."""
        return sum(len(part.halo_id) + int(part.satellites.sum()) for part in self._parts(order, pixel, where))

    def expected_count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> float:
        """Mean of `count` over seeds, from the mass functions and the area alone: no halo is made."""
        _check_pixel(order, pixel)
        area = _region(where)
        share = 1.0 if isinstance(area, FullSky) else share_inside(order, pixel, [area])
        return float(sum(_mean_numbers(self)) * np.deg2rad(1.0) ** 2 * tiles.pixel_area(order) * share)

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`.

        halo_id, host_halo_id : chunk * 2^32 + block * 2^23 + a counter from 1 within the block, hosts first; chunk and
            block are those of the host in the initial conditions
        ra, dec : deg; redshift : 1, cosmological, of each halo's own position
        redshift_obs : 1, with the line-of-sight velocity
        x, y, z : Mpc, comoving; vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun), largest mass of the main progenitor so far
        environment : 1, linear overdensity where the host formed, a unit normal among hosts of its mass and redshift
        halo_minor_axis : 1, (n, 3), of the halo in which its satellites live; zeros for satellites
        satellite_radius_score : 1, distance from the host, a unit normal among the satellites of any host; 0 for hosts
        host_row : row of the central in these arrays
        Satellites may lie beyond redshift_min, redshift_max or the pixel by a virial radius: groups stay whole.
        """
        known = _structure(self)
        return halos_of_patch(known, synthetic_patches.joined(self._parts(order, pixel, where)), self.log10_mass_min)

    def cube(self, redshift: float, corner: tuple[int, int, int], chunks: int) -> dict[str, np.ndarray]:
        """Hosts at one redshift from a cube of chunks^3 chunks, the first at a corner, -512 to 511 along each axis.

        Columns as of `halos` where they have a meaning without an observer. Hosts belong to the chunk they come from:
        near the faces of the cube some have moved out, and none has come in.
        """
        known, tables = _structure(self), tables_at(self, float(redshift), _structure(self).sigma)
        found = []
        for place in np.ndindex((chunks,) * 3):
            cells = synthetic_structure.cells_at_redshift(known, tuple(np.add(corner, place)), redshift)
            every = np.ones(synthetic_structure.BLOCKS**3, bool)
            found.append(synthetic_structure.hosts(known, tables, cells, every, lambda x: np.ones(len(x), bool)))
        joined = synthetic_structure.Hosts(*(np.concatenate(column) for column in zip(*found)))
        return {
            "halo_id": joined.halo_id,
            **dict(zip("xyz", joined.position.T)),
            **dict(zip(("vx", "vy", "vz"), joined.velocity.T)),
            "log10_halo_mass": joined.log10_mass,
            "environment": joined.environment,
        }

    def matter_shells(
        self, edges_in_redshift: Sequence[float], nside: int, where: Mapping | Region | None = None
    ) -> synthetic_matter.MatterShells:
        """Overdensity of the matter that halos move with, in shells of redshift up to redshift_max, on HEALPix maps."""
        if max(edges_in_redshift) > self.redshift_max:
            raise InputError(f"a shell ends at {max(edges_in_redshift)}, beyond redshift_max = {self.redshift_max}")
        return synthetic_matter.matter_shells(_structure(self), edges_in_redshift, nside, _region(where))

    def _parts(self, order: int, pixel: int, where: Mapping | Region | None) -> list[synthetic_patches.Patch]:
        """Hosts of a tile, in one part or, where it is wider than a patch, in several."""
        _check_pixel(order, pixel)
        area, known, widest = _region(where), _structure(self), _patch_order(self)
        if order < widest:
            patches, wide = tiles.finer(pixel, order, widest), widest
            if not isinstance(area, FullSky):
                patches = np.intersect1d(patches, area.pixels(widest))
        else:
            wide = max(widest, order - PATCH_FINER)
            patches = tiles.coarser(np.array([pixel]), order, wide)
        found = (synthetic_patches.patch(self, known, wide, int(one), area, self.redshift_range) for one in patches)
        return [part if order <= wide else part.part(order, pixel) for part in found]


@cache
def _code() -> tuple[Path, ...]:
    """Files whose change may make other halos."""
    folders = (Path(package.__path__[0]) for package in (synthetic, structure, halos))
    return (*(file for folder in folders for file in sorted(folder.glob("*.py"))), Path(counters.__file__))


@lru_cache(maxsize=4)
def _structure(universe: Synthetic) -> Structure:
    """What the hosts of a universe follow from; made once per process, so that a universe is small to send."""
    return structure_of(universe, lambda sigma: _tables(universe, _drawn_between(universe), sigma))


def structure_of(universe: Synthetic, hosts_of: Callable[[float], HostTables], period: int = 0) -> Structure:
    """The structure of a universe; hosts_of makes tables of hosts from the rms of the overdensity.

    period : chunks along a periodic box; 0 for an endless universe
    """
    theory = _theory(universe)
    return synthetic_structure.structure(
        seed=universe.seed,
        cell=universe.cell,
        period=period,
        unresolved=universe.unresolved_velocity,
        f_nl=float(universe.f_nl),
        theory=theory,
        farther=synthetic_tables.distances(theory, universe.redshift_max + MARGIN),
        hosts_of=hosts_of,
        satellites=synthetic_tables.satellite_tables(universe.subhalo_mass_function, universe.log10_mass_min),
    )


@lru_cache(maxsize=16)
def _theory_of(cosmology: Cosmology, model: str) -> abundance.LinearTheory:
    return abundance.linear_theory(cosmology, model)


def _theory(universe: Synthetic) -> abundance.LinearTheory:
    return _theory_of(universe.cosmology, universe.power_spectrum)


def _tables(universe: Synthetic, redshift: tuple[float, float], sigma: float) -> HostTables:
    kind = abundance.mass_function(universe.mass_function)
    return synthetic_tables.host_tables(_theory(universe), kind, universe.log10_mass_min, redshift, sigma)


@lru_cache(maxsize=4)
def tables_at(universe: Synthetic, redshift: float, sigma: float) -> HostTables:
    """Tables of hosts at one redshift, of the rms of the overdensity today."""
    return _tables(universe, (max(redshift - 0.01, 0.0), redshift + 0.01), sigma)


def densities_at(universe: Synthetic, redshift: float) -> tuple[float, float]:
    """Mean number of hosts, and of satellites, per Mpc^3 at a redshift."""
    kind, at = abundance.mass_function(universe.mass_function), np.array([redshift])
    found = synthetic_tables.mean_densities(
        _theory(universe), kind, universe.subhalo_mass_function, universe.log10_mass_min, at
    )
    hosts, satellites = (float(one[0]) for one in found)
    return hosts, satellites


def _drawn_between(universe: Synthetic) -> tuple[float, float]:
    """Redshifts between which hosts start that are seen between the lowest and the highest."""
    c = universe.cosmology
    near = max(comoving_distance_64(c, universe.redshift_min) - REACH, 0.0)
    far = comoving_distance_64(c, universe.redshift_max) + REACH
    return float(redshift_at_distance_64(c, near)), float(redshift_at_distance_64(c, far))


@lru_cache(maxsize=16)
def _mean_numbers(universe: Synthetic) -> tuple[float, float]:
    """Mean number of hosts and of satellites per steradian."""
    z = np.linspace(universe.redshift_min, universe.redshift_max, SHELLS + 1)
    volume = np.diff(comoving_distance_64(universe.cosmology, z) ** 3) / 3.0
    log_z, means = _mean_densities(universe)
    middle = np.log1p(0.5 * (z[1:] + z[:-1]))
    hosts, satellites = (
        float(np.sum(volume * np.exp(np.interp(middle, log_z, np.log(np.maximum(mean, 1e-300)))))) for mean in means
    )
    return hosts, satellites


def _mean_densities(universe: Synthetic) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """ln(1 + z), and hosts and satellites per Mpc^3."""
    kind = abundance.mass_function(universe.mass_function)
    log_z = synthetic_tables.rows_between(_drawn_between(universe))
    return log_z, synthetic_tables.mean_densities(
        _theory(universe), kind, universe.subhalo_mass_function, universe.log10_mass_min, np.expm1(log_z)
    )


def _patch_order(universe: Synthetic) -> int:
    """Order of the patches in which hosts are made, such that none has too many."""
    hosts = _mean_numbers(universe)[0] * np.deg2rad(1.0) ** 2
    order = PATCH_ORDER
    while hosts * tiles.pixel_area(order) > MOST_HOSTS:
        order += 1
    return order


def _region(where: Mapping | Region | None) -> Region:
    """The region given, or the whole sky."""
    return FullSky() if where is None else region(where)


def _check_pixel(order: int, pixel: int) -> None:
    if not (0 <= order <= tiles.FINEST and 0 <= pixel < 12 * 4**order):
        raise InputError(f"no pixel {pixel} at HEALPix order {order}: 0 to {12 * 4**order - 1}")


def _check_names(given: Mapping, names: Collection[str], what: str) -> None:
    """Refuse a name that is not among some, with those that are like it."""
    for name in given:
        if name not in names:
            raise InputError(f"'{name}' is no {what}; {near(name, names)}")


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise InputError(f"{name} = {value}: must be {wanted}")
