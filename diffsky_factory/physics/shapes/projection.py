"""Ellipses on the sky: the outlines of the ellipsoids that stand for disks and bulges, along each line of sight.

Position angles are those of astronomy: of the major axis, from north through east, in degrees, 0 <= angle < 180.
"""

from typing import NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal, Scalar, Vector

HALF_LIGHT_OF_OUTLINE = 0.765  # radius of half the light in projection over that in three dimensions; diffsky 0.3
TWIST = 20.0  # deg, rms of the angle between bulge and disk on the sky; diffsky 0.3
AT_POLE = 1e-20  # squared distance from the pole, over that from the observer, where east has no meaning
ROUND = 1e-24  # squared difference of the squared axes, over those squared, where an angle has no meaning


class SkyFrame(NamedTuple):
    """Unit vectors at one place on the sky."""

    east: Vector
    north: Vector
    away: Vector


def sky_frame(position: Vector) -> SkyFrame:
    """East, north and the line of sight at a position [any unit]; at a pole of the sky, those of ra = 0."""
    squared = jnp.sum(position**2)
    somewhere = squared > 0.0
    away = position / jnp.sqrt(jnp.where(somewhere, squared, 1.0))
    away = jnp.where(somewhere, away, jnp.array([1.0, 0.0, 0.0], position.dtype))
    x, y, _ = away
    from_pole = x**2 + y**2
    off_pole = from_pole > AT_POLE
    east = jnp.stack([-y, x, jnp.zeros_like(x)]) / jnp.sqrt(jnp.where(off_pole, from_pole, 1.0))
    east = jnp.where(off_pole, east, jnp.array([0.0, 1.0, 0.0], position.dtype))
    return SkyFrame(east, jnp.cross(away, east), away)


class Ellipse(NamedTuple):
    """Outline of one ellipsoid on the sky."""

    semi_major: Scalar  # in units of the ellipsoid's
    ellipticity: Scalar
    position_angle: Scalar  # deg
    inclination: Scalar  # deg


def projected_ellipse(ba: Scalar, ca: Scalar, major: Vector, minor: Vector, frame: SkyFrame) -> Ellipse:
    """Outline of an ellipsoid of axes 1, b/a, c/a, with its major and minor axis in directions `major`, `minor`.

    The ellipsoid with matrix Q = sum_i l_i^2 e_i e_i^T has the outline with the matrix P Q P^T, P the rows east and
    north; its determinant is sum_i (l_j l_k e_i . away)^2, without a difference of near numbers when seen edge-on.
    """
    axes = jnp.stack([major, jnp.cross(minor, major), minor])
    a2, b2, c2 = jnp.ones_like(ba), ba**2, ca**2
    squared = jnp.stack([a2, b2, c2])
    east, north, away = axes @ frame.east, axes @ frame.north, axes @ frame.away
    mean = 0.5 * jnp.sum(squared * (north**2 + east**2))
    along, across = 0.5 * jnp.sum(squared * (north**2 - east**2)), jnp.sum(squared * north * east)
    determinant = jnp.sum(jnp.stack([b2 * c2, a2 * c2, a2 * b2]) * away**2)

    difference = along**2 + across**2
    elongated = difference > ROUND
    major_squared = mean + jnp.where(elongated, jnp.sqrt(jnp.where(elongated, difference, 1.0)), 0.0)
    minor_squared = jnp.minimum(determinant / major_squared, major_squared)
    ellipticity = 1.0 - jnp.sqrt(minor_squared / major_squared)
    angle = 0.5 * jnp.rad2deg(jnp.arctan2(jnp.where(elongated, across, 0.0), jnp.where(elongated, along, 1.0)))

    aside = east[2] ** 2 + north[2] ** 2
    tilted = aside > ROUND
    sine = jnp.where(tilted, jnp.sqrt(jnp.where(tilted, aside, 1.0)), 0.0)
    inclination = jnp.rad2deg(jnp.arctan2(sine, jnp.abs(away[2])))
    return Ellipse(jnp.sqrt(major_squared), ellipticity, half_turn(angle), inclination)


def half_turn(angle: Scalar) -> Scalar:
    """An angle [deg] of an axis, in [0, 180)."""
    angle = angle - 180.0 * jnp.floor(angle / 180.0)
    return jnp.where(angle >= 180.0, 0.0, angle)  # where a small negative angle is rounded up


class ProjectedShapes(NamedTuple):
    disk_half_light_radius: Scalar
    disk_ellipticity: Scalar
    disk_position_angle: Scalar
    disk_inclination: Scalar
    bulge_half_light_radius: Scalar
    bulge_ellipticity: Scalar
    bulge_position_angle: Scalar
    bulge_inclination: Scalar


