"""Half-light radii of disks and bulges in three dimensions, from the stellar mass of the galaxy and redshift.

Source: the relations of diffsky 0.3, power laws in mass whose pivot and slope roll with redshift or mass.
"""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.smooth import exp10, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal, Scalar

PIVOT_MASS = 10.0  # dex(Msun) of the whole galaxy
# sigmoids of redshift: x0, k, value at low and at high redshift
DISK_RADIUS = (1.6, 2.5, 0.81, 0.66)  # dex(kpc) at the pivot
DISK_SLOPE = (0.7, 5.0, 0.21, 0.18)  # dex per dex
BULGE_BEND = (1.0, 2.5, 10.2, 11.6)  # dex(Msun), where the slope changes
BULGE_RADIUS = 0.461  # dex(kpc) at the pivot
BULGE_SLOPE = (1.0, 0.14, 0.25)  # steepness per dex of mass, slope below and above the bend
LARGEST, SMALLEST = 40.0, 0.1  # kpc, of the median
SCATTER = 0.2  # dex


def disk_median(log10_stellar_mass: Scalar, redshift: Scalar) -> Scalar:
    """Median log10 half-light radius [dex(kpc)] of disks."""
    slope = sigmoid(redshift, *DISK_SLOPE)
    return _within(sigmoid(redshift, *DISK_RADIUS) + slope * (log10_stellar_mass - PIVOT_MASS))


def bulge_median(log10_stellar_mass: Scalar, redshift: Scalar) -> Scalar:
    """Median log10 half-light radius [dex(kpc)] of bulges."""
    steepness, low, high = BULGE_SLOPE
    slope = sigmoid(log10_stellar_mass, sigmoid(redshift, *BULGE_BEND), steepness, low, high)
    return _within(BULGE_RADIUS + slope * (log10_stellar_mass - PIVOT_MASS))


def _within(log10_radius: Scalar) -> Scalar:
    return jnp.clip(log10_radius, jnp.log10(SMALLEST), jnp.log10(LARGEST))


class Sizes(NamedTuple):
    disk_half_light_radius_3d: Scalar
    bulge_half_light_radius_3d: Scalar


@stage
def sizes(*, log10_stellar_mass: Scalar, redshift: Scalar, draw_disk: Normal, draw_bulge: Normal) -> Sizes:
    """Half-light radii along the major axes, lognormal about medians that depend on the mass of the whole galaxy.

    Reads
        log10_stellar_mass : dex(solMass)
        redshift : -
    Writes
        disk_half_light_radius_3d : kpc, physical
        bulge_half_light_radius_3d : kpc, physical
    Holds for any mass: medians are kept between 0.1 and 40 kpc. The scatter is not limited.
    """
    disk = disk_median(log10_stellar_mass, redshift) + SCATTER * draw_disk
    bulge = bulge_median(log10_stellar_mass, redshift) + SCATTER * draw_bulge
    return Sizes(exp10(disk), exp10(bulge))
