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

    delta_scatter: Annotated[
        Scalar, Within(0.0, 10.0, "", "steepness of the logistic scatter of the unbounded dust slope")
    ] = 4.98
    av_scatter: Annotated[
        Scalar, Within(0.0, 10.0, "", "steepness of the logistic scatter of the inverse softplus of A_V")
    ] = 1.63
    fburst_scatter: Annotated[
        Scalar, Within(0.0, 10.0, "", "steepness of the logistic scatter of the unbounded burst fraction")
    ] = 4.98
    lgmet_scatter: Annotated[
        Scalar, Within(0.0, 10.0, "1 / dex", "steepness of the logistic scatter of the median metallicity")
    ] = 5.72
    funo_scatter: Annotated[
        Scalar, Within(0.0, 10.0, "", "steepness of the logistic scatter of the unbounded unobscured fraction")
    ] = 4.97


def logistic(draw: Scalar, steepness: Scalar) -> Scalar:
    """Logistic deviate from a uniform draw: ln(u / (1 - u)) / k, 0 at u = 1/2."""
    return (jnp.log(draw) - jnp.log1p(-draw)) / steepness


def scattered(value: Scalar, limits: tuple[float, float], draw: Scalar, steepness: Scalar) -> Scalar:
    """A value within limits, with a logistic deviate in its unbounded coordinate u, so that it stays within them."""
    lo, hi = limits
    r = (value - lo) / (hi - lo)
    return lo + (hi - lo) * jax.nn.sigmoid(jnp.log(r) - jnp.log1p(-r) + STEEPNESS * logistic(draw, steepness))
