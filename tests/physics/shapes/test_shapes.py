"""Sizes, axis ratios, orientations and outlines on the sky."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, truncnorm

from diffsky_factory.physics.shapes import orientation, projection, sizes
from diffsky_factory.physics.shapes.axis_ratios import axis_ratios
from diffsky_factory.physics.shapes.projection import half_turn, projected_ellipse, sky_frame
from diffsky_factory.sky.coordinates import cartesian
from tests.physics.draws import apply

N = 20_000
RANDOM = 1e-3  # p-value below which a draw does not have its law

directions = st.tuples(st.floats(0.0, 360.0, exclude_max=True), st.floats(-89.9, 89.9))


def unit(*xyz: float) -> np.ndarray:
    return np.array(xyz, float) / np.linalg.norm(xyz)


def outline(ba, ca, major, minor, position) -> projection.Ellipse:
    with jax.enable_x64(True):
        arguments = [jnp.asarray(value, float) for value in (ba, ca, major, minor)]
        ellipse = projected_ellipse(*arguments, sky_frame(jnp.asarray(position, float)))
    return projection.Ellipse(*map(float, ellipse))


def angle_between(a, b) -> np.ndarray:
    """Difference of two position angles [deg], in [-90, 90)."""
    return (np.asarray(a) - np.asarray(b) + 90.0) % 180.0 - 90.0


# sizes


@pytest.mark.parametrize(("redshift", "disk", "bulge"), [(0.0, 0.8073, 0.461), (3.0, 0.6644, 0.461)])
def test_medians_at_the_pivot(redshift, disk, bulge):
    assert sizes.disk_median(10.0, redshift) == pytest.approx(disk, abs=1e-4)
    assert sizes.bulge_median(10.0, redshift) == pytest.approx(bulge, abs=1e-6)


def test_medians_stay_within_their_limits():
    for median in (sizes.disk_median, sizes.bulge_median):
        assert float(median(-5.0, 1.0)) == pytest.approx(-1.0, abs=1e-6)
        assert float(median(20.0, 0.0)) == pytest.approx(np.log10(40.0), abs=1e-6)


def test_sizes_scatter_by_a_fifth_of_a_dex_each_on_its_own():
    out = apply(sizes.sizes, N, log10_stellar_mass=10.5, redshift=0.5)
    disk = np.log10(out["disk_half_light_radius_3d"]) - float(sizes.disk_median(10.5, 0.5))
    bulge = np.log10(out["bulge_half_light_radius_3d"]) - float(sizes.bulge_median(10.5, 0.5))
    for deviate in (disk, bulge):
        assert kstest(deviate / 0.2, norm.cdf).pvalue > RANDOM
    assert abs(np.corrcoef(disk, bulge)[0, 1]) < 4.0 / np.sqrt(N)


# axis ratios


def test_axis_ratios_have_their_laws():
    out = apply(axis_ratios, N)
    assert kstest(out["disk_axis_ratio_ba"], "uniform", (0.4, 0.4)).pvalue > RANDOM
    assert kstest(out["disk_axis_ratio_ca"] / out["disk_axis_ratio_ba"], "uniform", (0.15, 0.55)).pvalue > RANDOM
    law = truncnorm((0.5 - 2.0) / 0.9, (1.0 - 2.0) / 0.9, 2.0, 0.9)
    assert kstest(out["bulge_axis_ratio_ba"], law.cdf).pvalue > RANDOM
    thickness = out["bulge_axis_ratio_ca"] / out["bulge_axis_ratio_ba"]
    assert kstest(thickness[thickness < 0.98], "uniform", (0.5, 0.48)).pvalue > RANDOM
    for part in ("disk", "bulge"):
        assert np.all(out[f"{part}_axis_ratio_ca"] < out[f"{part}_axis_ratio_ba"])
        assert np.all(out[f"{part}_axis_ratio_ba"] <= 1.0)


# orientation


def assert_axes(out: dict[str, np.ndarray]) -> None:
    major, minor = out["galaxy_major_axis"], out["galaxy_minor_axis"]
    for axis in (major, minor):
        np.testing.assert_allclose(np.linalg.norm(axis, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.sum(major * minor, axis=1), 0.0, atol=1e-6)


def test_orientations_are_isotropic():
    out = apply(orientation.orientation, N)
    assert_axes(out)
    for axis in out.values():
        for component in axis.T:  # a coordinate of a random direction is uniform
            assert kstest(component, "uniform", (-1.0, 2.0)).pvalue > RANDOM


POLES = [unit(0.3, -0.5, 0.8), unit(0.0, 0.0, 1.0), unit(0.0, 0.0, -1.0), unit(1.0, 1e-4, -1e-4)]


def aligned(strength, pole, n=N) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Orientations about one axis of the halo, and cosines of the angles of the minor axis from it."""
    out = apply(orientation.orientation_aligned, n, halo_minor_axis=pole[None], alignment_strength=strength)
    return out, out["galaxy_minor_axis"] @ pole


