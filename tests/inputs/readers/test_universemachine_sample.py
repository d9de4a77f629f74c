"""A real UniverseMachine light cone, gathered and served tile by tile."""

import numpy as np
import pytest

from diffsky_factory.halos.open import open_simulation
from tests.reference import reference

EVERYTHING = {"full_sky": True}


@pytest.fixture(scope="module")
def cone():
    return open_simulation(str(reference("sims", "universemachine_bpl_lightcone", "test_lightcone_0.dat")))


def everything(cone, order=5) -> dict[str, np.ndarray]:
    parts = [cone.halos(order, pixel) for pixel in cone.tiles(order, EVERYTHING)]
    return {name: np.concatenate([part[name] for part in parts]) for name in cone.columns}


def test_it_has_the_known_numbers_of_each_kind(cone):
    notes = cone.attributes["rows"]
    assert notes["rows"] == 4419
    assert notes["centrals"] == 3526
    assert notes["satellites"] == 893
    assert notes["nested hosts followed"] == 18
    assert notes["satellites without host"] == 131  # 130 outside the cone, and one of the nested chains leads there


def test_groups_stay_whole_under_any_tiling(cone):
    whole = everything(cone)
    for order in (0, 9, 12):
        pixels = cone.tiles(order, EVERYTHING)
        parts = [cone.halos(order, pixel) for pixel in pixels]
        assert [cone.count(order, pixel) for pixel in pixels] == [len(part["ra"]) for part in parts]
        assert sum(len(part["ra"]) for part in parts) == len(whole["ra"])
        for part in parts:
            hosted = part["host_in_catalog"]
            np.testing.assert_array_equal(part["halo_id"][part["host_row"]][hosted], part["host_halo_id"][hosted])
            assert part["is_central"][part["host_row"]][hosted].all()
            alone = np.flatnonzero(~hosted)
            np.testing.assert_array_equal(part["host_row"][alone], alone)


def test_its_area_is_that_of_its_command_line(cone):
    assert cone.extent(EVERYTHING) == pytest.approx(25.0 / 3600.0, rel=1e-5)
    circle = {"cone": {"ra": 0.0, "dec": 0.0, "radius": 0.03}}
    assert cone.extent(circle) == pytest.approx(np.pi * 0.03**2, rel=1e-2)
    inside = sum(cone.count(6, pixel, circle) for pixel in cone.tiles(6, circle))
    assert 0.2 < inside / 4419 < 0.6


def test_ids_beyond_float64_stay_exact_and_copies_have_their_own(cone):
    rows = everything(cone)
    beyond = rows["simulation_halo_id"] > 2**53
    assert beyond.sum() == 68
    assert len(np.unique(rows["halo_id"])) == 4419
    assert (rows["halo_id"] >= 0).all()
