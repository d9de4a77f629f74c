"""The synthetic universe: the same under any tiling, and true to its mass functions."""

import jax
import numpy as np
import pytest
from scipy import integrate

from diffsky_factory.inputs.simulations.arrange import REQUIRED
from diffsky_factory.inputs.simulations.synthetic import CELL_ORDER, Synthetic, _tables
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.halos.mass_function import log10_cumulative_density
from diffsky_factory.physics.halos.subhalo_mass_function import mean_satellites
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import (
    comoving_volume_per_redshift,
    hubble_ratio,
    in_float64,
    redshift_at_distance_64,
)

UNIVERSE = Synthetic(log10_mass_min=11.5, seed=42)
PINNED = {"rows": 4880, "halo_id": 429496731986, "log10_halo_mass": 13.21691781993551, "redshift": 1.9261525235161499}
TILE = 6, 20000  # order, pixel: 0.84 deg^2, 16 cells


@pytest.fixture(scope="module")
def halos():
    return UNIVERSE.halos(*TILE)


def joined(universe, order, pixels, where=None):
    parts = [universe.halos(order, pixel, where) for pixel in pixels]
    return {name: np.concatenate([part[name] for part in parts]) for name in universe.columns}


def by_id(rows):
    order = np.argsort(rows["halo_id"])
    return {name: values[order] for name, values in rows.items() if name != "host_row"}


def assert_same(a, b):
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("order", [7, 8, 9, 10])
def test_a_tile_alone_is_the_tile_in_a_larger_run_bit_for_bit(order, halos):
    pixels = tiles.finer(TILE[1], TILE[0], order)
    assert_same(by_id(joined(UNIVERSE, order, pixels)), by_id(halos))


def test_another_instance_and_process_order_give_the_same_halos(halos):
    other = Synthetic(log10_mass_min=11.5, seed=42)
    other.halos(7, 3)
    assert_same(other.halos(*TILE), halos)


def test_the_halos_of_a_seed_are_those_of_every_release():
    # a store is resumed, and a halo named by its id, years later
    rows = UNIVERSE.halos(8, 100)
    assert len(rows["halo_id"]) == PINNED["rows"]
    assert rows["halo_id"][0] == PINNED["halo_id"]
    assert rows["log10_halo_mass"][0] == pytest.approx(PINNED["log10_halo_mass"], abs=1e-12)
    assert rows["redshift"][-1] == pytest.approx(PINNED["redshift"], abs=1e-12)


def test_another_seed_gives_other_halos(halos):
    other = Synthetic(log10_mass_min=11.5, seed=43).halos(*TILE)
    assert not np.isin(other["redshift"], halos["redshift"]).any()


@pytest.mark.parametrize(("order", "pixel"), [(6, 20000), (8, 7), (9, 100_000), (11, 30_000_000)])
def test_the_count_is_the_number_of_rows(order, pixel):
    assert UNIVERSE.count(order, pixel) == len(UNIVERSE.halos(order, pixel)["halo_id"])


def test_a_cone_holds_the_hosts_within_it_and_counts_them():
    ra, dec = (float(x[0]) for x in tiles.centres(np.array([TILE[1]]), TILE[0]))
    cone = {"cone": {"ra": ra, "dec": dec, "radius": 0.3}}
    pixels = UNIVERSE.tiles(7, cone)
    rows = joined(UNIVERSE, 7, pixels, cone)
    assert len(rows["ra"]) == sum(UNIVERSE.count(7, pixel, cone) for pixel in pixels)
    everything = joined(UNIVERSE, 7, pixels)
    hosts = everything["is_central"]
    centre = np.deg2rad(dec)
    sky_ra, sky_dec = np.deg2rad(everything["ra"] - ra), np.deg2rad(everything["dec"])
    cosine = np.sin(centre) * np.sin(sky_dec) + np.cos(centre) * np.cos(sky_dec) * np.cos(sky_ra)
    expected = everything["halo_id"][hosts & (cosine >= np.cos(np.deg2rad(0.3)))]
    assert set(rows["halo_id"][rows["is_central"]]) == set(expected)
    assert set(rows["host_halo_id"]) == set(expected)
    assert UNIVERSE.area(cone) == pytest.approx(360.0**2 / (2.0 * np.pi) * (1.0 - np.cos(np.deg2rad(0.3))), rel=1e-9)


def test_a_region_finer_than_the_tiles_is_cut_exactly():
    finer = {"pixels": [int(p) for p in tiles.finer(TILE[1], TILE[0], 9)[5:9]], "order": 9}
    pixels = UNIVERSE.tiles(7, finer)
    rows = joined(UNIVERSE, 7, pixels, finer)
    expected = joined(UNIVERSE, 9, UNIVERSE.tiles(9, finer))
    assert_same(by_id(rows), by_id(expected))


