"""A light cone completed: hosts that the simulation does not resolve, and satellites that it does not have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.recent import Recent
from diffsky_factory.inputs.simulations import synthetic_tables
from diffsky_factory.inputs.simulations.arrange import arrange, find_hosts
from diffsky_factory.inputs.simulations.completeness import NEAR, Completeness, Sample, completeness, factor, sample
from diffsky_factory.inputs.simulations.drawn_satellites import (
    SatelliteHosts,
    satellite_hosts,
    satellites_around,
)
from diffsky_factory.inputs.simulations.expected_hosts import ExpectedHosts, expected_hosts, mass_function_of
from diffsky_factory.inputs.simulations.stored import StoredHalos
from diffsky_factory.inputs.simulations.traced_field import CELL, TracedField
from diffsky_factory.inputs.simulations.unresolved_hosts import (
    SYNTHETIC_SATELLITES,
    Unresolved,
    UnresolvedHosts,
    unresolved,
    unresolved_hosts,
)
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.structure.abundance import LinearTheory, linear_theory
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import CubicTable
from diffsky_factory.sky.regions import FullSky, Region, region

LIGHTEST = 8.0  # dex(Msun), chosen: no mass function was fitted below
HEAVIEST = 15.5  # dex(Msun), chosen: tracers and completeness lie below
MARGIN = 0.05  # chosen: redshift by which satellites may lie beyond the farthest host
CONCENTRATIONS = 1.0, 100.0  # chosen: of NFW profiles
SatelliteSource = Literal["simulation", "subhalo_mass_function"]

ALWAYS = (
    *("halo_id", "host_halo_id", "is_central", "ra", "dec", "redshift", "redshift_obs"),
    *("x", "y", "z", "vx", "vy", "vz", "log10_halo_mass"),
)


class Completion(NamedTuple):
    """What is asked for beyond what a simulation has."""

    to: float | None = None  # Msun, of the least massive host
    above: float | None = None  # Msun, where the simulation is complete; as it says, or as is measured
    satellites: SatelliteSource = "simulation"
    seed: int = 0

    @property
    def wanted(self) -> bool:
        """Whether anything is."""
        return self.to is not None or self.satellites != "simulation"


NOTHING_MORE = Completion()


@dataclass(frozen=True, eq=False)
class CompletedHalos:
    """Halos of a light cone above its completeness, with synthetic ones below and around.

    Hosts below the completeness give way, with their satellites, to synthetic ones of the mass function, of mean
    density nbar(M, z) f(z) (1 + b(M, z) delta): delta is the overdensity that the complete hosts trace, f makes the
    mass function meet the simulation's above its completeness. docs/how-to/complete-a-simulation.md

    source : halos as they are, of the redshifts asked for, without a cut in mass
    least : dex(Msun), of the halos asked for; -inf for none
    """

    source: StoredHalos
    asked: Completion
    least: float = -np.inf
    _hosts: Recent = field(default_factory=lambda: Recent(2e8), repr=False)

    def __post_init__(self) -> None:
        name, to = self.source.name, self.asked.to
        if "footprint" not in self.source.table.attributes:
            raise InputError(f"{name}: does not say what part of the sky it covers; ingest it again, with a footprint")
        if to is not None and not LIGHTEST <= np.log10(to) <= HEAVIEST:
            raise InputError(f"complete_to = {to:g} Msun: must be 10^{LIGHTEST:g} to 10^{HEAVIEST:g}")
        if to is not None and np.log10(to) >= self.completeness.log10_mass:
            raise InputError(
                f"{name}: is complete to 10^{self.completeness.log10_mass:.2f} Msun ({self.completeness.how}); "
                f"complete_to = {to:.3g} Msun is above it, so there is nothing to complete: leave it out, or use "
                "halo_mass_min to have fewer halos"
            )
        if to is not None:
            _ = self._unresolved  # too few tracers are an error at once

    @property
    def cosmology(self) -> Cosmology:
        """That of the simulation."""
        return self.source.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """Those of the simulation that synthetic halos can have too, and `is_synthetic`."""
        kept = {name: kind for name, kind in self.source.columns.items() if name in ALWAYS or name in FILLED}
        return {**kept, "is_synthetic": np.bool_}

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host."""
        return self.source.redshift_range

    @property
    def default_region(self) -> dict[str, Any]:
        """All of the simulation."""
        return self.source.default_region

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        lost = sorted(set(self.source.columns) - set(self.columns))
        known = {
            **self.source.attributes,
            "log10_mass_complete": self.completeness.log10_mass,
            "log10_mass_complete_by": self.completeness.how,
            "satellites": self.asked.satellites,
        }
        if lost:
            known["columns_left_out"] = lost
        if self.asked.satellites != "simulation":
            known["log10_satellite_mass_min"] = self._least_satellite
        if self.asked.to is None:
            return known
        return {
            **known,
            "completed_to": float(np.log10(self.asked.to)),
            "completed_with": {
                "mass_function": self._mass_function,
                "factor": {"ln_1_plus_z": self._factor.log_z.tolist(), "of": self._factor.ratio.tolist()},
                "cell": CELL,
                "smoothing": self._field.smoothing,
                "tracers_per_mpc3": self._field.density,
            },
        }

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that hold halos or may, and overlap a region, ascending."""
        where, found = region(where), self.source.tiles(order, where)
        if self.asked.to is None:
            return found
        covered = [np.intersect1d(part.pixels(order), where.pixels(order)) for part in self.source.footprint]
        return np.unique(np.concatenate([found, *covered]))

    def area(self, where: Mapping | Region) -> float:
        """Area [deg^2] of the part of a region that the simulation covers."""
        return self.source.area(where)

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments; hosts are kept for the call that follows."""
        return len(self._joined(order, pixel, where)["halo_id"])

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`.

        halo_id, host_halo_id : the simulation's; of synthetic halos from 3 2^61 on
        is_synthetic : the halo is not the simulation's
        """
        return arrange(self._joined(order, pixel, where))

    def _joined(self, order: int, pixel: int, where: Mapping | Region | None) -> dict[str, np.ndarray]:
        """The simulation's halos, synthetic hosts, and satellites drawn around both."""
        parts = [self._resolved(self.source.chosen(order, pixel, where))]
        if self.asked.to is not None:
            hosts = self._hosts_of(order, pixel, where)
            keep = hosts.log10_mass >= self.least
            parts.append(self._filled(_host_columns(UnresolvedHosts(*(column[keep] for column in hosts)))))
        if self.asked.satellites != "simulation":
            parts += [self._filled(self._satellites(rows)) for rows in list(parts)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.columns}

    def _hosts_of(self, order: int, pixel: int, where: Mapping | Region | None) -> UnresolvedHosts:
        area = FullSky() if where is None else region(where)
        make = partial(unresolved_hosts, self._unresolved, order, pixel, area, self.redshift_range)
        return self._hosts.get((order, pixel, area), make)

    def _resolved(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The simulation's halos that stay: by default all; hosts above the completeness with what is in them."""
        mass, complete = rows["log10_halo_mass"], self.completeness.log10_mass
        host = find_hosts(rows["halo_id"], rows["host_halo_id"], rows["is_central"]).row
        keep = (mass >= self.least) & (mass[host] >= self.least)
        if self.asked.to is not None:
            keep &= (mass[host] >= complete) & (mass >= np.log10(self.asked.to))
        if self.asked.satellites != "simulation":
            keep &= rows["is_central"] | (mass >= complete)
        kept = {name: rows[name][keep] for name in self.columns if name in rows}
        return {**kept, "is_synthetic": np.zeros(np.count_nonzero(keep), bool)}

    def _satellites(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Satellites of the hosts among some rows; where the simulation has its own, those below its completeness."""
        hosts = {name: values[rows["is_central"]] for name, values in rows.items()}
        mean = self._satellite_tables.mean_number(hosts["log10_halo_mass"])
        number = counters.poisson(mean, counters.uniform(self.asked.seed, "satellite number", hosts["halo_id"]))
        host = np.repeat(np.arange(len(number)), number)
        rank = np.arange(len(host)) - np.repeat(np.cumsum(number) - number, number)
        halo_id = satellite_ids(hosts["halo_id"][host], rank)
        around = self._satellite_hosts(hosts)
        found = satellites_around(self.asked.seed, self._satellite_tables, around, host, halo_id, self._least_satellite)
        keep = np.ones(len(host), bool)
        if self._sample.has_satellites:
            keep = hosts["is_synthetic"][host] | (found.log10_mass < self.completeness.log10_mass)
        host, halo_id = host[keep], halo_id[keep]
        position = np.stack([hosts[axis][host] for axis in "xyz"], axis=-1) + found.offset[keep]
        velocity = np.stack([hosts[f"v{axis}"][host] for axis in "xyz"], axis=-1) + found.velocity[keep]
        ra, dec, distance = coordinates.sky(position) if len(position) else (np.empty(0),) * 3
        redshift = self._distances.redshift(distance)
        is_host = np.zeros(len(host), bool)
        ids = (halo_id, hosts["halo_id"][host], is_host)
        return _columns(*ids, ra, dec, redshift, position, velocity, found.log10_mass[keep])

    def _satellite_hosts(self, hosts: Mapping[str, np.ndarray]) -> SatelliteHosts:
        """Hosts of their own concentration where the simulation knows the scale radius, else of the median."""
        redshift = hosts["redshift"]
        rate = self._distances.hubble(redshift)
        median = satellite_hosts(self.cosmology, hosts["log10_halo_mass"], redshift, rate)
        if "halo_scale_radius" not in hosts:
            return median
        own = median.virial_radius * (1.0 + redshift) / np.maximum(hosts["halo_scale_radius"], 1e-9)
        known = ~hosts["is_synthetic"] & (hosts["halo_scale_radius"] > 0.0)
        return median._replace(concentration=np.where(known, np.clip(own, *CONCENTRATIONS), median.concentration))

    def _filled(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Rows of synthetic halos with all columns."""
        made = {name: FILLED[name](self, rows) for name in self.columns if name in FILLED}
        columns = {**rows, **made, "is_synthetic": np.ones(len(rows["halo_id"]), bool)}
        return {name: np.asarray(columns[name], kind) for name, kind in self.columns.items()}

    @cached_property
    def completeness(self) -> Completeness:
        """The mass to which the simulation is complete, and how that is known."""
        if self.asked.above is not None:
            return Completeness(float(np.log10(self.asked.above)), "asked for")
        return completeness(self.source.table.attributes, self._sample, self._expected, self.cosmology)

    @cached_property
    def _sample(self) -> Sample:
        found = sample(self.source)
        if not len(found.redshift):
            raise InputError(f"{self.source.name}: has no hosts in what it says it covers; is its footprint right?")
        return found

    @cached_property
    def _theory(self) -> LinearTheory:
        return linear_theory(self.cosmology)

    @property
    def _mass_function(self) -> str:
        return mass_function_of(self.source.table.attributes.get("mass_definition", ""))

    @cached_property
    def _expected(self) -> ExpectedHosts:
        lowest = max(float(self._sample.log10_mass.min()), LIGHTEST)
        if self.asked.to is not None:
            lowest = min(lowest, float(np.log10(self.asked.to)))
        return expected_hosts(self._theory, self._mass_function, self.source.covered_redshift, lowest)

    @cached_property
    def _factor(self):
        lowest = self.completeness.log10_mass
        return factor(self._sample, self._expected, self.cosmology, (lowest, lowest + NEAR))

    @cached_property
    def _field(self) -> TracedField:
        expected, lowest = self._expected, self.completeness.log10_mass
        traced = factor(self._sample, expected, self.cosmology, (lowest, synthetic_tables.HIGHEST_MASS), power=1)
        first, second = (expected.between(lowest, synthetic_tables.HIGHEST_MASS, power) for power in (1, 2))
        number = expected.between(lowest, synthetic_tables.HIGHEST_MASS)
        z = np.expm1(expected.log_z)
        return TracedField(
            source=self.source,
            log10_mass_complete=lowest,
            bias_at=expected.bias_at,
            expected=_between_rows(expected, first * traced(z)),
            effective_bias=_between_rows(expected, second / first),
            redshift_at=self._redshift_at,
            density=float(np.mean(number * traced(z))),
            speed=self._sample.speed,
        )

    @cached_property
    def _unresolved(self) -> Unresolved:
        between = float(np.log10(self.asked.to)), self.completeness.log10_mass
        return unresolved(self.asked.seed, self._field, self._expected, self._factor, between)

    @cached_property
    def _distances(self) -> synthetic_tables.Distances:
        return synthetic_tables.distances(self._theory, self.source.covered_redshift[1] + MARGIN)

    @property
    def _redshift_at(self) -> CubicTable:
        return self._distances.redshift

    @property
    def _least_satellite(self) -> float:
        """Least mass of drawn satellites: as asked for, or the completeness."""
        to = self.completeness.log10_mass if self.asked.to is None else float(np.log10(self.asked.to))
        return max(to, self.least) if self.asked.to is not None or np.isneginf(self.least) else self.least

    @cached_property
    def _satellite_tables(self) -> synthetic_tables.SatelliteTables:
        return synthetic_tables.satellite_tables(SubhaloMassFunctionParameters(), self._least_satellite)


def satellite_ids(host_id: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Ids of satellites by the host's and the rank in it: 60 bits of a hash, of which two of n agree by n^2 / 2^61."""
    word = counters.mixed(host_id.astype(np.uint64) * counters.GOLDEN)
    word = counters.mixed(word + (rank.astype(np.uint64) + np.uint64(1)) * counters.GOLDEN)
    return SYNTHETIC_SATELLITES + (word >> np.uint64(4)).astype(np.int64)


def _between_rows(expected: ExpectedHosts, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda redshift: expected.per_row(values, redshift)


def _host_columns(hosts: UnresolvedHosts) -> dict[str, np.ndarray]:
    central = np.ones(len(hosts.halo_id), bool)
    return _columns(hosts.halo_id, hosts.halo_id, central, *hosts[1:])


def _columns(halo_id, host_halo_id, is_central, ra, dec, redshift, position, velocity, mass) -> dict[str, np.ndarray]:
    """Columns that all halos have."""
    return {
        "halo_id": halo_id,
        "host_halo_id": host_halo_id,
        "is_central": is_central,
        "ra": ra,
        "dec": dec,
        "redshift": redshift,
        "redshift_obs": coordinates.observed_redshift(redshift, _line_of_sight(position, velocity)),
        **dict(zip("xyz", position.T, strict=True)),
        **dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)),
        "log10_halo_mass": mass,
    }


def _line_of_sight(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    return coordinates.line_of_sight_velocity(position, velocity) if len(position) else np.empty(0)


def _median_scale_radius(known: CompletedHalos, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Scale radius [comoving Mpc] of the median concentration."""
    rate = known._distances.hubble(rows["redshift"])
    hosts = satellite_hosts(known.cosmology, rows["log10_halo_mass"], rows["redshift"], rate)
    return hosts.virial_radius * (1.0 + rows["redshift"]) / hosts.concentration


def _no_fit(known: CompletedHalos, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.tile(np.array(HaloGrowth(), np.float64), (len(rows["halo_id"]), 1))


FILLED: dict[str, Callable[[CompletedHalos, Mapping[str, np.ndarray]], np.ndarray]] = {
    "host_in_catalog": lambda known, rows: np.ones(len(rows["halo_id"]), bool),
    "simulation_halo_id": lambda known, rows: np.full(len(rows["halo_id"]), -1, np.int64),
    "penultimate_host_halo_id": lambda known, rows: rows["host_halo_id"],
    "has_mah_fit": lambda known, rows: np.zeros(len(rows["halo_id"]), bool),
    "fitted_mah_parameters": _no_fit,
    "log10_halo_mass_now": lambda known, rows: rows["log10_halo_mass"],
    "halo_scale_radius": _median_scale_radius,
}
"""What synthetic halos have in columns of a simulation; a column that is neither here nor always there is left out."""
