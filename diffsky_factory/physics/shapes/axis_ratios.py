"""Axis ratios of the ellipsoids that stand for disks and bulges, a >= b >= c.

Source: the distributions of diffsky 0.3.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform

DISK_BA = (0.4, 0.8)
DISK_CB = (0.15, 0.7)
BULGE_BA = (0.5, 1.0)
BULGE_BA_MEAN, BULGE_BA_SCATTER = 2.0, 0.9  # of the normal law cut to BULGE_BA: rising towards round
BULGE_CB = (0.5, 1.0)
THICKEST = 0.99  # c/b at most


class AxisRatios(NamedTuple):
    disk_axis_ratio_ba: Scalar
    disk_axis_ratio_ca: Scalar
    bulge_axis_ratio_ba: Scalar
    bulge_axis_ratio_ca: Scalar


@stage
def axis_ratios(
    *, draw_disk_ba: Uniform, draw_disk_cb: Uniform, draw_bulge_ba: Uniform, draw_bulge_cb: Uniform
) -> AxisRatios:
    """Axis ratios in three dimensions: b/a and c/b uniform, but b/a of bulges a truncated normal.

    Writes
        disk_axis_ratio_ba : -
        disk_axis_ratio_ca : -
        bulge_axis_ratio_ba : -
        bulge_axis_ratio_ca : -
    """
    low, high = (ndtr((end - BULGE_BA_MEAN) / BULGE_BA_SCATTER) for end in BULGE_BA)
    bulge_ba = BULGE_BA_MEAN + BULGE_BA_SCATTER * ndtri(low + (high - low) * draw_bulge_ba)
    bulge_ba = jnp.clip(bulge_ba, *BULGE_BA)  # against rounding at the ends
    disk_ba = _uniform(DISK_BA, draw_disk_ba)
    disk_cb = jnp.minimum(_uniform(DISK_CB, draw_disk_cb), THICKEST)
    bulge_cb = jnp.minimum(_uniform(BULGE_CB, draw_bulge_cb), THICKEST)
    return AxisRatios(disk_ba, disk_ba * disk_cb, bulge_ba, bulge_ba * bulge_cb)


def _uniform(ends: tuple[float, float], draw: Scalar) -> Scalar:
    return ends[0] + (ends[1] - ends[0]) * draw