def test_ids_are_unique_positive_and_name_their_cell(halos):
    ids = halos["halo_id"]
    assert len(np.unique(ids)) == len(ids)
    assert (ids > 0).all()
    hosts = halos["is_central"]
    cells = tiles.pixel(halos["ra"][hosts], halos["dec"][hosts], CELL_ORDER)
    np.testing.assert_array_equal(ids[hosts] >> 32, cells)
    np.testing.assert_array_equal(halos["host_halo_id"], ids[halos["host_row"]])


def test_positions_redshifts_and_velocities_close(halos):
    position = np.stack([halos[name] for name in "xyz"], axis=-1)
    radius = np.linalg.norm(position, axis=-1)
    redshift = redshift_at_distance_64(UNIVERSE.cosmology, radius)
    np.testing.assert_allclose(halos["redshift"], redshift, atol=1e-9, rtol=0)
    direction = position / radius[:, None]
    ra, dec = np.deg2rad(halos["ra"]), np.deg2rad(halos["dec"])
    np.testing.assert_allclose(direction[:, 2], np.sin(dec), atol=1e-12)
    np.testing.assert_allclose(direction[:, 0], np.cos(dec) * np.cos(ra), atol=1e-12)
    speed = sum(halos[f"v{axis}"] * direction[:, i] for i, axis in enumerate("xyz"))
    expected = (1.0 + halos["redshift"]) * (1.0 + speed / 299792.458) - 1.0
    np.testing.assert_allclose(halos["redshift_obs"], expected, atol=1e-12)
    hosts = halos["is_central"]
    number = np.count_nonzero(hosts)
    assert np.std(halos["vx"][hosts]) == pytest.approx(300.0, rel=4.0 / np.sqrt(2.0 * number))


@pytest.fixture(scope="module")
def wide():
    """Hosts and satellites of more sky and less mass range, for the statistics."""
    universe = Synthetic(log10_mass_min=11.5, redshift_max=1.2, seed=7)
    return universe, joined(universe, 5, [5000, 5001])


@pytest.mark.parametrize("mass", [11.6, 12.5, 13.5])
@pytest.mark.parametrize("shell", [(0.05, 0.4), (0.4, 0.8), (0.8, 1.2)])
def test_host_counts_follow_the_mass_function_within_poisson(mass, shell, wide):
    universe, rows = wide
    per_redshift = in_float64(comoving_volume_per_redshift)
    above = in_float64(log10_cumulative_density)

    def density(z):
        return per_redshift(universe.cosmology, z) * 10.0 ** above(universe.mass_function, mass, z)

    sky = 2 * tiles.pixel_area(5) / tiles.FULL_SKY
    expected = sky * integrate.quad(density, *shell, epsrel=1e-4)[0]
    z, m = rows["redshift"], rows["log10_halo_mass"]
    found = np.count_nonzero(rows["is_central"] & (m > mass) & (z > shell[0]) & (z < shell[1]))
    assert abs(found - expected) < 4.0 * np.sqrt(expected)
    assert expected > 10


@pytest.mark.parametrize(("low", "high"), [(12.0, 12.5), (12.5, 13.0), (13.0, 13.5), (13.5, 14.5)])
@pytest.mark.parametrize("least", [11.5, 11.9])
def test_satellite_numbers_follow_the_subhalo_mass_function(low, high, least, wide):
    universe, rows = wide
    mass = rows["log10_halo_mass"]
    hosts = rows["is_central"] & (mass > low) & (mass < high)
    with jax.enable_x64(True):
        mean = mean_satellites(universe.subhalo_mass_function, least - mass[hosts], mass[hosts])
    expected = float(np.asarray(mean).sum())
    member = ~rows["is_central"] & (mass > least)
    found = np.count_nonzero(member & np.isin(rows["host_halo_id"], rows["halo_id"][hosts]))
    assert abs(found - expected) < 4.0 * np.sqrt(expected)


def test_satellites_live_within_the_virial_radius_and_below_the_mass_of_their_host(halos):
    host = halos["host_row"]
    member = np.flatnonzero(~halos["is_central"])
    host = host[member]
    apart = np.sqrt(sum((halos[axis][member] - halos[axis][host]) ** 2 for axis in "xyz"))
    z, cosmology = halos["redshift"][host], UNIVERSE.cosmology
    ratio = in_float64(hubble_ratio)(cosmology, z)
    omega = cosmology.Om0 * (1.0 + z) ** 3 / ratio**2
    radius = satellites.virial_radius(halos["log10_halo_mass"][host], ratio, omega, cosmology.h) * (1.0 + z)
    assert (apart <= radius * (1.0 + 1e-6)).all()
    assert 0.3 < np.median(apart / radius) < 0.6  # NFW with c of 3 to 10: half the mass within 0.36 to 0.5
    assert (halos["log10_halo_mass"][member] <= halos["log10_halo_mass"][host]).all()
    assert (halos["log10_halo_mass"] >= UNIVERSE.log10_mass_min).all()


