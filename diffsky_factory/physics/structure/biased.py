"""Halos in the initial conditions: how many there are where the linear overdensity is high or low.

In numpy float64; shapes broadcast.
"""

from typing import NamedTuple

import numpy as np

COLLAPSE = 1.686  # linear overdensity at which a sphere collapses
NARROWEST = 0.25  # chosen: least variance of overdensity where halos of one mass form, in units of the variance of all


class Preference(NamedTuple):
    """Where halos of one mass and redshift form: a normal density of z-scores of the linear overdensity."""

    mean: np.ndarray
    variance: np.ndarray

    def factor(self, score: np.ndarray) -> np.ndarray:
        """Their number per cell over the mean, at a z-score of the overdensity; 1 on average over a unit normal.

        f = N(score; mean, variance) / N(score; 0, 1)
        """
        return np.exp(0.5 * score**2 - 0.5 * (score - self.mean) ** 2 / self.variance) / np.sqrt(self.variance)

    def environment(self, score: np.ndarray) -> np.ndarray:
        """The z-score among halos of the same mass and redshift: a unit normal."""
        return (score - self.mean) / np.sqrt(self.variance)


def preference(sigma: np.ndarray, b1: np.ndarray, b2: np.ndarray) -> Preference:
    """Where halos of Lagrangian bias b1 and b2 form, for an overdensity of rms sigma.

    mean = b1 sigma,  variance = 1 + (b2 - b1^2) sigma^2, at least NARROWEST
    The mean of f is 1 and its first two derivatives' means over a unit normal are b1 sigma and b2 sigma^2: so the
    bias on scales much larger than the smoothing is b1 and b2, whatever the smoothing.
    Source: the renormalised bias of Matsubara 2011, PRD 83, 083518, Sec. III; peaks and background as in Desjacques,
    Jeong & Schmidt 2018, Phys. Rep. 733, 1, Sec. 3.
    """
    return Preference(b1 * sigma, np.maximum(1.0 + (b2 - b1**2) * sigma**2, NARROWEST))


def primordial_response(b1: np.ndarray, resolved: np.ndarray) -> np.ndarray:
    """How the number of hosts changes with f_nl times a long primordial potential, beyond what cells already make.

    2 delta_c b1 - 2 b2 sigma^2,  with b1 and b2 Lagrangian and sigma that of the short waves in cells, whose amplitude
    the potential changes by 2 f_nl phi
    Source: Dalal et al. 2008, PRD 77, 123514; Slosar et al. 2008, JCAP 08, 031, Eq. 27.
    """
    return 2.0 * COLLAPSE * b1 - 2.0 * resolved