@pytest.mark.parametrize("pole", POLES)
def test_strength_one_is_the_axis_of_the_halo_and_minus_one_at_right_angles_to_it(pole):
    out, cosine = aligned(1.0, 5.0 * pole)  # the length of the halo's axis has no meaning
    assert_axes(out)
    np.testing.assert_allclose(np.abs(cosine), 5.0, rtol=1e-5)
    out, cosine = aligned(-1.0, pole)
    assert_axes(out)
    np.testing.assert_allclose(cosine, 0.0, atol=1e-5)


@pytest.mark.parametrize("pole", POLES)
def test_strength_zero_is_isotropic(pole):
    out, cosine = aligned(0.0, pole)
    assert_axes(out)
    assert kstest(cosine, "uniform", (-1.0, 2.0)).pvalue > RANDOM
    assert kstest(out["galaxy_minor_axis"][:, 0], "uniform", (-1.0, 2.0)).pvalue > RANDOM
    assert kstest(out["galaxy_major_axis"][:, 1], "uniform", (-1.0, 2.0)).pvalue > RANDOM


@pytest.mark.parametrize("strength", [-0.5, 0.3, 0.8])
def test_angles_follow_the_angular_central_gaussian(strength):
    _, cosine = aligned(strength, POLES[0])
    ratio = (1.0 - strength) / (1.0 + strength)  # of tangents, to an isotropic angle

    def cdf(c):
        return ratio * c / np.sqrt(1.0 - (1.0 - ratio**2) * c**2)

    assert kstest(np.abs(cosine), cdf).pvalue > RANDOM


def test_the_strength_of_centrals_gives_the_measured_misalignment():
    """35 deg rms on the sky: Okumura et al. 2009."""
    halo = apply(orientation.orientation, N)["galaxy_minor_axis"][::-1]
    strength = apply(orientation.alignment_strength, 1, is_central=True)["alignment_strength"][0]
    out = apply(orientation.orientation_aligned, N, halo_minor_axis=halo, alignment_strength=strength)
    angle = [np.rad2deg(np.arctan2(axis[:, 1], axis[:, 0])) for axis in (halo, out["galaxy_minor_axis"])]
    assert np.sqrt(np.mean(angle_between(*angle) ** 2)) == pytest.approx(35.0, abs=1.0)


def test_a_halo_without_a_shape_leaves_the_galaxy_at_random():
    out, _ = aligned(1.0, np.zeros(3))
    assert_axes(out)
    assert kstest(out["galaxy_minor_axis"][:, 2], "uniform", (-1.0, 2.0)).pvalue > RANDOM


# the frame on the sky


@settings(max_examples=50, deadline=None, derandomize=True)
@given(place=directions)
def test_east_and_north_are_where_ra_and_dec_increase(place):
    ra, dec = place
    step = 1e-4
    with jax.enable_x64(True):
        frame = sky_frame(jnp.asarray(cartesian(ra, dec, 1234.5)))
    here, eastward, northward = (cartesian(ra + a, dec + d, 1.0) for a, d in ((0.0, 0.0), (step, 0.0), (0.0, step)))
    np.testing.assert_allclose(frame.away, here, atol=1e-12)
    np.testing.assert_allclose(frame.east, unit(*(eastward - here)), atol=1e-5)
    np.testing.assert_allclose(frame.north, unit(*(northward - here)), atol=1e-5)


