"""How galaxies are turned: at random, or by the shape of their halo.

The disk and the bulge of a galaxy share one orientation: directions of the major and the minor axis in the frame of
x, y, z, each up to its sign.
"""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Uniform, Vector

# chosen: an rms of 35 deg between luminous red galaxies and their halos on the sky; Okumura et al. 2009, ApJ 694, 214
ALIGNMENT_OF_CENTRALS = 0.6
ALIGNMENT_OF_SATELLITES = 0.0  # chosen: members of clusters show none; Sifon et al. 2015, A&A 575, A48


class Orientation(NamedTuple):
    galaxy_major_axis: Vector
    galaxy_minor_axis: Vector


@stage
def orientation(*, draw_inclination: Uniform, draw_azimuth: Uniform, draw_spin: Uniform) -> Orientation:
    """Directions of the axes of a galaxy, isotropic.

    Writes
        galaxy_major_axis : -
        galaxy_minor_axis : -
    """
    cosine, sine = _isotropic(draw_inclination)
    return Orientation(*_axes(cosine, sine, _angle(draw_azimuth), _angle(draw_spin)))


def _isotropic(draw: Scalar) -> tuple[Scalar, Scalar]:
    """Cosine and sine of the angle from the pole; the sine without the difference of near numbers at the poles."""
    return 2.0 * draw - 1.0, 2.0 * jnp.sqrt(draw * (1.0 - draw))


def _angle(draw: Scalar) -> Scalar:
    return 2.0 * jnp.pi * draw


def _axes(cosine: Scalar, sine: Scalar, azimuth: Scalar, spin: Scalar) -> tuple[Vector, Vector]:
    """Major and minor axis: the minor one at an angle from z and an azimuth, the major one turned about it."""
    across = jnp.stack([-jnp.sin(azimuth), jnp.cos(azimuth), jnp.zeros_like(azimuth)])
    outward = jnp.stack([jnp.cos(azimuth), jnp.sin(azimuth), jnp.zeros_like(azimuth)])
    pole = jnp.array([0.0, 0.0, 1.0], across.dtype)
    minor = sine * outward + cosine * pole
    upward = sine * pole - cosine * outward  # minor x across
    return jnp.cos(spin) * across + jnp.sin(spin) * upward, minor


class AlignmentStrength(NamedTuple):
    alignment_strength: Scalar


@stage
def alignment_strength(*, is_central: Scalar) -> AlignmentStrength:
    """How strongly a galaxy is aligned with its halo: 1 exactly, 0 at random, -1 at right angles.

    Reads
        is_central : -
    Writes
        alignment_strength : -
    Used by `orientation_aligned` alone; a column given with the halos takes its place.
    Source: Okumura et al. 2009, ApJ 694, 214; Sifon et al. 2015, A&A 575, A48.
    """
    return AlignmentStrength(jnp.where(jnp.asarray(is_central, bool), ALIGNMENT_OF_CENTRALS, ALIGNMENT_OF_SATELLITES))


@stage
def orientation_aligned(
    *,
    halo_minor_axis: Vector,
    alignment_strength: Scalar,
    draw_inclination: Uniform,
    draw_azimuth: Uniform,
    draw_spin: Uniform,
) -> Orientation:
    """Minor axis scattered about the minor axis of the halo; turned at random about itself.

    The tangent of the angle between the two is (1 - A) / (1 + A) times that of an isotropic one, with A the strength:
    an angular central Gaussian law, which plays the part of the Dimroth-Watson law of halo models and has its limits
    exactly.

    Reads
        halo_minor_axis : -
        alignment_strength : -
    Writes
        galaxy_major_axis : -
        galaxy_minor_axis : -
    A halo without a shape, with an axis of zeros, gives a random orientation.
    Source: Tyler 1987, Biometrika 74, 579, for the law; Van Alfen et al. 2024, OJAp 7, for alignments in halo models.
    """
    squared = jnp.sum(halo_minor_axis**2)
    has_axis = squared > 0.0
    unit = halo_minor_axis / jnp.sqrt(jnp.where(has_axis, squared, 1.0))
    pole = jnp.where(has_axis, unit, jnp.array([0.0, 0.0, 1.0], halo_minor_axis.dtype))
    strength = jnp.where(has_axis, jnp.clip(alignment_strength, -1.0, 1.0), 0.0)

    cosine, sine = _isotropic(draw_inclination)
    cosine, sine = (1.0 + strength) * cosine, (1.0 - strength) * sine
    length = jnp.sqrt(cosine**2 + sine**2)
    major, minor = _axes(cosine / length, sine / length, _angle(draw_azimuth), _angle(draw_spin))
    frame = _frame(pole)
    return Orientation(major @ frame, minor @ frame)


def _frame(pole: Vector) -> Vector:
    """Three orthonormal rows of which the last is the pole, finite for every direction.

    Source: Duff et al. 2017, JCGT 6, 1.
    """
    x, y, z = pole
    sign = jnp.where(z < 0.0, -1.0, 1.0)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = jnp.stack([1.0 + sign * x * x * a, sign * b, -sign * x])
    return jnp.stack([first, jnp.stack([b, sign + y * y * a, -y]), pole])
