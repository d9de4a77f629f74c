"""A light cone completed: hosts that the simulation does not resolve, and satellites that it does not have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.recent import Recent
from diffsky_factory.halos.completion.added_satellites import AddedSatellites, added_satellites
from diffsky_factory.halos.completion.completeness import (
    NEAR,
    Completeness,
    Factor,
    Sample,
    completeness,
    factor,
    sample,
)
from diffsky_factory.halos.completion.expected_hosts import ExpectedHosts, expected_hosts, mass_function_of
from diffsky_factory.halos.completion.traced_field import CELL, TracedField
from diffsky_factory.halos.completion.unresolved_hosts import Unresolved, unresolved, unresolved_hosts
from diffsky_factory.halos.gathered.stored import StoredHalos, with_first_hosts
from diffsky_factory.halos.synthetic import tables as synthetic_tables
from diffsky_factory.halos.synthetic.columns import Universe, columns_of, filled, kept_columns
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.structure.abundance import LinearTheory, linear_theory
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import arrange, find_hosts
from diffsky_factory.sky.regions import FullSky, Region, region
from diffsky_factory.sky.spaces import Sky

LIGHTEST = 8.0  # dex(Msun), chosen: no mass function was fitted below
HEAVIEST = 15.5  # dex(Msun), chosen
MARGIN = 0.05  # chosen: redshift by which satellites may lie beyond the farthest host


class Completion(NamedTuple):
    """What is asked for beyond what a simulation has."""

    to: float | None = None  # Msun, of the least massive host
    above: float | None = None  # Msun, where the simulation is complete; as it says, or as is measured
    satellites: Literal["simulation", "subhalo_mass_function"] = "simulation"
    seed: int = 0

    @property
    def wanted(self) -> bool:
        """Whether anything is asked for."""
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
    _tiles: Recent = field(default_factory=lambda: Recent(2e8), repr=False)

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
        """The cosmology of the simulation."""
        return self.source.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """The columns of the simulation that synthetic halos can have too, and `is_synthetic`."""
        return kept_columns(self.source.columns)

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host."""
        return self.source.redshift_range

    @property
    def default_region(self) -> dict[str, Any]:
        """The whole footprint of the simulation."""
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

    @property
    def space(self) -> Sky:
        """The sky."""
        return Sky()

    @property
    def footprint(self) -> list[Region]:
        """Parts of the sky that the simulation covers, without overlap."""
        return self.source.footprint

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that hold halos or may, and overlap a region, ascending."""
        where, found = region(where), self.source.tiles(order, where)
        if self.asked.to is None:
            return found
        covered = [np.intersect1d(part.pixels(order), where.pixels(order)) for part in self.source.footprint]
        return np.unique(np.concatenate([found, *covered]))

    def extent(self, where: Mapping | Region) -> float:
        """Area [deg^2] of the part of a region that the simulation covers."""
        return self.source.extent(where)

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments, which are kept for the call that follows."""
        return len(self._tile(order, pixel, where)["halo_id"])

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`.

        halo_id, host_halo_id : as the simulation has them; synthetic halos have ids from 3 2^61 on
        is_synthetic : the halo is not the simulation's
        """
        return arrange(self._tile(order, pixel, where))

    def _tile(self, order: int, pixel: int, where: Mapping | Region | None) -> dict[str, np.ndarray]:
        """Rows of a tile, in no order yet."""
        area = FullSky() if where is None else region(where)
        rows = self._tiles.get((order, pixel, area), lambda: tuple(self._joined(order, pixel, area).values()))
        return dict(zip(self.columns, rows, strict=True))

    def _joined(self, order: int, pixel: int, area: Region) -> dict[str, np.ndarray]:
        """The simulation's halos, synthetic hosts, and satellites drawn around both."""
        parts = [self._resolved(self.source.chosen(order, pixel, area))]
        complete = partial(
            filled, Universe(self.cosmology, self.asked.seed, self._distances.hubble), wanted=self.columns
        )
        if self.asked.to is not None:
            hosts = unresolved_hosts(self._unresolved, order, pixel, area, self.redshift_range)
            columns = columns_of(hosts.halo_id, hosts.halo_id, np.ones(len(hosts.halo_id), bool), *hosts[1:])
            keep = hosts.log10_mass >= self.least
            parts.append(complete({name: values[keep] for name, values in columns.items()}))
        if self.asked.satellites != "simulation":
            parts += [complete(added_satellites(self._satellites, rows)) for rows in list(parts)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.columns}

    def _resolved(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The simulation's halos that stay: by default all; hosts above the completeness with what is in them."""
        mass = rows["log10_halo_mass"]
        hosts = find_hosts(rows["halo_id"], rows["host_halo_id"], rows["is_central"])
        keep = (mass >= self.least) & (mass[hosts.row] >= self.least)
        if self.asked.to is not None:
            keep &= (mass[hosts.row] >= self.completeness.log10_mass) & (mass >= np.log10(self.asked.to))
        if self.asked.satellites != "simulation" and self._sample.has_satellites:
            keep &= rows["is_central"] | (mass >= self.completeness.log10_mass)
        kept = with_first_hosts({name: rows[name][keep] for name in self.columns if name in rows})
        return {**kept, "is_synthetic": np.zeros(np.count_nonzero(keep), bool)}

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
    def _factor(self) -> Factor:
        """The factor by which the mass function meets that of the simulation above its completeness."""
        lowest = self.completeness.log10_mass
        return factor(self._sample, self._expected, self._theory, (lowest, lowest + NEAR)).trusted()

    @cached_property
    def _field(self) -> TracedField:
        expected, lowest = self._expected, self.completeness.log10_mass
        traced = factor(self._sample, expected, self._theory, (lowest, synthetic_tables.HIGHEST_MASS), power=1)
        first, second = (expected.between(lowest, synthetic_tables.HIGHEST_MASS, power) for power in (1, 2))
        number = expected.between(lowest, synthetic_tables.HIGHEST_MASS)
        z = np.expm1(expected.log_z)
        return TracedField(
            source=self.source,
            log10_mass_complete=lowest,
            bias_at=expected.bias_at,
            expected=_between_rows(expected, first * traced(z)),
            effective_bias=_between_rows(expected, second / first),
            redshift_at=self._distances.redshift,
            density=float(np.mean(number * traced(z))),
            speed=self._sample.speed,
        )

    @cached_property
    def _unresolved(self) -> Unresolved:
        lowest = self.completeness.log10_mass if self.asked.to is None else float(np.log10(self.asked.to))
        between = lowest, self.completeness.log10_mass
        return unresolved(self.asked.seed, self._field, self._expected, self._factor, between)

    @cached_property
    def _distances(self) -> synthetic_tables.Distances:
        return synthetic_tables.distances(self._theory, self.source.covered_redshift[1] + MARGIN)

    @property
    def _least_satellite(self) -> float:
        """Least mass of drawn satellites: the one that is asked for, else that of the completeness."""
        if self.asked.to is None:
            return self.completeness.log10_mass if np.isneginf(self.least) else self.least
        return max(float(np.log10(self.asked.to)), self.least)

    @cached_property
    def _satellites(self) -> AddedSatellites:
        least = self._least_satellite
        tables = synthetic_tables.satellite_tables(SubhaloMassFunctionParameters(), least)
        below = self.completeness.log10_mass if self._sample.has_satellites else np.inf
        return AddedSatellites(self.asked.seed, self._theory, self._distances, tables, least, below)


def _between_rows(expected: ExpectedHosts, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda redshift: expected.per_row(values, redshift)