@pytest.mark.parametrize("position", [(0.0, 0.0, 3.0), (0.0, 0.0, -3.0), (0.0, 0.0, 0.0), (1e-30, 0.0, 1e4)])
def test_the_frame_is_orthonormal_where_a_direction_has_no_meaning(position):
    frame = np.stack(sky_frame(jnp.asarray(position, jnp.float32)))
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(frame[0], [0.0, 1.0, 0.0], atol=1e-6)  # that of ra = 0


# outlines


def test_a_face_on_disk_shows_its_own_axes():
    # at ra = 0, dec = 0: east is y, north is z
    tilt = np.deg2rad(30.0)
    major = np.array([0.0, np.sin(tilt), np.cos(tilt)])  # 30 deg from north towards east
    seen = outline(0.6, 0.1, major, unit(1, 0, 0), (100.0, 0.0, 0.0))
    assert seen == pytest.approx((1.0, 0.4, 30.0, 0.0), abs=1e-9)


def test_an_edge_on_disk_shows_its_thickness():
    across = outline(0.6, 0.1, unit(0, 1, 0), unit(0, 0, 1), (100.0, 0.0, 0.0))
    assert across == pytest.approx((1.0, 0.9, 90.0, 90.0), abs=1e-9)
    along = outline(0.6, 0.1, unit(1, 0, 0), unit(0, 0, 1), (100.0, 0.0, 0.0))
    assert along == pytest.approx((0.6, 1.0 - 0.1 / 0.6, 90.0, 90.0), abs=1e-9)


@pytest.mark.parametrize("inclination", [0.0, 10.0, 45.0, 80.0, 90.0])
def test_a_round_disk_has_the_axis_ratio_of_its_inclination(inclination):
    i, thickness = np.deg2rad(inclination), 0.1
    minor = np.array([np.cos(i), np.sin(i), 0.0])
    seen = outline(1.0, thickness, unit(0, 0, 1), minor, (7.0, 0.0, 0.0))
    ratio = np.sqrt(np.cos(i) ** 2 + thickness**2 * np.sin(i) ** 2)  # of an oblate spheroid
    assert (seen.semi_major, 1.0 - seen.ellipticity, seen.inclination) == pytest.approx((1.0, ratio, inclination))
    assert seen.position_angle == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), place=directions)
def test_no_point_of_the_ellipsoid_lies_outside_of_its_outline(seed, place):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    ba, cb = rng.uniform(0.2, 1.0), rng.uniform(0.1, 1.0)
    position = cartesian(*place, 1.0)
    seen = outline(ba, ba * cb, axes[0], axes[2], position)
    with jax.enable_x64(True):
        frame = sky_frame(jnp.asarray(position))
    angle = np.deg2rad(seen.position_angle)
    along = np.cos(angle) * np.asarray(frame.north) + np.sin(angle) * np.asarray(frame.east)
    aside = np.cross(np.asarray(frame.away), along)
    lengths = np.array([1.0, ba, ba * cb])

    def reach(direction):  # how far the ellipsoid extends in a direction of the sky
        return np.linalg.norm(lengths * (axes @ direction))

    assert reach(along) == pytest.approx(seen.semi_major, rel=1e-9)
    assert reach(aside) == pytest.approx(seen.semi_major * (1.0 - seen.ellipticity), rel=1e-9)
    for turn in rng.uniform(0.0, np.pi, 20):
        reached = reach(np.cos(turn) * along + np.sin(turn) * aside)
        assert reached <= seen.semi_major * (1.0 + 1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), place=directions, turn=st.floats(-360.0, 360.0))
def test_turning_a_galaxy_about_the_line_of_sight_turns_its_position_angle(seed, place, turn):
    from scipy.spatial.transform import Rotation

    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    position = cartesian(*place, 1.0)
    before = outline(0.6, 0.2, axes[0], axes[2], position)
    # away from the observer, east to the left of north: a turn towards east is left-handed about the line of sight
    turned = Rotation.from_rotvec(-np.deg2rad(turn) * position).apply(axes)
    after = outline(0.6, 0.2, turned[0], turned[2], position)
    np.testing.assert_allclose([after[i] for i in (0, 1, 3)], [before[i] for i in (0, 1, 3)], atol=1e-6)
    assert angle_between(after.position_angle, before.position_angle + turn) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), place=directions, turn=st.floats(-360.0, 360.0))
