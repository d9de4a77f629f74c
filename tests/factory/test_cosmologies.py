"""One recipe in several cosmologies: halos and times follow."""

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.halos.open import open_simulation
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.inputs.entries import checked
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.tabulated_histories import histories_from_arrays
from diffsky_factory.physics.structure.abundance import SMDPL, abundance, linear_theory
from diffsky_factory.sky.cosmology import Cosmology

GRID = ["abacussummit_base_c000", "abacussummit_base_c004"]  # of sigma8 0.81 and 0.75
SMALL = {
    "simulation": "synthetic",
    "region": {"order": 7, "pixels": [100]},
    "redshift": [0.2, 0.5],
    "halo_mass_min": 3e11,
    "columns": ["halo_id", "redshift", "log10_halo_mass", "log10_stellar_mass"],
    "tiles": {"order": 7, "block": 4096},
    "seed": 3,
}


@pytest.mark.thorough
def test_a_grid_of_cosmologies_is_one_line():
    mocks = [dff.make_mock(SMALL, cosmology=name) for name in GRID]
    assert [mock.sky.cosmology.sigma8 for mock in mocks] == pytest.approx([0.8080, 0.7495], abs=2e-3)
    assert all(np.isfinite(mock.log10_stellar_mass.values).all() for mock in mocks)


def test_the_number_of_halos_follows_the_cosmology():
    many, few = (
        open_simulation("synthetic", cosmology={"sigma8": s}, redshift=(0.2, 0.5), halo_mass_min=1e13)
        for s in (0.9, 0.7)
    )
    assert many.expected_count(5, 0) > 1.3 * few.expected_count(5, 0)


def test_the_scaled_fit_is_the_published_one_in_its_own_cosmology():
    z, m = np.array([0.0, 1.0]), np.linspace(11.0, 14.5, 8)
    here, there = linear_theory(SMDPL), linear_theory(Cosmology(sigma8=0.7))
    np.testing.assert_allclose(abundance(here, "smdpl_scaled", z, m)[0], abundance(here, "smdpl", z, m)[0], rtol=1e-12)
    ratio = abundance(there, "smdpl_scaled", z, m)[0] / abundance(there, "smdpl", z, m)[0]
    despali = abundance(there, "despali_2016", z, m)[0] / abundance(here, "despali_2016", z, m)[0]
    np.testing.assert_allclose(ratio, despali, rtol=1e-10)


@pytest.mark.parametrize(
    ("cosmology", "message"),
    [
        ("abacussummit_base_c00", "did you mean"),
        ({"Omega": 0.3}, "is no parameter of a cosmology; did you mean Om0"),
        ("tng100_", "did you mean"),
    ],
)
def test_an_unknown_cosmology_is_refused(cosmology, message):
    with pytest.raises(dff.InputError, match=message):
        dff.make_mock(SMALL, cosmology=cosmology)


def evaluated(values):
    return dff.evaluate({"log10_halo_mass": [12.0], "redshift": 0.3}, "cosmic_time", cosmology=Cosmology(**values))


def fitted(values):
    return dff.fit_growth([1.0, 2.0], [[11.0, 12.0]], cosmology=Cosmology(**values))


def fitted_stars(values):
    return dff.fit_star_formation([1.0, 2.0], [[1.0, 1.0]], np.ones((1, 5)), cosmology=Cosmology(**values))


DOORS = {
    "recipe": lambda values: dff.load_recipe(SMALL, cosmology=values),
    "entry": lambda values: checked(SimulationEntry, {"format": "table", "cosmology": values}, "mine.yaml"),
    "synthetic": lambda values: Synthetic(cosmology=Cosmology(**values)),
    "evaluate": evaluated,
    "fit_growth": fitted,
    "fit_star_formation": fitted_stars,
    "histories": lambda values: histories_from_arrays([1.0], [1], [[12.0]], cosmology=Cosmology(**values)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Om0": np.nan}, "Om0 = nan lies outside 0.01 to 1"),
        ({"Om0": 0.0}, "Om0 = 0 lies"),
        ({"Om0": -0.3}, "Om0 = -0.3 lies"),
        ({"h": 70}, "h = 70 lies outside 0.2 to 2; did you mean 0.70"),
        ({"sigma8": 1e30}, r"sigma8 = 1e\+30 lies"),
        ({"w0": 0.5}, "w0 = 0.5 lies"),
        ({"w0": -0.5, "wa": 0.9}, r"w0 \+ wa = 0.4 is above 0"),
        ({"Ob0": 0.4}, "Ob0 = 0.4 is above Om0 = 0.3075"),
    ],
    ids=str,
)
def test_a_universe_that_none_can_be_is_refused_wherever_it_is_given(door, values, message):
    with pytest.raises(dff.InputError, match=message):
        DOORS[door](values)


def test_what_is_no_cosmology_is_refused():
    with pytest.raises(dff.InputError, match="'planck' is no cosmology"):
        dff.evaluate({"log10_halo_mass": [12.0], "redshift": 0.3}, "cosmic_time", cosmology="planck")
    for time, today in (([100.0, 13800.0], None), ([1.0, 2.0], 13800.0)):
        with pytest.raises(dff.InputError, match="Gyr"):
            dff.fit_growth(time, [[11.0, 12.0]], today=today)
