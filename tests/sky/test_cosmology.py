"""The cosmology in the terms of other software."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM

from diffsky_factory.sky.cosmology import (
    Cosmology,
    age_64,
    age_today_64,
    comoving_distance_64,
    distance_modulus_64,
    in_float64,
    lookback_time,
)

REDSHIFTS = np.array([0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
COSMOLOGIES = [Cosmology(), Cosmology(Om0=0.31, w0=-0.9, wa=0.15, h=0.7), Cosmology(Om0=0.34388, w0=-0.45, wa=-1.79)]


@pytest.mark.parametrize("cosmology", COSMOLOGIES)
def test_astropy_has_the_same_distances_and_ages(cosmology):
    there = cosmology.to_astropy()
    assert type(there) is (FlatLambdaCDM if cosmology == Cosmology() else Flatw0waCDM)
    distance, modulus = there.comoving_distance(REDSHIFTS).value, there.distmod(REDSHIFTS).value
    np.testing.assert_allclose(comoving_distance_64(cosmology, REDSHIFTS), distance, rtol=1e-9)
    np.testing.assert_allclose(distance_modulus_64(cosmology, REDSHIFTS), modulus, rtol=1e-9)
    lookback = in_float64(lookback_time)(cosmology, REDSHIFTS)
    np.testing.assert_allclose(lookback, there.lookback_time(REDSHIFTS).value, rtol=3e-5)
    np.testing.assert_allclose(age_today_64(cosmology), there.age(0.0).value, rtol=1e-4)
    np.testing.assert_allclose(age_64(cosmology, REDSHIFTS), there.age(REDSHIFTS).value, rtol=0, atol=1.2e-3)
    assert there.meta == {"sigma8": cosmology.sigma8, "ns": cosmology.ns}
    assert (there.Ob0, there.Ogamma0, there.Ok0) == (cosmology.Ob0, 0.0, 0.0)


def test_arguments_of_ccl_are_the_same_universe():
    assert Cosmology(Om0=0.3, Ob0=0.05, h=0.7, w0=-0.9, wa=0.1, sigma8=0.8, ns=0.96).to_ccl() == pytest.approx(
        {"Omega_c": 0.25, "Omega_b": 0.05, "h": 0.7, "sigma8": 0.8, "n_s": 0.96, "w0": -0.9, "wa": 0.1}
        | {"Omega_g": 0.0, "Neff": 0.0}
    )