@stage
def projected_shapes(
    *,
    x: Scalar,
    y: Scalar,
    z: Scalar,
    galaxy_major_axis: Vector,
    galaxy_minor_axis: Vector,
    disk_half_light_radius_3d: Scalar,
    disk_axis_ratio_ba: Scalar,
    disk_axis_ratio_ca: Scalar,
    bulge_half_light_radius_3d: Scalar,
    bulge_axis_ratio_ba: Scalar,
    bulge_axis_ratio_ca: Scalar,
    draw_twist: Normal,
) -> ProjectedShapes:
    """Sizes and shapes of disk and bulge as they are seen from the origin; bulges are twisted against their disk.

    Reads
        x : Mpc
        y : Mpc
        z : Mpc
        galaxy_major_axis : -
        galaxy_minor_axis : -
        disk_half_light_radius_3d : kpc
        disk_axis_ratio_ba : -
        disk_axis_ratio_ca : -
        bulge_half_light_radius_3d : kpc
        bulge_axis_ratio_ba : -
        bulge_axis_ratio_ca : -
    Writes
        disk_half_light_radius : kpc, physical, major axis
        disk_ellipticity : -
        disk_position_angle : deg
        disk_inclination : deg
        bulge_half_light_radius : kpc, physical, major axis
        bulge_ellipticity : -
        bulge_position_angle : deg
        bulge_inclination : deg
    A round outline has position angle 0.
    """
    frame = sky_frame(jnp.stack([x, y, z]))
    return _seen(
        frame,
        (galaxy_major_axis, galaxy_minor_axis),
        (disk_half_light_radius_3d, disk_axis_ratio_ba, disk_axis_ratio_ca),
        (bulge_half_light_radius_3d, bulge_axis_ratio_ba, bulge_axis_ratio_ca),
        draw_twist,
    )


@stage
def projected_shapes_along_z(
    *,
    galaxy_major_axis: Vector,
    galaxy_minor_axis: Vector,
    disk_half_light_radius_3d: Scalar,
    disk_axis_ratio_ba: Scalar,
    disk_axis_ratio_ca: Scalar,
    bulge_half_light_radius_3d: Scalar,
    bulge_axis_ratio_ba: Scalar,
    bulge_axis_ratio_ca: Scalar,
    draw_twist: Normal,
) -> ProjectedShapes:
    """As `projected_shapes`, but as a far observer sees them along z: in a box; position angles are from -x through y.

    Reads
        galaxy_major_axis : -
        galaxy_minor_axis : -
        disk_half_light_radius_3d : kpc
        disk_axis_ratio_ba : -
        disk_axis_ratio_ca : -
        bulge_half_light_radius_3d : kpc
        bulge_axis_ratio_ba : -
        bulge_axis_ratio_ca : -
    Writes
        disk_half_light_radius : kpc, physical, major axis
        disk_ellipticity : -
        disk_position_angle : deg
        disk_inclination : deg
        bulge_half_light_radius : kpc, physical, major axis
        bulge_ellipticity : -
        bulge_position_angle : deg
        bulge_inclination : deg
    """
    frame = sky_frame(jnp.array([0.0, 0.0, 1.0], jnp.result_type(galaxy_major_axis)))
    return _seen(
        frame,
        (galaxy_major_axis, galaxy_minor_axis),
        (disk_half_light_radius_3d, disk_axis_ratio_ba, disk_axis_ratio_ca),
        (bulge_half_light_radius_3d, bulge_axis_ratio_ba, bulge_axis_ratio_ca),
        draw_twist,
    )


def _seen(
    frame: SkyFrame,
    axes: tuple[Vector, Vector],
    disk_3d: tuple[Scalar, Scalar, Scalar],
    bulge_3d: tuple[Scalar, Scalar, Scalar],
    twist: Scalar,
) -> ProjectedShapes:
    """Outlines of disk and bulge, each (half-light radius, b/a, c/a) in three dimensions."""
    major, minor = axes
    disk, bulge = (projected_ellipse(ba, ca, major, minor, frame) for _, ba, ca in (disk_3d, bulge_3d))
    return ProjectedShapes(
        HALF_LIGHT_OF_OUTLINE * disk_3d[0] * disk.semi_major,
        *disk[1:],
        HALF_LIGHT_OF_OUTLINE * bulge_3d[0] * bulge.semi_major,
        bulge.ellipticity,
        half_turn(bulge.position_angle + TWIST * twist),
        bulge.inclination,
    )
