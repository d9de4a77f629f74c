"""What the synthetic universe looks up: numbers, redshifts and masses by their cumulative distributions."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.physics.halos.mass_function import falls_with_mass, log10_cumulative_density
from diffsky_factory.physics.halos.subhalo_mass_function import mean_satellites
from diffsky_factory.sky.cosmology import comoving_distance_64, in_float64
from diffsky_factory.sky.distance_table import CubicTable, hubble_ratio_64, redshift_table

HIGHEST_MASS = 17.0  # dex(Msun), chosen: no host is heavier anywhere, as in diffhalos 0.2.0
SHELL = 0.001  # chosen: redshift width of the shells in which the number density is taken as constant
MASS_STEP = 0.005  # dex, chosen: of the mass grid that is inverted
QUANTILE_STEP = 0.02  # chosen: of -log10 u; masses are then good to 1e-4 dex
QUANTILES = np.arange(0.0, 16.0 + QUANTILE_STEP, QUANTILE_STEP)  # 2^-53, the smallest u > 0, is at 15.95
REDSHIFT_STEP = 0.01  # chosen: between the rows of the table of masses
HOST_STEP = 0.02  # dex, chosen: between the rows of the table of mass ratios
MARGIN = 0.05  # chosen: redshift by which satellites may lie beyond the farthest host; tens of Mpc

log10_cumulative_density_64 = in_float64(log10_cumulative_density)
falls_with_mass_64 = in_float64(falls_with_mass)
mean_satellites_64 = in_float64(mean_satellites)


class QuantileTable(NamedTuple):
    """Inverse survival function of a quantity, for each value of a condition: linear in both steps."""

    start: float
    step: float
    values: np.ndarray  # (condition, -log10 of the survival)

    def __call__(self, condition: np.ndarray, survival: np.ndarray) -> np.ndarray:
        """The value exceeded with probability survival, 0 < survival <= 1."""
        i, s = _place((condition - self.start) / self.step, self.values.shape[0])
        j, t = _place(-np.log10(survival) / QUANTILE_STEP, self.values.shape[1])
        low = self.values[i, j] * (1.0 - t) + self.values[i, j + 1] * t
        high = self.values[i + 1, j] * (1.0 - t) + self.values[i + 1, j + 1] * t
        return low * (1.0 - s) + high * s


def _place(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Node below and the part of a step beyond it, kept within a grid of some size."""
    at = np.clip(at, 0.0, size - 1.0)
    i = np.minimum(at.astype(np.int64), size - 2)
    return i, at - i


class Tables(NamedTuple):
    """All look-ups of one synthetic universe."""

    mean_hosts: float  # in the generation cell
    share: np.ndarray  # (shells + 1,) cumulative share of hosts out to each edge
    volume: np.ndarray  # (shells + 1,) comoving distance of each edge, cubed [Mpc^3]
    mass: QuantileTable  # of hosts, at a redshift
    ratio: QuantileTable  # log10 of satellite over host mass, at a host mass
    host_mass: np.ndarray  # grid of the next
    mean_satellites: np.ndarray
    redshift: CubicTable  # at a comoving distance
    grid_redshift: np.ndarray  # grid of the next
    hubble_ratio: np.ndarray


def build(universe, steradian: float) -> Tables:
    """The tables of a universe (a `Synthetic`) whose generation cells have this solid angle.

    Raises InputError where the mass function is not one: where n(>m) rises with mass.
    """
    edges = np.linspace(universe.redshift_min, universe.redshift_max, _steps(universe, SHELL) + 1)
    volume = comoving_distance_64(universe.cosmology, edges) ** 3
    density = _between(universe, np.array([[universe.log10_mass_min]]), 0.5 * (edges[1:] + edges[:-1]))[:, 0]
    hosts = steradian * np.diff(volume) / 3.0 * density
    host_mass = np.arange(universe.log10_mass_min, HIGHEST_MASS + MASS_STEP, MASS_STEP)
    cut = universe.log10_mass_min - host_mass
    grid = np.linspace(0.0, universe.redshift_max + MARGIN, 4096)
    return Tables(
        mean_hosts=float(hosts.sum()),
        share=np.concatenate([[0.0], np.cumsum(hosts) / hosts.sum()]),
        volume=volume,
        mass=_mass_table(universe),
        ratio=_ratio_table(universe),
        host_mass=host_mass,
        mean_satellites=mean_satellites_64(universe.subhalo_mass_function, cut, host_mass),
        redshift=redshift_table(universe.cosmology, universe.redshift_max + MARGIN),
        grid_redshift=grid,
        hubble_ratio=hubble_ratio_64(universe.cosmology, grid),
    )


def check_mass_function(universe) -> None:
    """Refuse a range in which n(>m) rises with mass somewhere, with the first place."""
    z = np.linspace(universe.redshift_min, universe.redshift_max, 101)
    m = np.arange(universe.log10_mass_min, HIGHEST_MASS, 0.05)
    falls = falls_with_mass_64(universe.mass_function, m[None, :], z[:, None])
    if not falls.all():
        i, j = np.argwhere(~falls.astype(bool))[0]
        raise InputError(
            f"the mass function rises with mass at log10_halo_mass = {m[j]:.2f} and redshift = {z[i]:.2f}: "
            "it was not fitted there; raise log10_mass_min or lower redshift_max"
        )


def _steps(universe, step: float) -> int:
    """Number of even steps across the redshift range, each at most `step` wide; 16 at least."""
    return max(16, int(np.ceil((universe.redshift_max - universe.redshift_min) / step)))


def _between(universe, log10_mass: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Hosts per Mpc^3 between each mass and the highest, (redshift, mass)."""
    masses = np.append(log10_mass.ravel(), HIGHEST_MASS)
    above = 10.0 ** log10_cumulative_density_64(universe.mass_function, masses[None, :], redshift[:, None])
    return above[:, :-1] - above[:, -1:]


def _mass_table(universe) -> QuantileTable:
    """Mass of a host at a redshift."""
    redshift = np.linspace(universe.redshift_min, universe.redshift_max, _steps(universe, REDSHIFT_STEP) + 1)
    masses = np.arange(universe.log10_mass_min, HIGHEST_MASS, MASS_STEP)
    above = _between(universe, masses, redshift)
    rows = [_invert(masses, row) for row in above]
    return QuantileTable(redshift[0], redshift[1] - redshift[0], np.array(rows))


def _ratio_table(universe) -> QuantileTable:
    """log10 of the mass of a satellite over that of its host, at a host mass."""
    hosts = np.arange(universe.log10_mass_min, HIGHEST_MASS + HOST_STEP, HOST_STEP)
    # even steps down to the cut, and ever finer ones towards ratio 1, where the number goes to zero
    shape = np.unique(np.concatenate([np.linspace(0.0, 1.0, 513)[1:], np.geomspace(1e-9, 1.0, 200)]))[::-1]
    ratio = (universe.log10_mass_min - hosts[1:, None]) * shape
    above = mean_satellites_64(universe.subhalo_mass_function, ratio, hosts[1:, None])
    rows = [_invert(x, row) for x, row in zip(ratio, above, strict=True)]
    at_the_limit = np.zeros(len(QUANTILES))
    return QuantileTable(hosts[0], HOST_STEP, np.array([at_the_limit, *rows]))


def _invert(x: np.ndarray, above: np.ndarray) -> np.ndarray:
    """x at the survival 10^-QUANTILES, from the numbers above an ascending x."""
    some = above > 0.0
    return np.interp(QUANTILES, -np.log10(above[some] / above[0]), x[some])
