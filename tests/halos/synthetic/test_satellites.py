"""Satellites as they are drawn: profile, shape and speeds of groups, and each from its id alone."""

import numpy as np
import pytest
from scipy.stats import kstest

from diffsky_factory.halos.synthetic import satellites as drawn
from diffsky_factory.halos.synthetic.tables import satellite_tables
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.structure.abundance import linear_theory
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import hubble_ratio_64

REDSHIFT, HOSTS, EACH, SEED = 0.3, 2000, 100, 11
TABLES = satellite_tables(SubhaloMassFunctionParameters(), 11.0)
HOST = np.repeat(np.arange(HOSTS), EACH)
IDS = 10**9 + np.arange(HOSTS * EACH)


@pytest.fixture(scope="module", params=[13.0, 14.5])
def hosts(request):
    theory, z = linear_theory(Cosmology()), np.full(HOSTS, REDSHIFT)
    halo_id = 1000 * np.arange(HOSTS) + 1
    minor, rate = drawn.minor_axes(SEED, halo_id), hubble_ratio_64(theory.cosmology, z)
    return drawn.satellite_hosts(theory, SEED, halo_id, np.full(HOSTS, request.param), z, rate, minor)


@pytest.fixture(scope="module")
def found(hosts):
    return drawn.satellites_around(SEED, TABLES, hosts, HOST, IDS, 11.0)


def radii(hosts, found) -> np.ndarray:
    """Distances over the virial radius."""
    return np.linalg.norm(found.offset, axis=1) / (1.0 + REDSHIFT) / hosts.virial_radius[HOST]


def test_the_sum_over_groups_is_the_nfw_profile(hosts, found):
    r, edges = radii(hosts, found), np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    c = hosts.concentration[:, None]
    x = c * edges
    held = (np.log1p(x) - x / (1.0 + x)) / (np.log1p(c) - c / (1.0 + c))
    expected = np.diff(held, axis=1).mean(axis=0) * len(r)
    number = np.histogram(r, edges)[0]
    assert r.max() <= 1.0 + 1e-9
    np.testing.assert_allclose(number, expected, rtol=0.02)
    assert (np.abs(number - expected) < 4.0 * np.sqrt(expected)).all()
    assert np.std(np.log10(hosts.concentration)) == pytest.approx(0.11, rel=0.06)


