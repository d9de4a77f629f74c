"""How many subhalos a host has, by the ratio of their peak mass to the mass of the host."""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import sigmoid
from diffsky_factory.core.types import Scalar

KNEE, STEEPNESS_IN_RATIO, SLOPE_AT_ONE = -0.35, 10.0, -3.1  # dex, per dex, 1; diffhalos 0.2.0
PIVOT_RATIO = -1.0  # dex; diffhalos 0.2.0
PIVOT_HOST = 13.0  # dex(Msun); diffhalos 0.2.0


class SubhaloMassFunctionParameters(NamedTuple):
    """log N at a tenth of the host mass (ytp) and slope at small ratios (ylo), as functions of the host mass.

    The number is that of `log10_cumulative_number`.
    Defaults: SMDPL. The bounds are chosen: generous, none is published.
    Source: diffhalos 0.2.0.
    """

    ytp_ytp: Annotated[
        Scalar, Within(-2.0, 2.0, "dex", "number of subhalos above a tenth of the mass of a host of 10^13 Msun")
    ] = 0.06
    ytp_x0: Annotated[
        Scalar, Within(11.0, 15.0, "dex(solMass)", "pivot in host mass of the slope of the number of subhalos")
    ] = 13.72
    ytp_k: Annotated[
        Scalar, Within(0.1, 6.0, "1 / dex", "steepness in host mass of the slope of the number of subhalos")
    ] = 1.95
    ytp_ylo: Annotated[
        Scalar, Within(-1.0, 1.0, "", "slope of the number of subhalos in host mass, low-mass hosts")
    ] = 0.06
    ytp_yhi: Annotated[
        Scalar, Within(-1.0, 1.0, "", "slope of the number of subhalos in host mass, high-mass hosts")
    ] = 0.15
    ylo_ytp: Annotated[
        Scalar, Within(-3.0, 0.0, "", "slope of the number in mass ratio, at small ratios in hosts of 10^13 Msun")
    ] = -0.98
    ylo_x0: Annotated[
        Scalar, Within(11.0, 15.0, "dex(solMass)", "pivot in host mass of the change of the slope at small ratios")
    ] = 12.4
    ylo_k: Annotated[
        Scalar, Within(0.1, 6.0, "1 / dex", "steepness in host mass of the change of the slope at small ratios")
    ] = 1.67
    ylo_ylo: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "change with host mass of the slope at small ratios, low-mass hosts")
    ] = 0.34
    ylo_yhi: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "change with host mass of the slope at small ratios, high-mass hosts")
    ] = 0.09


def log10_cumulative_number(p: SubhaloMassFunctionParameters, log10_ratio: Scalar, log10_host_mass: Scalar) -> Scalar:
    """log10 of the number of subhalos of one host above a mass ratio; any shape that broadcasts.

    log N(>mu) = ytp + s (log mu + 1),  s = sigmoid(log mu; -0.35, 10, ylo, -3.1)

    log10_ratio : dex, peak mass of the subhalo over mass of the host, at most 0
    log10_host_mass : dex(Msun)
    As fitted, N(>1) is about 1e-3 and not 0: `mean_satellites` takes it off. Independent of redshift.
    Source: diffhalos 0.2.0, fitted to SMDPL.
    """
    ytp, ylo = _at_host_mass(p, log10_host_mass)
    slope = sigmoid(log10_ratio, KNEE, STEEPNESS_IN_RATIO, ylo, SLOPE_AT_ONE)
    return ytp + slope * (log10_ratio - PIVOT_RATIO)


def number_per_dex(p: SubhaloMassFunctionParameters, log10_ratio: Scalar, log10_host_mass: Scalar) -> Scalar:
    """Number of subhalos of one host per dex of mass ratio: -d N(>mu) / d log mu.

    dN/dlog mu = -ln10 N(>mu) [s + s' (log mu + 1)],  s' = 10 (-3.1 - ylo) f (1 - f)
    """
    ytp, ylo = _at_host_mass(p, log10_host_mass)
    f = sigmoid(log10_ratio, KNEE, STEEPNESS_IN_RATIO, 0.0, 1.0)
    slope = ylo + (SLOPE_AT_ONE - ylo) * f
    bend = STEEPNESS_IN_RATIO * (SLOPE_AT_ONE - ylo) * f * (1.0 - f)
    number = 10.0 ** (ytp + slope * (log10_ratio - PIVOT_RATIO))
    return -np.log(10.0) * number * (slope + bend * (log10_ratio - PIVOT_RATIO))


def mean_satellites(p: SubhaloMassFunctionParameters, log10_ratio: Scalar, log10_host_mass: Scalar) -> Scalar:
    """Mean number of satellites of one host above a mass ratio and below the mass of the host.

    N(>mu) - N(>1), in the mean and hence in the distribution of mu alike; 0 where mu >= 1, that is for a host
    below the mass limit of subhalos.
    """
    above = 10.0 ** log10_cumulative_number(p, log10_ratio, log10_host_mass)
    heavier = 10.0 ** log10_cumulative_number(p, 0.0, log10_host_mass)
    return jnp.where(log10_ratio < 0.0, above - heavier, 0.0)


def _at_host_mass(p: SubhaloMassFunctionParameters, log10_host_mass: Scalar) -> tuple:
    """The coefficients ytp and ylo: lines through 1e13 Msun whose slope changes."""
    m = jnp.asarray(log10_host_mass)

    def line(name):
        at, x0, k, lo, hi = [getattr(p, f"{name}_{end}") for end in ("ytp", "x0", "k", "ylo", "yhi")]
        return at + sigmoid(m, x0, k, lo, hi) * (m - PIVOT_HOST)

    return line("ytp"), line("ylo")