def test_the_virial_radius_by_hand():
    # 1e12 Msun today, Om = 0.3075, h = 0.6774: Delta = 101.9, rho_c = 1.2735e11 Msun / Mpc^3
    assert satellites.virial_radius(12.0, 1.0, 0.3075, 0.6774) == pytest.approx(0.2642, rel=2e-3)


def test_nfw_radii_hold_the_mass_they_should():
    c, u = np.array([[3.0], [5.0], [15.0]]), np.linspace(1e-6, 1.0, 50)
    x = satellites.nfw_radius(u, c) * c
    mass = (np.log1p(x) - x / (1.0 + x)) / (np.log1p(c) - c / (1.0 + c))
    np.testing.assert_allclose(mass, np.broadcast_to(u, mass.shape), atol=1e-8)


def test_concentrations_are_those_of_the_published_relation():
    # Dutton & Maccio 2014: log c = 1.025 at 1e12 Msun/h and z = 0
    assert satellites.concentration(12.0 - np.log10(0.7), 0.0, 0.7) == pytest.approx(10.0**1.025)


def test_the_rarest_draws_do_not_break_the_tables():
    tables = _tables(UNIVERSE)
    rare = np.array([1.0, 0.5, 2.0**-30, 2.0**-53])
    mass = tables.mass(np.full(4, 1.0), rare)
    assert mass[0] == UNIVERSE.log10_mass_min
    assert (np.diff(mass) > 0).all()
    assert mass[-1] <= 17.0
    ratio = tables.ratio(np.full(4, 15.9), rare)
    assert (np.diff(ratio) > 0).all()
    assert ratio[-1] <= 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"redshift_min": 0.5, "redshift_max": 0.5001},
        {"redshift_min": 1e-5, "redshift_max": 0.01, "log10_mass_min": 10.0},
        {"redshift_min": 5.0, "redshift_max": 5.2, "log10_mass_min": 10.5},
        {"log10_mass_min": 15.5, "redshift_max": 15.0},
    ],
)
def test_thin_near_far_and_empty_universes_work(options):
    universe = Synthetic.from_options(options)
    rows = universe.halos(5, 5)
    assert universe.count(5, 5) == len(rows["halo_id"])
    hosts = rows["redshift"][rows["is_central"]]
    assert ((hosts >= universe.redshift_min) & (hosts <= universe.redshift_max)).all()


def test_masses_from_the_table_agree_with_the_mass_function():
    rng = np.random.default_rng(4)
    z, u = rng.uniform(0.01, 2.0, 2000), 1.0 - rng.random(2000)
    mass = _tables(UNIVERSE).mass(z, u)
    above = in_float64(log10_cumulative_density)
    p = UNIVERSE.mass_function
    target = above(p, UNIVERSE.log10_mass_min, z) + np.log10(u)
    slope = (above(p, mass + 1e-4, z) - above(p, mass - 1e-4, z)) / 2e-4
    assert np.abs((above(p, mass, z) - target) / slope).max() < 1e-3


def test_it_gives_what_arranging_and_stages_need(halos):
    assert set(REQUIRED) <= set(halos)
    for name, kind in UNIVERSE.columns.items():
        assert halos[name].dtype == kind, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redshift_maximum": 3.0}, "did you mean redshift_max"),
        ({"mass_function": {"ytp_ytq": 1.0}}, "did you mean ytp_ytp"),
        ({"redshift_min": 0.5, "redshift_max": 0.4}, "redshift_min"),
        ({"log10_mass_min": 5.0}, "log10_mass_min"),
        ({"log10_mass_min": 8.5, "redshift_max": 12.0}, "mass function rises"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_options_are_refused_with_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        Synthetic.from_options(options)


def test_plain_options_build_the_same_universe():
    built = Synthetic.from_options({"log10_mass_min": 12.0, "cosmology": {"Om0": 0.31, "h": 0.7}})
    assert built.cosmology.Om0 == 0.31
    assert built == Synthetic.from_options({"log10_mass_min": 12.0, "cosmology": {"h": 0.7, "Om0": 0.31}})
    with pytest.raises(ValueError, match="no pixel"):
        built.count(3, 12 * 4**3)
