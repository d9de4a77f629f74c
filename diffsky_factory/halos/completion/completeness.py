"""Down to what mass the hosts of a light cone are complete, and how their numbers compare with a mass function."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.completion.expected_hosts import SHELLS, ExpectedHosts
from diffsky_factory.halos.gathered.stored import StoredHalos
from diffsky_factory.outputs.halo_store import INDEX_ORDER
from diffsky_factory.physics.structure.abundance import LinearTheory
from diffsky_factory.physics.structure.power import sigma_sphere
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64, redshift_at_distance_64
from diffsky_factory.sky.regions import FullSky, share_inside

MOST_ROWS = 3e6  # chosen: of a product, from evenly spread parts of it
ROWS_AT_ONCE = 2**20
PARTICLES = 100  # chosen: halos of fewer are found incompletely, Knebe et al. 2011, MNRAS 415, 2293
MASS_BIN = 0.1  # dex, chosen
GAP = 3  # bins, chosen: between a mass and the heavier ones that it is compared with
MISSING = 0.9  # chosen: of the hosts expected, below which too few are there
NEAR = 0.5  # dex, chosen: above the completeness, where the numbers of a simulation and of theory are compared
LEAST_HOSTS = 30  # chosen: fewer trace nothing
STEADY = 400  # chosen: hosts, and 5e7 Mpc^3, that a factor at one redshift stands for: known to 5 %
STEADY_VOLUME = 5e7
MASS_FUNCTION_ERROR = 0.1  # chosen: of ln density, among definitions of mass and halo finders


class Sample(NamedTuple):
    """Hosts of a part of a light cone."""

    area: float  # deg^2
    redshift: np.ndarray
    log10_mass: np.ndarray
    speed: float  # km/s, rms velocity along an axis
    has_satellites: bool


class Completeness(NamedTuple):
    """The mass down to which hosts are complete, and how that is known."""

    log10_mass: float
    how: str


class Factor(NamedTuple):
    """Hosts found over hosts expected, at some redshifts, with straight lines between them."""

    log_z: np.ndarray
    ratio: np.ndarray
    error: np.ndarray  # of ln(ratio): from counting, and from structure that makes the volume denser or emptier

    def __call__(self, redshift: np.ndarray) -> np.ndarray:
        """The factor at each redshift."""
        return np.interp(np.log1p(redshift), self.log_z, self.ratio)

    def trusted(self) -> "Factor":
        """The factor, drawn towards 1 as far as it is known less well than the mass function."""
        share = MASS_FUNCTION_ERROR**2 / (MASS_FUNCTION_ERROR**2 + self.error**2)
        return self._replace(ratio=np.maximum(self.ratio, 1e-3) ** share)


def hosts_inside(source: StoredHalos, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which rows are hosts within the footprint and the redshifts that the product covers, bool."""
    low, high = source.covered_redshift
    found = rows["is_central"] & (rows["redshift"] >= low) & (rows["redshift"] <= high)
    return found & source.covers(rows["ra"], rows["dec"])


def sample(source: StoredHalos) -> Sample:
    """Hosts of a light cone: all, or those of evenly spread parts of a large one."""
    table = source.table
    every = max(1, int(np.ceil(int(table.first_row[-1]) / MOST_ROWS)))
    chosen = np.arange(0, len(table.occupied), every)
    parts = []
    for first, last in _ranges(table.first_row, chosen):
        rows = table.rows(first, last)
        hosts = hosts_inside(source, rows)
        speed = np.mean([rows[name][hosts] ** 2 for name in ("vx", "vy", "vz")], axis=0)
        parts.append((rows["redshift"][hosts], rows["log10_halo_mass"][hosts], speed))
    redshift, mass, speed = (np.concatenate(column) for column in zip(*parts)) if parts else (np.empty(0),) * 3
    if every == 1:
        area = source.area(FullSky())
    else:
        pixels = [int(pixel) for pixel in table.occupied[chosen]]
        share = sum(share_inside(INDEX_ORDER, pixel, [part]) for pixel in pixels for part in source.footprint)
        area = tiles.pixel_area(INDEX_ORDER) * share
    notes = table.attributes.get("rows", {})
    return Sample(area, redshift, mass, float(np.sqrt(np.mean(speed))) if len(speed) else 0.0, notes["satellites"] > 0)


