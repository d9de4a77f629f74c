"""How many hosts theory expects and how they cluster, by redshift and mass; and by what factor a simulation differs."""

from typing import NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid

from diffsky_factory.halos.synthetic.tables import (
    HIGHEST_MASS,
    MASS_STEP,
    QuantileTable,
    blend,
    check_falls,
    invert,
    place,
    rows_between,
)
from diffsky_factory.physics.structure.abundance import LinearTheory, abundance

SHELLS = 256  # chosen: of the integrals over redshift


class ExpectedHosts(NamedTuple):
    """Tables of a mass function, even in ln(1 + z) and in mass."""

    log_z: np.ndarray  # (redshift,) ln(1 + z)
    mass: np.ndarray  # (mass,) dex(Msun)
    density: np.ndarray  # (redshift, mass) per dex and comoving Mpc^3
    bias: np.ndarray  # (redshift, mass) Eulerian, of large scales

    def bias_at(self, redshift: np.ndarray, log10_mass: np.ndarray) -> np.ndarray:
        """Bias of each host."""
        i, s = self.row(redshift)
        j, t = place((log10_mass - self.mass[0]) / MASS_STEP, len(self.mass))
        at = i * len(self.mass) + j
        low, high = (blend(self.bias.ravel(), at + up, t) for up in (0, len(self.mass)))
        return low + s * (high - low)

    def between(self, low: float, high: float, power: int = 0) -> np.ndarray:
        """Hosts per Mpc^3 between two masses, each counted as its bias to some power, at each row."""
        below = cumulative_trapezoid(self.density * self.bias**power, self.mass, axis=1, initial=0.0)
        return np.array([np.subtract(*np.interp([high, low], self.mass, row)) for row in below])

    def masses(self, low: float, high: float) -> tuple[np.ndarray, QuantileTable]:
        """Hosts per Mpc^3 at each row, and their masses by ln(1 + z) and survival: from a node below to one above."""
        some = slice(*(np.searchsorted(self.mass, [low, high], side="right") + np.array([-1, 1])))
        above = -cumulative_trapezoid(self.density[:, some][:, ::-1], self.mass[some][::-1], axis=1, initial=0.0)
        above = above[:, ::-1]
        rows = [invert(self.mass[some], row) for row in above]
        return above[:, 0], QuantileTable(self.log_z[0], self.log_z[1] - self.log_z[0], np.array(rows))

    def per_row(self, values: np.ndarray, redshift: np.ndarray) -> np.ndarray:
        """Values of the rows, between them."""
        return np.interp(np.log1p(redshift), self.log_z, values)

    def row(self, redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row below each redshift, and the part of a step beyond it."""
        return place((np.log1p(redshift) - self.log_z[0]) / (self.log_z[1] - self.log_z[0]), len(self.log_z))


def expected_hosts(theory: LinearTheory, kind: str, redshift: tuple[float, float], lowest: float) -> ExpectedHosts:
    """Tables of a mass function by its name, between two redshifts, from a mass [dex(Msun)] on.

    Raises InputError where the mass function is not one: where n(>m) rises with mass.
    """
    log_z = rows_between(redshift)
    # nodes are multiples of the step, so that any mass that is one lies on a node
    mass = np.arange(int(np.floor(lowest / MASS_STEP)), round(HIGHEST_MASS / MASS_STEP) + 1) * MASS_STEP
    found = abundance(theory, kind, np.expm1(log_z), mass)
    check_falls(found.density_per_dex, mass, np.expm1(log_z))
    return ExpectedHosts(log_z, mass, found.density_per_dex, found.bias)


def mass_function_of(words: str) -> str:
    """The mass function of a definition of mass, by its words: virial, largest so far, 200m; virial for all others."""
    words = words.lower()
    if "virial" in words:
        return "smdpl" if "largest" in words else "despali_2016"
    return "tinker_2008" if "200m" in words or "200 times the mean" in words else "despali_2016"
