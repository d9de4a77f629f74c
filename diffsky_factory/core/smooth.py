"""Smooth functions that the model is written with: sigmoids, rolling lines, triweight kernels.

Notation and constants: Hearin et al. 2021, OJAp 4, 7; Hearin et al. 2023, MNRAS 521, 1741. All are elementwise.
"""

import jax
import jax.numpy as jnp

LN10 = 2.302585092994046
TRIWEIGHT_SUPPORT = 3.0  # half the width of the kernel, in units of its scale


def exp10(x):
    """10^x as an exponential, several times faster than a power; relative error 1e-6 in 32 bits for |x| < 20."""
    return jnp.exp(LN10 * x)


def sigmoid(x, x0, k, lo, hi):
    """lo at small x, hi at large x: lo + (hi - lo) / (1 + exp(-k (x - x0)))."""
    return lo + (hi - lo) * jax.nn.sigmoid(k * (x - x0))


def inverse_sigmoid(y, x0, k, lo, hi):
    """The x at which sigmoid(x, x0, k, lo, hi) = y; NaN or infinite for y on or outside (lo, hi)."""
    return x0 - jnp.log((hi - lo) / (y - lo) - 1.0) / k


def rolling_line(x, x_pivot, y_pivot, x0, k, slope_lo, slope_hi):
    """A line through (x_pivot, y_pivot) whose slope rolls from slope_lo to slope_hi around x0."""
    return y_pivot + sigmoid(x, x0, k, slope_lo, slope_hi) * (x - x_pivot)


def triweight_cdf(y):
    """Cumulative triweight kernel: 0 below -3, 1 above 3,
    1/2 + 35y/96 - 35y^3/864 + 7y^5/2592 - 5y^7/69984 between.
    """
    y = jnp.clip(y, -TRIWEIGHT_SUPPORT, TRIWEIGHT_SUPPORT)
    y2 = y * y
    return 0.5 + y * (35.0 / 96.0 + y2 * (-35.0 / 864.0 + y2 * (7.0 / 2592.0 - y2 * (5.0 / 69984.0))))


def triweight(x, centre, scale):
    """Normalised triweight kernel (35/96) (1 - (y/3)^2)^3 / scale, y = (x - centre) / scale, 0 for |y| > 3."""
    y = jnp.clip((x - centre) / (TRIWEIGHT_SUPPORT * scale), -1.0, 1.0)
    return 35.0 / 96.0 * (1.0 - y * y) ** 3 / scale


def triweight_step(x, x0, scale, lo, hi):
    """lo below x0 - 3 scale, hi above x0 + 3 scale, a triweight CDF between."""
    return lo + (hi - lo) * triweight_cdf((x - x0) / scale)
