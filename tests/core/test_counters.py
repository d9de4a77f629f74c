"""Random numbers by counter: even, independent, and exactly of their law."""

import numpy as np
import pytest
from scipy import stats

from diffsky_factory.core import counters

IDS = 2**60 + np.arange(200_000)


@pytest.mark.parametrize("stream", ["a", "b"])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_uniform_numbers_of_consecutive_ids_are_even_and_independent(seed, stream):
    u = counters.uniform(seed, stream, IDS)
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    for lag in (1, 2, 64, 2**10):
        assert abs(np.corrcoef(u[lag:], u[:-lag])[0, 1]) < 5.0 / np.sqrt(len(u))
    others = [counters.uniform(seed, stream + "x", IDS), counters.uniform((seed + 1) % 2**64, stream, IDS)]
    for other in others:
        assert abs(np.corrcoef(u, other)[0, 1]) < 5.0 / np.sqrt(len(u))


def test_a_number_follows_from_its_id_alone():
    u = counters.uniform(3, "x", IDS)
    np.testing.assert_array_equal(counters.uniform(3, "x", IDS[::-7]), u[::-7])


def test_normal_numbers_are_standard():
    assert stats.kstest(counters.normal(4, "n", IDS), "norm").pvalue > 1e-4


@pytest.mark.parametrize("mean", [1e-3, 0.4, 3.0, 19.9, 20.1, 300.0, 1e5])
def test_poisson_numbers_are_the_quantiles_of_their_law(mean):
    u = counters.uniform(5, "p", IDS[:5000])
    number = counters.poisson(np.full(len(u), mean), u)
    np.testing.assert_array_equal(number, stats.poisson.ppf(u, mean).astype(int))


def test_no_mean_gives_no_number():
    np.testing.assert_array_equal(counters.poisson(np.zeros(3), np.array([0.1, 0.5, 1.0 - 2.0**-52])), 0)
