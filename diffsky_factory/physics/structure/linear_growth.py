"""Growth of structure in a flat w0-wa universe without radiation, to second order."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import CubicTable, hubble_ratio_64

EARLIEST = np.log(1e-3)  # ln a, chosen: matter rules; the growth is that of Einstein-de Sitter before
STEPS = 1024  # chosen: of the fourth-order integration; 1e-9 in D


class Growth(NamedTuple):
    """Growth in ln a: displacements grow as first and second, at the rates f = d ln D / d ln a."""

    first: CubicTable  # D1, 1 today
    first_rate: CubicTable  # f1
    second: CubicTable  # D2, about -3/7 D1^2
    second_rate: CubicTable  # f2
    early: float  # D1 / a when matter ruled: D1 = 1 today

    def at(self, redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """D1, f1, D2, f2 at a redshift, any shape; holds for 0 <= redshift < 900."""
        x = -np.log1p(redshift)
        return self.first(x), self.first_rate(x), self.second(x), self.second_rate(x)


def growth(cosmology: Cosmology) -> Growth:
    """Growth from its equations, with x = ln a and primes for d/dx.

    D1'' + (2 + H'/H) D1' = 3/2 Om(a) D1;   D2'' + (2 + H'/H) D2' = 3/2 Om(a) (D2 - D1^2)
    starting from D1 = a, D2 = -3/7 a^2.
    Error: < 1e-6 against a solver of adaptive steps (tests/physics/structure/test_structure.py)
    Source: Bouchet et al. 1995, A&A 296, 575, Eqs. 12 and 13; Linder & Jenkins 2003, MNRAS 346, 573 (w0, wa).
    """
    x = np.linspace(EARLIEST, 0.0, 2 * STEPS + 1)  # every other is the middle of a step
    matter, friction = _coefficients(cosmology, x)

    def slope(i: int, y: np.ndarray) -> np.ndarray:
        source = 1.5 * matter[i] * np.array([y[0], y[2] - y[0] ** 2])
        return np.array([y[1], source[0] - friction[i] * y[1], y[3], source[1] - friction[i] * y[3]])

    a, h = np.exp(EARLIEST), x[2] - x[0]
    solution = [np.array([a, a, -3.0 / 7.0 * a**2, -6.0 / 7.0 * a**2])]
    for i in range(0, 2 * STEPS, 2):
        y = solution[-1]
        k1 = slope(i, y)
        k2 = slope(i + 1, y + 0.5 * h * k1)
        k3 = slope(i + 1, y + 0.5 * h * k2)
        k4 = slope(i + 2, y + h * k3)
        solution.append(y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4))
    rise = [slope(2 * i, y) for i, y in enumerate(solution)]
    return _tables(np.array(solution).T, np.array(rise).T, h)


def _coefficients(cosmology: Cosmology, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Om(a) and 2 + H'/H at x = ln a."""
    c, a = cosmology, np.exp(x)
    matter = c.Om0 * a**-3 / hubble_ratio_64(cosmology, 1.0 / a - 1.0) ** 2
    return matter, 2.0 - 1.5 * (1.0 + (c.w0 + c.wa * (1.0 - a)) * (1.0 - matter))


def _tables(y: np.ndarray, rise: np.ndarray, step: float) -> Growth:
    """Tables of growth and of its rates, from the solutions and their slopes, rows D1, D1', D2, D2'."""
    today = y[0, -1]

    def table(values, slopes):
        return CubicTable(EARLIEST, step, values, slopes * step)

    def rate(i):
        f = y[i + 1] / y[i]
        return table(f, rise[i + 1] / y[i] - f**2)

    return Growth(
        first=table(y[0] / today, rise[0] / today),
        first_rate=rate(0),
        second=table(y[2] / today**2, rise[2] / today**2),
        second_rate=rate(2),
        early=float(1.0 / today),
    )