def _ranges(first_row: np.ndarray, chosen: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of rows of the chosen pixels: neighbours together, none much longer than is read at once."""
    ranges: list[tuple[int, int]] = []
    for i in chosen:
        first, last = int(first_row[i]), int(first_row[i + 1])
        if ranges and ranges[-1][1] == first and last - ranges[-1][0] <= ROWS_AT_ONCE:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return ranges


def completeness(
    attributes: Mapping[str, Any], found: Sample, expected: ExpectedHosts, cosmology: Cosmology
) -> Completeness:
    """The mass [dex(Msun)] that the product states; or the higher of 100 particles and where hosts begin to miss."""
    if attributes.get("log10_mass_complete") is not None:
        return Completeness(float(attributes["log10_mass_complete"]), "stated with the simulation")
    measured = falls_short(found, expected, cosmology)
    seen = Completeness(measured, f"down to it hosts are at least {MISSING:.0%} of what the mass function makes them")
    if not attributes.get("particle_mass"):
        return seen
    by_particles = float(np.log10(PARTICLES * attributes["particle_mass"]))
    return seen if measured > by_particles + MASS_BIN else Completeness(by_particles, f"{PARTICLES} particles")


def falls_short(found: Sample, expected: ExpectedHosts, cosmology: Cosmology) -> float:
    """Mass [dex(Msun)] above which no tenth of the hosts is missing: lower edge of the lowest such bin.

    Hosts are missing from a bin where they are fewer than nine tenths of what the mass function has, by more than
    twice the noise. The mass function is scaled first to the number of all hosts that are heavier by GAP bins: then its
    normalisation does not matter, and a slow decline shows.
    """
    edges = np.arange(np.round(expected.mass[0], 1), expected.mass[-1], MASS_BIN)
    number = np.histogram(found.log10_mass, edges)[0]
    per_mass = _over_volume(expected.density, expected, cosmology, found, expected.log_z[0], expected.log_z[-1])
    steps, middle = np.diff(expected.mass), 0.5 * (expected.mass[1:] + expected.mass[:-1])
    model = np.histogram(middle, edges, weights=0.5 * (per_mass[1:] + per_mass[:-1]) * steps)[0]
    heavier, expected_heavier = (np.cumsum(values[::-1])[::-1] for values in (number, model))
    enough = np.flatnonzero(heavier[GAP:] >= LEAST_HOSTS)
    short = np.ones(len(number), bool)
    for i in enough:
        usual = model[i] * heavier[i + GAP] / expected_heavier[i + GAP]
        noise = np.sqrt(usual + usual**2 / heavier[i + GAP])
        short[i] = number[i] < MISSING * usual - 2.0 * noise
    whole = np.flatnonzero(~short[:-1] & ~short[1:])
    if not len(whole):
        raise InputError(
            f"at no mass are the {len(found.log10_mass)} hosts those of a mass function; say with log10_mass_complete "
            "of the entry, or complete_above of the recipe, from where on they are complete"
        )
    return float(edges[whole[0]])


def factor(
    found: Sample,
    expected: ExpectedHosts,
    theory: LinearTheory,
    between: tuple[float, float],
    power: int = 0,
) -> Factor:
    """Hosts found over hosts expected between two masses, each counted as its bias to some power.

    The factor is found at one redshift, or at several where there are hosts and volume enough.
    Raises InputError where there are too few hosts to compare.
    """
    some = (found.log10_mass >= between[0]) & (found.log10_mass < between[1])
    redshift = found.redshift[some]
    weight = expected.bias_at(redshift, found.log10_mass[some]) ** power
    if len(redshift) < LEAST_HOSTS:
        raise InputError(
            f"{len(redshift)} hosts lie between 10^{between[0]:.2f} and 10^{between[1]:.2f} Msun, above the mass to "
            "which the simulation is complete: too few to trace the density of matter; give a lower complete_above, "
            "or more of the simulation"
        )
    cosmology = theory.cosmology
    near, far = comoving_distance_64(cosmology, np.expm1(expected.log_z[[0, -1]]))
    volume = _steradian(found) * (far**3 - near**3) / 3.0
    number = int(np.clip(min(volume / STEADY_VOLUME, len(redshift) / STEADY), 1, 64))
    edges = np.cbrt(np.linspace(near**3, far**3, 2 * number + 1))  # every other is the middle of a shell
    log_z = np.log1p(redshift_at_distance_64(cosmology, edges))
    counted, hosts = (
        np.histogram(np.log1p(redshift), log_z[::2], weights=w)[0] for w in (weight, np.ones(len(weight)))
    )
    per_row = expected.between(*between, power)
    shells = zip(log_z[:-2:2], log_z[2::2])
    made = [_over_volume(per_row, expected, cosmology, found, *shell) for shell in shells]
    bias = expected.between(*between, 1) / expected.between(*between)
    radius = np.cbrt(3.0 * volume / number / (4.0 * np.pi))
    z = np.expm1(log_z[1::2])
    varied = expected.per_row(bias, z) * theory.growth.at(z)[0] * sigma_sphere(theory.power, np.array([radius]))
    return Factor(log_z[1::2], counted / np.array(made), np.sqrt(1.0 / np.maximum(hosts, 1.0) + varied**2))


def _over_volume(
    per_row: np.ndarray, expected: ExpectedHosts, cosmology: Cosmology, found: Sample, low: float, high: float
) -> np.ndarray:
    """Numbers (redshift, ...) per Mpc^3, summed over the volume of a sample between two ln(1 + z)."""
    edges = np.linspace(low, high, SHELLS + 1)
    shell = _steradian(found) * np.diff(comoving_distance_64(cosmology, np.expm1(edges)) ** 3) / 3.0
    i, s = expected.row(np.expm1(0.5 * (edges[1:] + edges[:-1])))
    down, up = per_row[i], per_row[i + 1]
    between = down + (up - down) * s.reshape((-1,) + (1,) * (per_row.ndim - 1))
    return np.tensordot(shell, between, 1)


def _steradian(found: Sample) -> float:
    return found.area * np.deg2rad(1.0) ** 2