def ellipsoidal(hosts, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in the frame of the axes, over the virial radius, and their radii: NFW in the ellipsoidal radius."""
    rng = np.random.default_rng(5)
    host = rng.integers(HOSTS, size=number)
    length = np.exp(hosts.log_lengths[host])
    length /= np.cbrt(length.prod(axis=1))[:, None]
    direction = rng.normal(size=(number, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    farther = 5.0  # so that the sphere is full
    radius = farther * satellites.nfw_radius(rng.uniform(size=number), farther * hosts.concentration[host])
    place = radius[:, None] * length * direction
    return place, np.linalg.norm(place, axis=1)


def moments(place: np.ndarray) -> np.ndarray:
    """Spread along the middle and the minor axis over that along the major one."""
    spread = np.sqrt(np.mean(place**2, axis=0))
    return spread[1:] / spread[0]


def test_groups_have_the_shape_of_their_host(hosts, found):
    frame = np.einsum("nj,nij->ni", found.offset, hosts.axes[HOST])
    expected, there = ellipsoidal(hosts, 1_000_000)
    r = radii(hosts, found)
    for low, high in ((0.1, 0.4), (0.4, 1.0)):
        of_ellipsoids = moments(expected[(there > low) & (there < high)])
        assert (of_ellipsoids < [0.87, 0.78]).all()
        np.testing.assert_allclose(moments(frame[(r > low) & (r < high)]), of_ellipsoids, rtol=0.025)


def test_groups_are_as_dense_along_each_axis_as_ellipsoids_are(hosts, found):
    frame = np.einsum("nj,nij->ni", found.offset, hosts.axes[HOST])
    expected, there = ellipsoidal(hosts, 1_000_000)

    def along_each(place, r):
        some = (r > 0.3) & (r < 0.7)
        near = np.abs(place[some]) > np.cos(np.deg2rad(30.0)) * np.linalg.norm(place[some], axis=1)[:, None]
        return near.mean(axis=0)

    of_ellipsoids = along_each(expected, there)
    assert of_ellipsoids[0] > 3.0 * of_ellipsoids[2]  # an isotropic group has the same along all three
    np.testing.assert_allclose(along_each(frame, radii(hosts, found)), of_ellipsoids, rtol=0.08)


def test_hosts_are_turned_at_random(hosts):
    along = np.einsum("nij,nkj->nik", hosts.axes, hosts.axes)
    np.testing.assert_allclose(along, np.broadcast_to(np.eye(3), along.shape), atol=1e-12)
    np.testing.assert_allclose(np.mean(hosts.axes**2, axis=0), np.full((3, 3), 1.0 / 3.0), atol=0.03)
    for axis in range(3):
        assert kstest(np.abs(hosts.axes[:, 2, axis]), "uniform").pvalue > 1e-3


def test_speeds_follow_the_jeans_equation_and_none_escapes(hosts, found):
    x = hosts.concentration[HOST] * radii(hosts, found)
    scale = satellites.velocity_scale(hosts.log10_mass, hosts.virial_radius, hosts.concentration)[HOST]
    speed = np.linalg.norm(found.velocity, axis=1) / scale
    assert (speed < satellites.escape_speed(x)).all()
    for low, high in ((0.0, 0.3), (0.3, 1.0), (1.0, 3.0), (3.0, 8.0)):
        some = (x > low) & (x < high)
        expected = np.sqrt(np.mean(satellites.velocity_dispersion(x[some]) ** 2))
        for axis in range(3):
            assert np.std((found.velocity[:, axis] / scale)[some]) == pytest.approx(expected, rel=0.02)
        assert np.sqrt(np.mean(speed[some] ** 2) / 3.0) == pytest.approx(expected, rel=0.01)
    gravity = satellites.GRAVITY * 10.0 ** hosts.log10_mass[HOST] / hosts.virial_radius[HOST]
    assert np.sqrt(np.mean(found.velocity**2) / gravity.mean()) == pytest.approx(0.66, abs=0.025)


def test_scores_are_unit_normal_and_rise_outwards(hosts, found):
    assert kstest(found.radius_score, "norm").pvalue > 1e-3
    one = hosts.concentration[HOST].argsort(kind="stable")[:EACH]  # satellites of one host
    assert (np.diff(found.radius_score[one][np.argsort(radii(hosts, found)[one])]) > 0.0).all()


def test_a_satellite_is_the_same_whichever_others_are_made(hosts, found):
    some = np.random.default_rng(3).permutation(len(IDS))[:500]
    rows, host = np.unique(HOST[some], return_inverse=True)
    of_these = drawn.SatelliteHosts(*(column[rows] for column in hosts))
    again = drawn.satellites_around(SEED, TABLES, of_these, host, IDS[some], 11.0)
    for one, all_ in zip(again, found):
        np.testing.assert_array_equal(one, all_[some])
    other = drawn.satellites_around(SEED + 1, TABLES, hosts, HOST, IDS, 11.0)
    assert not np.isin(other.offset, found.offset).any()


def test_the_columns_of_a_catalogue_say_how_its_groups_are_turned():
    rows = Synthetic(log10_mass_min=11.5, redshift_max=0.15, seed=2).halos(4, 600)
    central, axis = rows["is_central"], rows["halo_minor_axis"]
    np.testing.assert_allclose(np.linalg.norm(axis[central], axis=1), 1.0, atol=1e-6)
    assert (axis[~central] == 0.0).all()
    assert (rows["satellite_radius_score"][central] == 0.0).all()
    assert np.std(rows["satellite_radius_score"][~central]) == pytest.approx(1.0, abs=0.05)
    place = np.stack([rows[name] for name in "xyz"], axis=-1)
    away = (place - place[rows["host_row"]])[~central]
    along = np.einsum("ni,ni->n", away, axis[rows["host_row"]][~central]) / np.linalg.norm(away, axis=1)
    # 1/3 if at random; rounder where c/a is 0.5
    assert len(along) > 1500
    assert 0.18 < np.mean(along**2) < 0.25
