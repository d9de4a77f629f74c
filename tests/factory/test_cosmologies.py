"""One recipe in several cosmologies: halos and times follow."""

import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.halos.open import open_simulation
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
    [("abacussummit_base_c00", "did you mean"), ({"Omega": 0.3}, "is no cosmology"), ("tng100_", "did you mean")],
)
def test_an_unknown_cosmology_is_refused(cosmology, message):
    with pytest.raises(dff.InputError, match=message):
        dff.make_mock(SMALL, cosmology=cosmology)
