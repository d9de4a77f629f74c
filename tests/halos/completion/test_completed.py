"""A light cone completed below its resolution: numbers, clustering, satellites, and the same halos in any part."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import cKDTree

import diffsky_factory as dff
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.completion.added_satellites import satellite_ids
from diffsky_factory.halos.completion.completed import CompletedHalos, Completion
from diffsky_factory.halos.completion.unresolved_hosts import SYNTHETIC_IDS, SYNTHETIC_SATELLITES
from diffsky_factory.halos.cone.box_cone import BoxCone
from diffsky_factory.halos.cone.replicas import Replicas
from diffsky_factory.halos.gathered.stored import StoredHalos, TableInMemory, gather_in_memory
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters, mean_satellites
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cosmology import comoving_distance_64, hubble_ratio, in_float64
from diffsky_factory.sky.regions import region
from tests.halos.completion import clustered
from tests.inputs.readers.inspected import COSMOLOGY, MadeUp, on_a_cone

LIMIT, TO = 12.0, 11.5  # dex(Msun)
REDSHIFT = 0.05, 0.11
WHERE = {"cone": {"ra": 40.0, "dec": 10.0, "radius": 10.0}}
EDGES = np.array([8.0, 12.0, 16.0, 22.0, 30.0])  # Mpc


def cone(halos, **known) -> StoredHalos:
    """Hosts of the box on the sky."""
    about = {"name": "box", "box_size": clustered.SIZE, "redshift": clustered.REDSHIFT, **known}
    box = MadeUp(halos, "box", {"mass_definition": "virial mass", **about}, rows_of_piece=10**6)
    sky = Replicas(clustered.SIZE, COSMOLOGY, REDSHIFT, region=WHERE)
    return StoredHalos(gather_in_memory(BoxCone((box,), sky)), "test cone")


def everything(simulation, order=3, where=WHERE) -> dict[str, np.ndarray]:
    parts = [simulation.halos(order, int(pixel), where) for pixel in simulation.tiles(order, where)]
    return {name: np.concatenate([part[name] for part in parts]) for name in simulation.columns}


def positions(rows) -> np.ndarray:
    return np.stack([rows[axis] for axis in "xyz"], axis=-1)


@pytest.fixture(scope="module")
def source() -> StoredHalos:
    return cone(clustered.hosts(LIMIT, 15.5))


@pytest.fixture(scope="module")
def completed(source) -> CompletedHalos:
    return CompletedHalos(source, Completion(to=10**TO, seed=3))


@pytest.fixture(scope="module")
def halos(completed):
    return everything(completed)


@pytest.fixture(scope="module")
def truth():
    """Hosts of the same field below the limit: what a simulation of higher resolution would have."""
    return everything(cone(clustered.hosts(TO, LIMIT, seed=9)))


def test_the_completeness_is_found_and_said(completed):
    assert completed.completeness.log10_mass == pytest.approx(LIMIT, abs=0.11)
    known = completed.attributes
    assert known["log10_mass_complete"] == completed.completeness.log10_mass
    assert "90%" in known["log10_mass_complete_by"]
    assert known["completed_to"] == TO
    assert known["completed_with"]["mass_function"] == "despali_2016"


def test_a_stated_completeness_is_taken_and_particles_count(source):
    def found(**known):
        table = source.table
        changed = TableInMemory({**table.attributes, **known}, table.columns, table.values, table.cells)
        return CompletedHalos(StoredHalos(changed, "test cone"), Completion(satellites="subhalo_mass_function"))

    assert found(log10_mass_complete=12.7).completeness == (12.7, "stated with the simulation")
    by_particles = found(particle_mass=10**10.5).completeness
    assert by_particles.log10_mass == pytest.approx(12.5)
    assert by_particles.how == "100 particles"
    asked = CompletedHalos(source, Completion(to=1e12, above=10**12.3)).completeness
    assert asked.log10_mass == pytest.approx(12.3)


def test_synthetic_hosts_are_below_the_completeness_and_the_simulations_above(completed, halos, source):
    limit, synthetic = completed.completeness.log10_mass, halos["is_synthetic"]
    assert halos["log10_halo_mass"][synthetic].max() < limit
    assert halos["log10_halo_mass"][synthetic].min() >= TO
    own = everything(source)
    heavy = own["log10_halo_mass"] >= limit
    np.testing.assert_array_equal(np.sort(halos["halo_id"][~synthetic]), np.sort(own["halo_id"][heavy]))
    assert (halos["halo_id"][synthetic] >= SYNTHETIC_IDS).all()
    assert len(np.unique(halos["halo_id"])) == len(synthetic)
    assert halos["redshift"].min() >= REDSHIFT[0]
    assert halos["redshift"].max() <= REDSHIFT[1]


def test_numbers_per_mass_are_those_of_the_mass_function(completed, halos):
    near, far = comoving_distance_64(COSMOLOGY, np.array(REDSHIFT))
    volume = completed.extent(WHERE) * np.deg2rad(1.0) ** 2 * (far**3 - near**3) / 3.0
    edges = np.linspace(TO, LIMIT, 6)
    number = np.histogram(halos["log10_halo_mass"][halos["is_synthetic"]], edges)[0]
    expected, factor = completed._expected, completed._factor
    model = np.array([expected.between(*pair).mean() for pair in pairwise(edges)]) * volume
    assert factor.ratio == pytest.approx(1.0, abs=0.08)  # the field's own mean in this volume
    # 1 % for the variation of the density with redshift and for delta, of which the mean is 0 where tracers are
    deviation = number - model * factor.ratio.mean()
    assert (np.abs(deviation) < 4.0 * np.sqrt(model) + 0.01 * model).all()
    assert number.sum() == pytest.approx(model.sum() * factor.ratio.mean(), rel=0.02)


@pytest.mark.thorough
def test_synthetic_hosts_cluster_with_the_simulation_as_resolved_ones_would(halos, truth):
    synthetic = halos["is_synthetic"]
    tracers = cKDTree(positions(halos)[~synthetic])
    random = cKDTree(randoms(100_000))

    def pairs(points):
        return np.diff(tracers.count_neighbors(points, EDGES, cumulative=True)) / points.n

    volume = EDGES[1:] ** 3 - EDGES[:-1] ** 3
    excess = [
        float(np.sum((pairs(cKDTree(positions(rows))) / pairs(random) - 1.0) * volume))
        for rows in ({axis: halos[axis][synthetic] for axis in "xyz"}, truth)
    ]
    assert excess[1] > 0.05 * volume.sum()
    assert excess[0] / excess[1] == pytest.approx(1.0, abs=0.2)


def randoms(number) -> np.ndarray:
    rng = np.random.default_rng(5)
    near, far = comoving_distance_64(COSMOLOGY, np.array(REDSHIFT))
    around = WHERE["cone"]["ra"], WHERE["cone"]["dec"], WHERE["cone"]["radius"]
    ra = rng.uniform(around[0] - 12.0, around[0] + 12.0, number)
    dec = np.rad2deg(np.arcsin(rng.uniform(*np.sin(np.deg2rad([around[1] - 11.0, around[1] + 11.0])), number)))
    inside = region(WHERE).inside(ra, dec)
    return coordinates.cartesian(ra, dec, np.cbrt(rng.uniform(near**3, far**3, number)))[inside]


def test_velocities_follow_the_tracers(completed, halos):
    speed = np.stack([halos[f"v{axis}"] for axis in "xyz"])
    synthetic = halos["is_synthetic"]
    assert speed[:, synthetic].std() == pytest.approx(speed[:, ~synthetic].std(), rel=0.1)


@pytest.mark.parametrize("order", [4, 6])
def test_a_halo_is_the_same_under_any_tiling_and_region(source, completed, order):
    small = {"cone": {"ra": 41.0, "dec": 9.0, "radius": 2.0}}
    again = CompletedHalos(source, Completion(to=10**TO, seed=3))
    finer, wider = everything(again, order, small), everything(completed, 2, small)
    assert finer["is_synthetic"].sum() > 50
    of_finer, of_wider = (np.argsort(rows["halo_id"]) for rows in (finer, wider))
    for name in completed.columns:
        np.testing.assert_array_equal(finer[name][of_finer], wider[name][of_wider], err_msg=name)


def test_the_count_is_the_number_of_rows_and_tiles_are_the_whole(completed, halos):
    pixels = completed.tiles(4, WHERE)
    assert sum(completed.count(4, int(pixel), WHERE) for pixel in pixels) == len(halos["halo_id"])
    pixel = int(pixels[len(pixels) // 2])
    assert completed.count(4, pixel) == len(completed.halos(4, pixel)["halo_id"])


def test_a_least_mass_cuts_and_changes_nothing_else(source, completed, halos):
    cut = everything(CompletedHalos(source, completed.asked, least=11.8))
    ids = halos["halo_id"][halos["log10_halo_mass"] >= 11.8]
    np.testing.assert_array_equal(np.sort(cut["halo_id"]), np.sort(ids))


def test_another_seed_draws_other_hosts(source, halos):
    pixel = int(source.tiles(4, WHERE)[3])
    other = CompletedHalos(source, Completion(to=10**TO, seed=4)).halos(4, pixel, WHERE)
    positions_of = other["x"][other["is_synthetic"]]
    assert len(positions_of)
    assert not np.isin(positions_of, halos["x"]).any()


@pytest.fixture(scope="module")
def hosted(source):
    return CompletedHalos(source, Completion(to=10**11.8, satellites="subhalo_mass_function", seed=3))


@pytest.fixture(scope="module")
def members(hosted):
    return everything(hosted)


def test_satellites_are_as_many_as_the_subhalo_mass_function_has(members):
    central = members["is_central"]
    assert members["is_synthetic"][~central].all()
    assert (members["halo_id"][~central] >= SYNTHETIC_SATELLITES).all()
    mass = members["log10_halo_mass"][central]
    mean = in_float64(mean_satellites)(SubhaloMassFunctionParameters(), 11.8 - mass, mass).sum()
    number = np.count_nonzero(~central)
    assert abs(number - mean) < 4.0 * np.sqrt(mean) + 0.01 * mean
    assert number > 300


def test_satellites_lie_in_their_host_as_in_an_nfw_halo(members):
    rows = {halo_id: i for i, halo_id in enumerate(members["halo_id"])}
    own = np.flatnonzero(~members["is_central"])
    host = np.array([rows[i] for i in members["host_halo_id"][own]])
    mass, z = members["log10_halo_mass"][host], members["redshift"][host]
    rate = in_float64(hubble_ratio)(COSMOLOGY, z)
    omega = COSMOLOGY.Om0 * (1.0 + z) ** 3 / rate**2
    virial = satellites.virial_radius(mass, rate, omega, COSMOLOGY.h) * (1.0 + z)
    radius = np.linalg.norm(positions(members)[own] - positions(members)[host], axis=1) / virial
    assert radius.max() <= 1.0 + 1e-9
    c = satellites.concentration(mass, z, COSMOLOGY.h)
    inside = (np.log1p(c * radius) - c * radius / (1.0 + c * radius)) / (np.log1p(c) - c / (1.0 + c))
    # shares of the mass inside are uniform: mean 1/2, variance 1/12
    assert inside.mean() == pytest.approx(0.5, abs=4.0 / np.sqrt(12.0 * len(own)))


def test_a_hosts_own_scale_radius_is_used(source):
    table = source.table
    values = {**table.values, "halo_scale_radius": np.full(len(table.cells), 0.001)}
    columns = {**table.columns, "halo_scale_radius": np.float64}
    changed = StoredHalos(TableInMemory(table.attributes, columns, values, table.cells), "scaled")
    asked = Completion(satellites="subhalo_mass_function", seed=3)
    pixels = [int(pixel) for pixel in source.tiles(3, WHERE)[:3]]
    spread = []
    for one in (changed, source):
        rows = [CompletedHalos(one, asked, least=11.9).halos(3, pixel) for pixel in pixels]
        spread.append(np.mean(np.concatenate([np.abs(r["x"] - r["x"][r["host_row"]])[~r["is_central"]] for r in rows])))
    assert spread[0] < 0.7 * spread[1]  # a concentration of 100


def test_a_hosts_own_minor_axis_is_used(source):
    """That of the simulation, where it knows one."""
    table = source.table
    axis = np.zeros((len(table.cells), 3))
    axis[:, 2] = 2.0  # of any length
    changed = StoredHalos(
        TableInMemory(
            table.attributes,
            {**table.columns, "halo_minor_axis": np.float32},
            {**table.values, "halo_minor_axis": axis},
            table.cells,
        ),
        "turned",
    )
    asked = Completion(satellites="subhalo_mass_function", seed=3)
    share = []
    for one in (changed, source):
        rows = everything(CompletedHalos(one, asked, least=11.9))
        by_id = {halo_id: i for i, halo_id in enumerate(rows["halo_id"])}
        own = np.flatnonzero(~rows["is_central"])
        away = positions(rows)[own] - positions(rows)[[by_id[i] for i in rows["host_halo_id"][own]]]
        share.append(np.mean(away[:, 2] ** 2 / np.sum(away**2, axis=1)))
        if one is changed:
            assert (rows["halo_minor_axis"][own] == 0.0).all()
    assert share[1] == pytest.approx(1.0 / 3.0, abs=0.04)
    assert share[0] < 0.26


@pytest.mark.thorough
def test_satellites_of_a_simulation_that_has_them_are_drawn_below_its_completeness_alone():
    table = gather_in_memory(MadeUp({**on_a_cone(2000, 4000, redshift=(0.1, 0.2))}))
    asked = Completion(above=1e12, satellites="subhalo_mass_function")
    source = StoredHalos(table, "made up")
    rows = everything(CompletedHalos(source, asked, least=11.0), 1, {"full_sky": True})
    drawn, satellite = rows["is_synthetic"], ~rows["is_central"]
    assert drawn.sum() > 100
    assert rows["log10_halo_mass"][drawn].max() < 12.0
    assert rows["log10_halo_mass"][satellite & ~drawn].min() >= 12.0


def test_ids_of_satellites_differ_and_stay_in_their_range():
    host, rank = np.meshgrid(np.arange(2000) * 2**40 + 7, np.arange(50))
    ids = satellite_ids(host.ravel(), rank.ravel())
    assert len(np.unique(ids)) == ids.size
    assert (ids >= SYNTHETIC_SATELLITES).all()


def test_columns_that_no_synthetic_halo_has_are_left_out_and_said(completed):
    assert "snapshot" not in completed.columns
    assert completed.attributes["columns_left_out"] == ["replica", "snapshot"]
    assert completed.columns["simulation_halo_id"] is np.int64


def test_what_cannot_be_completed_is_refused(source):
    with pytest.raises(InputError, match="nothing to complete"):
        CompletedHalos(source, Completion(to=10**12.5))
    with pytest.raises(InputError, match="too few to trace"):
        CompletedHalos(source, Completion(to=1e12, above=10**15.3))
    with pytest.raises(InputError, match="must be 10"):
        CompletedHalos(source, Completion(to=1e7))
    table = source.table
    bare = {name: value for name, value in table.attributes.items() if name not in ("footprint", "cut")}
    with pytest.raises(InputError, match="what part of the sky"):
        CompletedHalos(StoredHalos(TableInMemory(bare, table.columns, table.values, table.cells), "bare"), Completion())
    with pytest.raises(InputError, match="is complete, with satellites"):
        dff.open_catalog("synthetic", complete_to=1e11)
    with pytest.raises(InputError, match="give complete_to as well"):
        dff.open_catalog("synthetic", complete_above=1e11)


@pytest.mark.thorough
def test_a_mock_of_a_completed_cone_has_finite_galaxies(source, monkeypatch):
    monkeypatch.setattr(
        "diffsky_factory.factory.assembly.open_simulation",
        lambda name, completion, halo_mass_min, **known: CompletedHalos(source, completion, np.log10(halo_mass_min)),
    )
    order, pixel = 6, int(tiles.pixel(np.array([40.0]), np.array([10.0]), 6)[0])
    mock = dff.make_mock(
        {
            "name": "completed",
            "simulation": "completed cone",
            "region": {"order": order, "pixels": [pixel]},
            "halo_mass_min": "3e11 solMass",
            "complete_to": "3e11 solMass",
            "satellites": "subhalo_mass_function",
            "columns": ["galaxy_id", "is_synthetic", "is_central", "log10_halo_mass", "log10_stellar_mass"],
        }
    )
    assert mock.is_synthetic.values.any()
    assert np.isfinite(mock.log10_stellar_mass.values).all()
    assert mock.sky.simulation["log10_mass_complete"] == pytest.approx(LIMIT, abs=0.11)
