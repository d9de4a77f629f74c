"""What the synthetic universe looks up: numbers and masses of hosts, satellites, distances and growth."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters, mean_satellites
from diffsky_factory.physics.structure.abundance import LinearTheory, abundance, lagrangian_bias
from diffsky_factory.physics.structure.biased import Preference, preference
from diffsky_factory.sky.cosmology import comoving_distance_64, in_float64
from diffsky_factory.sky.distance_table import CubicTable, hubble_ratio_64, redshift_table

HIGHEST_MASS = 17.0  # dex(Msun), chosen: no host is heavier anywhere, as in diffhalos 0.2.0
MASS_STEP = 0.01  # dex, chosen: of the mass grid that is inverted
QUANTILE_STEP = 0.01  # chosen: of -log10 u; where few halos have some mass, numbers are then good to 1 %
QUANTILES = np.arange(0.0, 16.0 + QUANTILE_STEP, QUANTILE_STEP)  # 2^-53, the smallest u > 0, is at 15.95
REDSHIFT_STEP = 0.02  # chosen: in ln(1 + z), between the rows of the tables of hosts
SCORES = -6.5, 6.5  # chosen: z-scores of the overdensity; 1 cell in 1e10 lies beyond, and is taken at the edge
SCORE_STEP = 0.1  # chosen: between the rows of the table of masses; numbers at a mass are then good to 1 %
HOST_STEP = 0.02  # dex, chosen: between the rows of the table of mass ratios

mean_satellites_64 = in_float64(mean_satellites)


class QuantileTable(NamedTuple):
    """Inverse survival function of a quantity, for each value of a condition: linear in both steps."""

    start: float
    step: float
    values: np.ndarray  # (condition, -log10 of the survival)

    def __call__(self, condition: np.ndarray, survival: np.ndarray) -> np.ndarray:
        """The value exceeded with probability survival, 0 < survival <= 1."""
        i, s = place((condition - self.start) / self.step, self.values.shape[0])
        j, t = place(-np.log10(survival) / QUANTILE_STEP, self.values.shape[1])
        row = i * self.values.shape[1] + j
        low, high = (blend(self.values.ravel(), row + up, t) for up in (0, self.values.shape[1]))
        return low + s * (high - low)


class HostTables(NamedTuple):
    """Hosts of a cell, by redshift, z-score of the overdensity and mass; rows even in ln(1 + z)."""

    start: float  # ln(1 + z) of the first row
    step: float
    number: np.ndarray  # (redshift, score) mean number per Mpc^3
    log10_mass: np.ndarray  # (redshift, score, -log10 of the survival), dex(Msun), float32
    mass: np.ndarray  # (mass,) dex(Msun), grid of the next
    mean: np.ndarray  # (redshift, mass) z-scores at which hosts form: their mean
    variance: np.ndarray  # (redshift, mass)
    resolved: np.ndarray  # (redshift, mass) b2 sigma^2 as the cells have it
    first_bias: np.ndarray  # (redshift, mass) Lagrangian b1

    def rows(self, redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row below and part of a step beyond it, of each redshift."""
        return place((np.log1p(redshift) - self.start) / self.step, len(self.number))

    def corners(self, redshift: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First of the four rows of masses around each cell, and the mean number per Mpc^3 from each row, (n, 4).

        A host takes its mass from one of the rows, with a chance that goes as these numbers, so that the mass
        function is between those of the rows. Interpolated masses could be such as neither row has.
        """
        rows = self.number.shape[1]
        i, s = self.rows(redshift)
        j, t = place((score - SCORES[0]) / SCORE_STEP, rows)
        first, flat = i * rows + j, self.number.ravel()
        shares = ((1.0 - s) * (1.0 - t), (1.0 - s) * t, s * (1.0 - t), s * t)
        ups = (0, 1, rows, rows + 1)
        return first, np.stack([share * flat[first + up] for share, up in zip(shares, ups)], axis=-1)

    def mean_number(self, redshift: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Mean number of hosts per Mpc^3 in each cell."""
        return self.corners(redshift, score)[1].sum(axis=1)

    def masses(
        self, redshift: np.ndarray, score: np.ndarray, cell: np.ndarray, pick: np.ndarray, survival: np.ndarray
    ) -> np.ndarray:
        """log10 mass of each host, from two uniform numbers; redshift and score are those of cells, cell the host's."""
        first, number = self.corners(redshift, score)
        rows, wide = self.log10_mass.shape[1:]
        below = np.cumsum(number, axis=1)
        below /= np.maximum(below[:, -1:], 1e-300)
        corner = np.sum(pick[:, None] > below[cell, :3], axis=1)
        row = first[cell] + np.array([0, 1, rows, rows + 1])[corner]
        k, u = place(-np.log10(survival) / QUANTILE_STEP, wide)
        return blend(self.log10_mass.ravel(), row * wide + k, u)

    def at_mass(self, name: str, redshift: np.ndarray, log10_mass: np.ndarray) -> np.ndarray:
        """A table of redshift and mass, by its name."""
        table = getattr(self, name)
        i, s = self.rows(redshift)
        j, t = place((log10_mass - self.mass[0]) / MASS_STEP, table.shape[1])
        row = i * table.shape[1] + j
        return _between(blend(table.ravel(), row, t), blend(table.ravel(), row + table.shape[1], t), s)

    def preference(self, redshift: np.ndarray, log10_mass: np.ndarray) -> Preference:
        """Where hosts of these redshifts and masses form."""
        return Preference(*(self.at_mass(name, redshift, log10_mass) for name in ("mean", "variance")))


class SatelliteTables(NamedTuple):
    """Satellites by the mass of their host."""

    host_mass: np.ndarray  # dex(Msun)
    mean: np.ndarray  # number
    ratio: QuantileTable  # log10 of satellite over host mass

    def mean_number(self, log10_host_mass: np.ndarray) -> np.ndarray:
        """Mean number of satellites of a host."""
        at = (log10_host_mass - self.host_mass[0]) / MASS_STEP
        return blend(self.mean, *place(at, len(self.mean)))


class Distances(NamedTuple):
    """Redshift and expansion rate along the line of sight."""

    redshift: CubicTable  # at a comoving distance [Mpc]
    hubble: CubicTable  # H / H0 at a redshift
    farthest: float  # Mpc, end of the tables
    z_max: float


def place(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Node below and the part of a step beyond it, kept within a grid of some size."""
    at = np.clip(at, 0.0, size - 1.0)
    i = np.minimum(at.astype(np.int64), size - 2)
    return i, at - i


def blend(flat: np.ndarray, i: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The values of a table, linear between its nodes."""
    return _between(flat[i].astype(np.float64), flat[i + 1], t)


def _between(low: np.ndarray, high: np.ndarray, t: np.ndarray) -> np.ndarray:
    return low + t * (high - low)


def distances(theory: LinearTheory, z_max: float) -> Distances:
    """Tables of distance out to a redshift."""
    z = np.linspace(0.0, z_max, 4097)
    rate = hubble_ratio_64(theory.cosmology, z)
    hubble = CubicTable(0.0, z[1], rate, np.gradient(rate, z, edge_order=2) * z[1])
    return Distances(
        redshift_table(theory.cosmology, z_max), hubble, float(comoving_distance_64(theory.cosmology, z_max)), z_max
    )


def host_tables(
    theory: LinearTheory,
    kind: str | HaloMassFunctionParameters,
    log10_mass_min: float,
    redshift: tuple[float, float],
    sigma: float,
) -> HostTables:
    """Tables of hosts above a mass between two redshifts; sigma is the rms of the overdensity today."""
    log_z = rows_between(redshift)
    z, edges = np.expm1(log_z), mass_grid(log10_mass_min)
    found = abundance(theory, kind, z, edges)
    b1, b2 = lagrangian_bias(found.bias, found.second_bias)
    grown = sigma * theory.growth.at(z)[0][:, None]
    prefer = preference(grown, b1, b2)
    scores = np.arange(SCORES[0], SCORES[1] + 1e-9, SCORE_STEP)
    number, masses = [], []
    for i in range(len(z)):
        above = _above(found.density_per_dex[i], Preference(prefer.mean[i], prefer.variance[i]), scores)
        number.append(above[:, 0])
        masses.append(np.array([invert(edges, row) for row in above], np.float32))
    return HostTables(
        start=log_z[0],
        step=log_z[1] - log_z[0],
        number=np.array(number),
        log10_mass=np.array(masses),
        mass=edges,
        mean=prefer.mean,
        variance=prefer.variance,
        resolved=prefer.variance - 1.0 + prefer.mean**2,
        first_bias=b1,
    )


def rows_between(redshift: tuple[float, float]) -> np.ndarray:
    """ln(1 + z) of the rows of tables between two redshifts, even."""
    low, high = np.log1p(redshift)
    return np.linspace(low, high, max(2, int(np.ceil((high - low) / REDSHIFT_STEP)) + 1))


def mass_grid(log10_mass_min: float) -> np.ndarray:
    """Masses [dex(Msun)] from the least to the highest, even."""
    return np.arange(log10_mass_min, HIGHEST_MASS + MASS_STEP, MASS_STEP)


def mean_densities(
    theory: LinearTheory,
    kind: str | HaloMassFunctionParameters,
    subhalos: SubhaloMassFunctionParameters,
    log10_mass_min: float,
    redshift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Hosts and satellites above a mass per Mpc^3, at each redshift.

    Raises InputError where the mass function is not one: where n(>m) rises with mass.
    """
    edges = mass_grid(log10_mass_min)
    density = abundance(theory, kind, redshift, edges).density_per_dex
    check_falls(density, edges, redshift)
    satellites = mean_satellites_64(subhalos, log10_mass_min - edges, edges)
    return np.trapezoid(density, edges, axis=1), np.trapezoid(density * satellites, edges, axis=1)


def satellite_tables(subhalos: SubhaloMassFunctionParameters, log10_mass_min: float) -> SatelliteTables:
    """Tables of satellites above a mass."""
    host_mass = mass_grid(log10_mass_min)
    mean = mean_satellites_64(subhalos, log10_mass_min - host_mass, host_mass)
    return SatelliteTables(host_mass, mean, _ratio_table(subhalos, log10_mass_min))


def invert(x: np.ndarray, above: np.ndarray) -> np.ndarray:
    """x at the survival 10^-QUANTILES, from the numbers above an ascending x."""
    some = above > 0.0
    if not some.any():
        return np.full(len(QUANTILES), x[0])
    return np.interp(QUANTILES, -np.log10(above[some] / above[0]), x[some])


def _above(density: np.ndarray, prefer: Preference, scores: np.ndarray) -> np.ndarray:
    """Hosts per Mpc^3 above each mass, (score, mass), where the overdensity has a z-score."""
    here = density * prefer.factor(scores[:, None])
    steps = 0.5 * MASS_STEP * (here[:, 1:] + here[:, :-1])
    return np.concatenate([np.cumsum(steps[:, ::-1], axis=1)[:, ::-1], np.zeros((len(scores), 1))], axis=1)


def check_falls(density: np.ndarray, log10_mass: np.ndarray, redshift: np.ndarray) -> None:
    """Refuse a range in which n(>m) rises with mass somewhere, with the first place."""
    bad = np.argwhere(density < 0.0)
    if len(bad):
        i, j = bad[0]
        raise InputError(
            f"the mass function rises with mass at log10_halo_mass = {log10_mass[j]:.2f} and redshift = "
            f"{redshift[i]:.2f}: it was not fitted there; raise log10_mass_min or lower redshift_max"
        )


def _ratio_table(subhalos: SubhaloMassFunctionParameters, log10_mass_min: float) -> QuantileTable:
    """log10 of the mass of a satellite over that of its host, at a host mass."""
    hosts = np.arange(log10_mass_min, HIGHEST_MASS + HOST_STEP, HOST_STEP)
    # steps are even down to the cut, and ever finer towards ratio 1, where the number goes to zero
    shape = np.unique(np.concatenate([np.linspace(0.0, 1.0, 513)[1:], np.geomspace(1e-9, 1.0, 200)]))[::-1]
    ratio = (log10_mass_min - hosts[1:, None]) * shape
    above = mean_satellites_64(subhalos, ratio, hosts[1:, None])
    rows = [invert(x, row) for x, row in zip(ratio, above, strict=True)]
    at_the_limit = np.zeros(len(QUANTILES))
    return QuantileTable(hosts[0], HOST_STEP, np.array([at_the_limit, *rows]))
