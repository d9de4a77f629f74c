"""Scale radii of halos from two radii that hold known fractions of their mass, as of an NFW profile."""

import numpy as np

CONCENTRATION = 1.0, 100.0  # chosen: outer radius over scale radius, of any halo there is
NODES = 2048  # chosen: linear steps of 1e-5 relative


def scale_radius(inner: np.ndarray, outer: np.ndarray, inner_share: float, outer_share: float) -> np.ndarray:
    """Scale radius of the NFW profile of which two radii hold two shares of the mass.

    m(inner / s) / m(outer / s) = inner_share / outer_share, with m(x) = ln(1 + x) - x / (1 + x), solved for s.

    inner, outer : (n,), any unit, that of the result; shares : of one mass, inner_share < outer_share
    Returns float64, NaN where outer / s is not within CONCENTRATION.
    Error: < 1e-4 relative (tests/inputs/readers/test_abacus_box.py).
    Source: Navarro, Frenk & White 1997, ApJ 490, 493.
    """
    concentration = np.geomspace(*CONCENTRATION, NODES)
    ratio = concentration / _radius_of_mass(inner_share / outer_share * _mass(concentration))
    measured = np.asarray(outer, np.float64) / np.where(inner > 0.0, inner, np.nan)
    found = np.exp(np.interp(measured, ratio, np.log(concentration), left=np.nan, right=np.nan))
    return np.asarray(outer, np.float64) / found


def _mass(x: np.ndarray) -> np.ndarray:
    """Mass inside x scale radii, in units of 4 pi rho_s r_s^3."""
    return np.log1p(x) - x / (1.0 + x)


def _radius_of_mass(mass: np.ndarray) -> np.ndarray:
    """The inverse of `_mass`, to 1e-10, by halving an interval of ln x."""
    low, high = np.full_like(mass, np.log(1e-4)), np.full_like(mass, np.log(CONCENTRATION[1]))
    for _ in range(45):
        middle = 0.5 * (low + high)
        below = _mass(np.exp(middle)) < mass
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))