def test_turning_the_sky_about_its_poles_changes_no_outline(seed, place, turn):
    from scipy.spatial.transform import Rotation

    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    position = cartesian(*place, 1.0)
    before = outline(0.6, 0.2, axes[0], axes[2], position)
    rotation = Rotation.from_euler("z", turn, degrees=True)
    after = outline(0.6, 0.2, *rotation.apply(axes[[0, 2]]), rotation.apply(position))
    np.testing.assert_allclose(after[:2], before[:2], atol=1e-9)
    assert angle_between(after.position_angle, before.position_angle) == pytest.approx(0.0, abs=1e-6)


def test_position_angles_are_uniform_and_inclinations_those_of_random_directions():
    axes = apply(orientation.orientation, N)
    ratios = apply(axis_ratios, N)
    place = apply(orientation.orientation, N)["galaxy_major_axis"][::-1] * 3000.0
    radii = {"disk_half_light_radius_3d": 5.0, "bulge_half_light_radius_3d": 1.0}
    out = apply(projection.projected_shapes, N, **axes, **ratios, **radii, **dict(zip("xyz", place.T)))
    for part in ("disk", "bulge"):
        angle = out[f"{part}_position_angle"]
        assert angle.min() >= 0.0
        assert angle.max() < 180.0
        assert kstest(angle, "uniform", (0.0, 180.0)).pvalue > RANDOM
        assert kstest(np.cos(np.deg2rad(out[f"{part}_inclination"])), "uniform").pvalue > RANDOM
    # a bulge is twisted against its disk, beyond what their axis ratios do
    twist = angle_between(out["bulge_position_angle"], out["disk_position_angle"])
    assert 20.0 < np.sqrt(np.mean(twist**2)) < 40.0
    assert out["disk_half_light_radius"].max() <= 0.765 * 5.0 * (1.0 + 1e-6)


@pytest.mark.thorough
def test_in_a_box_galaxies_are_seen_along_z():
    given = {**apply(orientation.orientation, 500), **apply(axis_ratios, 500)}
    given |= {"disk_half_light_radius_3d": 5.0, "bulge_half_light_radius_3d": 1.0}
    in_a_box = apply(projection.projected_shapes_along_z, 500, **given)
    far = apply(projection.projected_shapes, 500, **given, x=0.0, y=0.0, z=1e3)
    assert list(in_a_box) == list(far)
    for name, values in far.items():
        if name != "bulge_position_angle":  # twisted by other draws
            np.testing.assert_allclose(in_a_box[name], values, rtol=1e-6, err_msg=name)
    tilt = np.abs(given["galaxy_minor_axis"][:, 2])
    np.testing.assert_allclose(np.cos(np.deg2rad(in_a_box["disk_inclination"])), tilt, atol=1e-5)


@given(angle=st.floats(-1e5, 1e5, width=32))
def test_a_position_angle_is_from_0_to_below_180(angle):
    turned = float(half_turn(jnp.float32(angle)))
    assert 0.0 <= turned < 180.0
    assert angle_between(turned, angle) == pytest.approx(0.0, abs=1e-2)


SPECIAL = [
    ((5.0, 0.0, 0.0), (0, 0, 1), (1, 0, 0), 1.0),  # face-on and round
    ((5.0, 0.0, 0.0), (0, 0, 1), (0, 1, 0), 1.0),  # edge-on
    ((0.0, 0.0, 5.0), (1, 0, 0), (0, 0, 1), 0.7),  # at a pole, face-on
    ((0.0, 0.0, -5.0), (1, 0, 0), (0, 1, 0), 0.7),
    ((0.0, 0.0, 0.0), (1, 0, 0), (0, 1, 0), 0.7),  # at the observer
]


@pytest.mark.parametrize(("position", "major", "minor", "ba"), SPECIAL)
def test_gradients_are_finite_where_angles_have_no_meaning(position, major, minor, ba):
    def total(position, major, minor, ba):
        return sum(projected_ellipse(ba, 0.3, major, minor, sky_frame(position)))

    arguments = [jnp.asarray(value, jnp.float32) for value in (position, major, minor, ba)]
    for gradient in jax.grad(total, argnums=(0, 1, 2, 3))(*arguments):
        assert np.all(np.isfinite(gradient))
