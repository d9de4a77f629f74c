"""The synthetic universe: the same under any tiling, and true to its mass functions."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from scipy import integrate
from scipy.stats import kstest

from diffsky_factory.halos.synthetic import patches as synthetic_patches
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic.structure import IDS_PER_CHUNK
from diffsky_factory.halos.synthetic.universe import Synthetic, _structure, tables_at
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters, log10_cumulative_density
from diffsky_factory.physics.halos.subhalo_mass_function import mean_satellites
from diffsky_factory.physics.structure import abundance, chunks
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import (
    comoving_volume_per_redshift,
    hubble_ratio,
    in_float64,
    redshift_at_distance_64,
)
from diffsky_factory.sky.groups import REQUIRED, arrange

OPTIONS = {"log10_mass_min": 11.5, "redshift_max": 0.25, "seed": 42}
UNIVERSE = Synthetic(**OPTIONS)
PINNED = {
    "rows": 59,
    "halo_id": 2308097009258594490,
    "log10_halo_mass": 11.693233255520294,
    "redshift": 0.22362064942850512,
    "vx": 440.9561841745243,
}
SMDPL = HaloMassFunctionParameters()
TILE = 6, 20000  # order, pixel: 0.84 deg^2


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


@pytest.mark.parametrize("order", [*(pytest.param(n, marks=pytest.mark.thorough) for n in (7, 8, 10)), 9])
def test_a_tile_alone_is_the_tile_in_a_larger_run_bit_for_bit(order, halos):
    pixels = tiles.finer(TILE[1], TILE[0], order)
    assert_same(by_id(joined(UNIVERSE, order, pixels)), by_id(halos))


@pytest.mark.parametrize(("order", "pixel"), [TILE, (3, 200), (9, 5)], ids=["tile", "of patches", "small"])
def test_halos_pass_the_checks_of_files_and_are_in_their_order(order, pixel):
    found = Synthetic(**{**OPTIONS, "log10_mass_min": 12.5}).halos(order, pixel)
    assert_same(arrange({name: values for name, values in found.items() if name != "host_row"}), found)


def test_another_instance_and_process_order_give_the_same_halos(halos):
    forget()
    other = Synthetic(**OPTIONS)
    other.halos(10, 3)
    assert_same(other.halos(*TILE), halos)


def forget():
    """Drop all hosts and chunks that are kept, so that they are made again."""
    for recent in (synthetic_patches.PATCHES, synthetic_patches.CHUNKS):
        recent._kept.clear()


def test_threads_that_ask_at_once_get_the_same_halos(halos):
    forget()
    pixels = tiles.finer(TILE[1], TILE[0], 8)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda pixel: UNIVERSE.halos(8, int(pixel)), pixels))
    assert_same(
        by_id({name: np.concatenate([part[name] for part in parts]) for name in UNIVERSE.columns}), by_id(halos)
    )


def test_a_tile_wider_than_a_patch_is_its_patches():
    universe = Synthetic(log10_mass_min=12.5, redshift_max=0.05, seed=42)
    wide = universe.halos(4, 700)
    assert universe.count(4, 700) == len(wide["halo_id"])
    assert_same(by_id(joined(universe, 5, tiles.finer(700, 4, 5))), by_id(wide))


def test_the_halos_of_a_seed_are_those_of_every_release():
    # a store is resumed, and a halo named by its id, years later
    rows = UNIVERSE.halos(8, 100)
    assert len(rows["halo_id"]) == PINNED["rows"]
    assert rows["halo_id"][0] == PINNED["halo_id"]
    assert rows["log10_halo_mass"][0] == pytest.approx(PINNED["log10_halo_mass"], abs=1e-9)
    assert rows["redshift"][-1] == pytest.approx(PINNED["redshift"], abs=1e-9)
    assert rows["vx"][-1] == pytest.approx(PINNED["vx"], abs=1e-6)


@pytest.mark.thorough
def test_another_seed_gives_other_halos(halos):
    other = Synthetic(**{**OPTIONS, "seed": 43}).halos(*TILE)
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
    assert UNIVERSE.extent(cone) == pytest.approx(360.0**2 / (2.0 * np.pi) * (1.0 - np.cos(np.deg2rad(0.3))), rel=1e-9)


def test_a_region_finer_than_the_tiles_is_cut_exactly():
    finer = {"pixels": [int(p) for p in tiles.finer(TILE[1], TILE[0], 9)[5:9]], "order": 9}
    pixels = UNIVERSE.tiles(7, finer)
    rows = joined(UNIVERSE, 7, pixels, finer)
    expected = joined(UNIVERSE, 9, UNIVERSE.tiles(9, finer))
    assert_same(by_id(rows), by_id(expected))


def test_ids_are_unique_positive_and_name_their_chunk(halos):
    ids = halos["halo_id"]
    assert len(np.unique(ids)) == len(ids)
    assert (ids > 0).all()
    np.testing.assert_array_equal(halos["host_halo_id"], ids[halos["host_row"]])
    places = np.array([chunks.chunk_place(number) for number in ids // IDS_PER_CHUNK])
    centre = (places + 0.5) * chunks.CELLS * UNIVERSE.cell
    apart = np.abs(np.stack([halos[axis] for axis in "xyz"], axis=-1) - centre)
    # half a chunk, what anything moves, and the radius of a group
    bound = synthetic_structure.largest_move(_structure(UNIVERSE), np.zeros(1)) + 5.0
    assert apart.max() < 0.5 * chunks.CELLS * UNIVERSE.cell + bound


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


@pytest.fixture(scope="module")
def wide():
    """Hosts and satellites of more sky and less mass range, for the statistics."""
    universe = Synthetic(log10_mass_min=12.0, redshift_max=0.5, seed=42)
    return universe, joined(universe, 5, [5000, 1000])


@pytest.mark.parametrize("mass", [12.1, 13.0])
@pytest.mark.parametrize("shell", [(0.05, 0.35), (0.35, 0.5)])
def test_host_counts_follow_the_mass_function_within_cosmic_variance(mass, shell, wide):
    universe, rows = wide
    per_redshift = in_float64(comoving_volume_per_redshift)
    above = in_float64(log10_cumulative_density)

    def density(z):
        kind = _structure(universe).theory
        return per_redshift(kind.cosmology, z) * 10.0 ** above(SMDPL, mass, z)

    sky = 2 * tiles.pixel_area(5) / tiles.FULL_SKY
    expected = sky * integrate.quad(density, *shell, epsrel=1e-4)[0]
    z, m = rows["redshift"], rows["log10_halo_mass"]
    found = np.count_nonzero(rows["is_central"] & (m > mass) & (z > shell[0]) & (z < shell[1]))
    # some 8 % rms of matter in such a shell, by a bias of 1 to 1.7
    assert abs(found - expected) < 4.0 * np.sqrt(expected + (0.12 * expected) ** 2)


def test_hosts_of_a_chunk_are_poisson_about_the_numbers_of_their_cells():
    universe = Synthetic(log10_mass_min=13.5, seed=42)
    known = _structure(universe)
    cells = synthetic_structure.cells_on_light_cone(known, (4, 3, -2))
    every = np.ones(synthetic_structure.BLOCKS**3, bool)
    found = synthetic_structure.hosts(known, known.hosts, cells, every, lambda x: np.ones(len(x), bool))
    mean = known.hosts.mean_number(cells.redshift, cells.score) * universe.cell**3
    assert abs(len(found.halo_id) - mean.sum()) < 4.0 * np.sqrt(mean.sum())
    high = cells.score > 1.0
    blocks = (found.halo_id % IDS_PER_CHUNK) // synthetic_structure.IDS_PER_BLOCK
    per_block = np.bincount(blocks, minlength=len(every))
    expected = mean.reshape(len(every), -1).sum(axis=1)
    chi2 = np.sum((per_block - expected) ** 2 / expected)
    assert abs(chi2 - len(every)) < 4.0 * np.sqrt(2.0 * len(every))
    assert mean[high].mean() > 1.3 * mean.mean()


def test_environment_is_a_unit_normal_at_fixed_mass_and_redshift(wide):
    _, rows = wide
    hosts = rows["is_central"]
    of_host = dict(zip(rows["halo_id"][hosts], rows["environment"][hosts]))
    assert all(of_host[i] == e for i, e in zip(rows["host_halo_id"], rows["environment"]))
    for low, high in ((12.0, 12.3), (12.6, 13.0), (13.2, 15.0)):
        some = hosts & (rows["log10_halo_mass"] > low) & (rows["log10_halo_mass"] < high)
        e = rows["environment"][some]
        # waves of hundreds of Mpc move the mean of a small part of the sky
        assert abs(e.mean()) < 0.06
        assert abs(e.std() - 1.0) < 0.04
        assert kstest((e - e.mean()) / e.std(), "norm").statistic < 0.02 + 1.4 / np.sqrt(len(e))


@pytest.mark.thorough
def test_the_expected_count_is_the_mean_of_counts():
    universe = Synthetic(log10_mass_min=12.5, redshift_max=0.2, seed=42)
    pixels = [10, 2000]
    found = sum(universe.count(4, pixel) for pixel in pixels)
    assert found == pytest.approx(len(pixels) * universe.expected_count(4, pixels[0]), rel=0.2)
    half = {"order": 5, "pixels": [40, 41]}
    assert universe.expected_count(4, 10, half) == pytest.approx(0.5 * universe.expected_count(4, 10), rel=1e-12)


def test_a_box_has_the_abundance_and_the_velocities_of_linear_theory():
    universe = Synthetic(log10_mass_min=12.0, seed=42)
    found = [universe.cube(0.5, place, 1) for place in ((0, 0, 0), (5, 0, 1), (0, -7, 3), (2, 6, -5))]
    rows = {name: np.concatenate([box[name] for box in found]) for name in found[0]}
    above = in_float64(log10_cumulative_density)
    expected = len(found) * (chunks.CELLS * universe.cell) ** 3 * 10.0 ** above(SMDPL, 12.0, 0.5)
    assert len(rows["x"]) == pytest.approx(expected, rel=0.05)
    known = _structure(universe)
    linear = known.displacement * float(known.rates.first_velocity(0.5))
    speed = np.sqrt(np.mean([rows[f"v{axis}"] ** 2 for axis in "xyz"]))
    assert speed == pytest.approx(linear, rel=0.12)
    assert linear == pytest.approx(310.0, rel=0.05)


@pytest.mark.parametrize(("low", "high"), [(12.5, 13.0), (13.0, 13.5), (13.5, 14.5)])
@pytest.mark.parametrize("least", [12.0, 12.4])
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


def test_the_rarest_draws_do_not_break_the_tables():
    known = _structure(UNIVERSE)
    rare = np.array([1.0, 0.5, 2.0**-30, 2.0**-53])
    mass = known.hosts.masses(np.array([0.2]), np.array([0.5]), np.zeros(4, int), np.full(4, 0.4), rare)
    assert mass[0] == UNIVERSE.log10_mass_min
    assert (np.diff(mass) > 0).all()
    assert mass[-1] <= 17.0
    ratio = known.satellites.ratio(np.full(4, 15.9), rare)
    assert (np.diff(ratio) > 0).all()
    assert ratio[-1] <= 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"redshift_min": 0.5, "redshift_max": 0.5001},
        *(
            pytest.param(options, marks=pytest.mark.thorough)
            for options in (
                {"redshift_min": 1e-5, "redshift_max": 0.01, "log10_mass_min": 10.0},
                {"redshift_min": 5.0, "redshift_max": 5.01, "log10_mass_min": 10.5},
                {"log10_mass_min": 15.5, "redshift_min": 14.9, "redshift_max": 15.0},
                {"mass_function": "tinker_2008", "redshift_max": 0.05},
                {"mass_function": "despali_2016", "redshift_max": 0.05, "cell": 6.0, "unresolved_velocity": False},
            )
        ),
    ],
)
def test_thin_near_far_and_empty_universes_work(options):
    universe = Synthetic.from_options(options)
    rows = universe.halos(7, 5)
    assert universe.count(7, 5) == len(rows["halo_id"])
    hosts = rows["redshift"][rows["is_central"]]
    assert ((hosts >= universe.redshift_min) & (hosts <= universe.redshift_max)).all()


@pytest.mark.parametrize("redshift", [0.013, 0.13, 0.24])
def test_hosts_over_all_overdensities_have_the_mass_function(redshift):
    tables, step = _structure(UNIVERSE).hosts, 0.04
    score = np.arange(-6.0, 6.0, step)
    number = tables.mean_number(np.full(len(score), redshift), score)
    weight = number * np.exp(-0.5 * score**2) / np.sqrt(2.0 * np.pi) * step
    grid = np.arange(11.5, 17.0, 0.002)
    density = abundance.abundance(_structure(UNIVERSE).theory, "smdpl", np.array([redshift]), grid).density_per_dex[0]

    def exact(m):
        return np.trapezoid(np.where(grid > m - 1e-9, density, 0.0), grid)

    assert weight.sum() == pytest.approx(exact(11.5), rel=0.001)
    picks, survival = (np.arange(16) + 0.5) / 16, 10.0 ** -np.linspace(0.0, 8.0, 321)
    cell, pick, drawn = (x.ravel() for x in np.meshgrid(np.arange(len(score)), picks, survival, indexing="ij"))
    mass = tables.masses(np.full(len(score), redshift), score, cell, pick, drawn).reshape(-1, len(survival))
    for m in (12.0, 13.0, 14.0, 14.5):
        above = [10.0 ** np.interp(m, row, np.log10(survival)) for row in mass]
        found = np.sum(np.repeat(weight, 16) * above) / 16
        assert found == pytest.approx(exact(m), rel=0.01 if m < 14.2 else 0.02), m


@pytest.mark.thorough
def test_a_primordial_potential_changes_the_number_of_hosts_as_local_non_gaussianity_does():
    # dn / n = 2 delta_c b1 f_nl phi, part of it by the waves in the cells, the rest by what the cells do not resolve
    f_nl, z = 2000.0, 1.0
    one, other = (Synthetic(log10_mass_min=13.2, seed=42, f_nl=sign * f_nl) for sign in (1.0, -1.0))
    places = [(4 * i, 5 * j, 6 * k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    change, potential = [], []
    for place in places:
        more, fewer = (len(universe.cube(z, place, 1)["x"]) for universe in (one, other))
        change.append(np.log(more / fewer))
        potential.append(synthetic_structure.cells_at_redshift(_structure(one), place, z).primordial.mean())
    tables = tables_at(one, z, _structure(one).sigma)
    mass = tables.mass[tables.mass < 15.0]
    kind = abundance.abundance(_structure(one).theory, SMDPL, np.array([z]), mass)
    b1 = np.average(kind.bias[0] - 1.0, weights=kind.density_per_dex[0])
    slope = np.sum(np.array(change) * potential) / np.sum(np.square(potential))
    near = Synthetic(log10_mass_min=12.0, redshift_max=0.1, seed=42, f_nl=f_nl).halos(5, 100)
    assert len(np.unique(near["halo_id"])) == len(near["halo_id"]) > 20
    # both signs: twice the change
    assert slope == pytest.approx(2.0 * 2.0 * 1.686 * b1 * f_nl, rel=0.15)


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
        ({"mass_function": {"ytp_ytp": -5.3}, "log10_mass_min": 8.5, "redshift_max": 12.0}, "mass function rises"),
        ({"mass_function": "tinker"}, "tinker_2008"),
        ({"power_spectrum": "boltzmann"}, "eisenstein98"),
        ({"cell": 100.0}, "4 to 12 Mpc"),
        ({"f_nl": 1e6}, "f_nl"),
        ({"seed": {"a": 1.0}}, "plain value"),
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
