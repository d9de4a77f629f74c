"""Distances, redshifts and times from tables against the integrals."""

import numpy as np
import pytest

from diffsky_factory.sky.cosmology import Cosmology, age_64, comoving_distance_64, redshift_at_distance_64
from diffsky_factory.sky.distance_table import age_at, distance_table, redshift_table

COSMOLOGIES = [Cosmology(), Cosmology(Om0=0.31, w0=-0.9, wa=0.15, h=0.7)]
REDSHIFTS = np.concatenate([[1e-6, 1e-4], np.random.default_rng(1).uniform(0.0, 8.0, 2000)])


@pytest.mark.parametrize("cosmology", COSMOLOGIES)
def test_redshift_at_a_distance_agrees_with_newton_steps(cosmology):
    radius = comoving_distance_64(cosmology, REDSHIFTS)
    found = redshift_table(cosmology, 8.0)(radius)
    np.testing.assert_allclose(found, redshift_at_distance_64(cosmology, radius), atol=1e-9, rtol=0)
    np.testing.assert_allclose(found, REDSHIFTS, atol=1e-9, rtol=0)


@pytest.mark.parametrize("cosmology", COSMOLOGIES)
def test_distance_agrees_with_the_integral(cosmology):
    found = distance_table(cosmology, 8.0)(np.log1p(REDSHIFTS))
    np.testing.assert_allclose(found, comoving_distance_64(cosmology, REDSHIFTS), rtol=1e-9)


@pytest.mark.parametrize("cosmology", COSMOLOGIES)
def test_age_agrees_with_the_integral_also_beyond_the_table(cosmology):
    z = np.concatenate([[0.0, 20.0, 25.0], REDSHIFTS])
    np.testing.assert_allclose(age_at(cosmology, z), age_64(cosmology, z), rtol=1e-11)


def test_a_value_does_not_depend_on_the_batch():
    table = redshift_table(Cosmology(), 2.0)
    radius = np.random.default_rng(2).uniform(10.0, 5000.0, 1001)
    one_by_one = np.array([table(radius[i : i + 1])[0] for i in range(len(radius))])
    np.testing.assert_array_equal(table(radius), one_by_one)
