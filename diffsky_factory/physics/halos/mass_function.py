"""How many host halos there are, by mass and redshift."""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import sigmoid
from diffsky_factory.core.types import Scalar

STEEPNESS_IN_MASS = 1.2  # per dex; diffhalos 0.2.0
PIVOT_MASS = 13.0  # dex(Msun); diffhalos 0.2.0
PIVOT_REDSHIFT = 3.0  # diffhalos 0.2.0


class HaloMassFunctionParameters(NamedTuple):
    """Slopes of log n(>m) below (lo) and above (hi) the knee x0, and its value ytp at 1e13 Msun, as functions of z.

    The mass function is that of `log10_cumulative_density`; an evolution is a slope in redshift.
    Defaults: hosts of SMDPL by peak mass. The bounds are chosen: generous, none is published.
    Source: diffhalos 0.2.0.
    """

    ytp_ytp: Annotated[
        Scalar, Within(-9.0, -2.0, "dex(1 / Mpc3)", "density of hosts above 10^13 Msun at z = 3")
    ] = -5.33
    ytp_x0: Annotated[
        Scalar, Within(-1.0, 6.0, "", "pivot in redshift of the evolution of the density above 10^13 Msun")
    ] = 1.318
    ytp_k: Annotated[
        Scalar, Within(0.05, 6.0, "", "steepness in redshift of the evolution of the density above 10^13 Msun")
    ] = 0.543
    ytp_ylo: Annotated[
        Scalar, Within(-3.0, 1.0, "dex", "evolution of the density above 10^13 Msun per unit redshift at low redshift")
    ] = -0.171
    ytp_yhi: Annotated[
        Scalar, Within(-4.0, 1.0, "dex", "evolution of the density above 10^13 Msun per unit redshift at high redshift")
    ] = -1.344
    x0_ytp: Annotated[Scalar, Within(11.0, 15.0, "dex(solMass)", "knee of the mass function at z = 3")] = 13.03
    x0_x0: Annotated[Scalar, Within(-1.0, 6.0, "", "pivot in redshift of the evolution of the knee")] = 1.781
    x0_k: Annotated[Scalar, Within(0.05, 6.0, "", "steepness in redshift of the evolution of the knee")] = 1.559
    x0_ylo: Annotated[
        Scalar, Within(-3.0, 1.0, "dex", "evolution of the knee per unit redshift at low redshift")
    ] = -0.811
    x0_yhi: Annotated[
        Scalar, Within(-3.0, 1.0, "dex", "evolution of the knee per unit redshift at high redshift")
    ] = -0.51
    lo_x0: Annotated[Scalar, Within(0.0, 8.0, "", "pivot in redshift of the mass slope below the knee")] = 3.62
    lo_k: Annotated[Scalar, Within(0.05, 6.0, "", "steepness in redshift of the mass slope below the knee")] = 0.693
    lo_ylo: Annotated[
        Scalar, Within(-2.0, 0.0, "", "slope of the mass function below the knee at low redshift")
    ] = -0.792
    lo_yhi: Annotated[
        Scalar, Within(-6.0, 0.0, "", "slope of the mass function below the knee at high redshift")
    ] = -2.442
    hi_ytp: Annotated[Scalar, Within(-10.0, 0.0, "", "slope of the mass function above the knee at z = 3")] = -3.727
    hi_x0: Annotated[
        Scalar, Within(0.0, 8.0, "", "pivot in redshift of the evolution of the mass slope above the knee")
    ] = 4.312
    hi_k: Annotated[
        Scalar, Within(0.05, 6.0, "", "steepness in redshift of the evolution of the mass slope above the knee")
    ] = 1.113
    hi_ylo: Annotated[
        Scalar, Within(-3.0, 1.0, "", "evolution of the mass slope above the knee per unit redshift at low redshift")
    ] = -0.426
    hi_yhi: Annotated[
        Scalar, Within(-3.0, 1.0, "", "evolution of the mass slope above the knee per unit redshift at high redshift")
    ] = -0.265


def log10_cumulative_density(p: HaloMassFunctionParameters, log10_mass: Scalar, redshift: Scalar) -> Scalar:
    """log10 of the number of hosts above a mass, per comoving Mpc^3 (no h); any shape that broadcasts.

    log n(>m) = ytp(z) + s (m - 13),  s = sigmoid(m; x0(z), 1.2, lo(z), hi(z))

    m : dex(Msun), largest mass of the main progenitor so far. Independent of cosmology.
    Holds where it falls with mass: see `falls_with_mass`.
    Source: diffhalos 0.2.0, fitted to the peak masses of hosts of SMDPL (Klypin et al. 2016, MNRAS 457, 4340).
    """
    ytp, x0, lo, hi = _at_redshift(p, redshift)
    return ytp + sigmoid(log10_mass, x0, STEEPNESS_IN_MASS, lo, hi) * (log10_mass - PIVOT_MASS)


def density_per_dex(p: HaloMassFunctionParameters, log10_mass: Scalar, redshift: Scalar) -> Scalar:
    """Number of hosts per dex of mass and comoving Mpc^3 (not its logarithm): -d n(>m) / dm.

    dn/dm = -ln10 n(>m) [s + s' (m - 13)],  s' = 1.2 (hi - lo) f (1 - f),  f = sigmoid(m; x0, 1.2, 0, 1)
    """
    ytp, x0, lo, hi = _at_redshift(p, redshift)
    f = sigmoid(log10_mass, x0, STEEPNESS_IN_MASS, 0.0, 1.0)
    slope = lo + (hi - lo) * f
    bend = STEEPNESS_IN_MASS * (hi - lo) * f * (1.0 - f)
    density = 10.0 ** (ytp + slope * (log10_mass - PIVOT_MASS))
    return -np.log(10.0) * density * (slope + bend * (log10_mass - PIVOT_MASS))


def falls_with_mass(p: HaloMassFunctionParameters, log10_mass: Scalar, redshift: Scalar) -> Scalar:
    """Whether n(>m) falls at this mass and redshift, as it must; false at low mass and z > 9 or so."""
    return density_per_dex(p, log10_mass, redshift) > 0.0


def _at_redshift(p: HaloMassFunctionParameters, redshift: Scalar) -> tuple:
    """The four coefficients ytp, x0, lo, hi; three are lines through z = 3 whose slope changes."""
    z = jnp.asarray(redshift)

    def line(name):
        at, x0, k, lo, hi = [getattr(p, f"{name}_{end}") for end in ("ytp", "x0", "k", "ylo", "yhi")]
        return at + sigmoid(z, x0, k, lo, hi) * (z - PIVOT_REDSHIFT)

    return line("ytp"), line("x0"), sigmoid(z, p.lo_x0, p.lo_k, p.lo_ylo, p.lo_yhi), line("hi")
