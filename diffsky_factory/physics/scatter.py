"""Scatter of galaxies around the relations of their population: logistic deviates.

Source: the scatter of diffsky 0.3.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.parameters import STEEPNESS, Within
from diffsky_factory.core.types import Scalar


class ScatterParameters(NamedTuple):
    """Steepness k of the logistic scatter: its standard deviation is pi / (sqrt(3) k), so a larger value means less.

    Two of them act only through rival stages, as no equation of diffsky 0.3 has them: fburst_scatter in
    burst_population_with_scatter, lgmet_scatter in metallicity_with_scatter.
    """

    delta_scatter: Annotated[Scalar, Within(0.0, 10.0)] = 4.98  # 1/u; of the slope of the attenuation curve
    av_scatter: Annotated[Scalar, Within(0.0, 10.0)] = 1.63  # 1/softplus^-1 mag; of A_V
    fburst_scatter: Annotated[Scalar, Within(0.0, 10.0)] = 4.98  # 1/u; of the mass fraction of bursts, see above
    lgmet_scatter: Annotated[Scalar, Within(0.0, 10.0)] = 5.72  # 1/dex; of the median metallicity, see above
    funo_scatter: Annotated[Scalar, Within(0.0, 10.0)] = 4.97  # 1/u; of the unobscured fraction


def logistic(draw: Scalar, steepness: Scalar) -> Scalar:
    """Logistic deviate from a uniform draw: ln(u / (1 - u)) / k, 0 at u = 1/2."""
    return (jnp.log(draw) - jnp.log1p(-draw)) / steepness


def scattered(value: Scalar, limits: tuple[float, float], draw: Scalar, steepness: Scalar) -> Scalar:
    """A value within limits, with a logistic deviate in its unbounded coordinate u, so that it stays within them."""
    lo, hi = limits
    r = (value - lo) / (hi - lo)
    return lo + (hi - lo) * jax.nn.sigmoid(jnp.log(r) - jnp.log1p(-r) + STEEPNESS * logistic(draw, steepness))
