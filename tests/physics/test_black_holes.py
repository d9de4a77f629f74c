"""Black holes: their masses, and the law of their Eddington ratios."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from diffsky_factory.physics import black_holes
from tests.physics.draws import apply

N = 50_000
RANDOM = 1e-3


def fraction_above(ratio, redshift):
    """Integral of the power law of Aird et al. 2012 over log10 of the ratio, from a ratio to one."""
    amplitude = 10.0**-3.15 * ((1.0 + redshift) / 1.6) ** 3.47
    return amplitude * (ratio**-0.65 - 1.0) / (0.65 * np.log(10.0))


def test_a_black_hole_has_a_thousandth_of_its_bulge():
    out = apply(black_holes.black_hole_mass_without_scatter, 1, log10_stellar_mass=11.0, bulge_to_total=0.5)
    assert 10.0 ** out["log10_black_hole_mass"][0] == pytest.approx(6.5e7, rel=1e-5)


def test_masses_scatter_about_that():
    columns = {"log10_stellar_mass": 11.0, "bulge_to_total": 0.5}
    drawn = apply(black_holes.black_hole_mass, N, **columns)["log10_black_hole_mass"]
    assert kstest((drawn - np.log10(6.5e7)) / 0.27, norm.cdf).pvalue > RANDOM


@pytest.mark.parametrize("redshift", [0.0, 0.6, 1.0, 6.0])
def test_eddington_ratios_have_the_measured_law_at_each_redshift(redshift):
    ratio = apply(black_holes.eddington_ratio, N, redshift=redshift)["eddington_ratio"]
    assert ratio.min() > 0.0
    assert ratio.max() <= 1.0
    assert kstest(fraction_above(ratio, redshift), "uniform").pvalue > RANDOM


def test_a_fifth_of_galaxies_is_above_the_faintest_measured_ratio():
    ratio = apply(black_holes.eddington_ratio, N, redshift=0.6)["eddington_ratio"]
    assert fraction_above(1e-4, 0.6) == pytest.approx(0.188, abs=1e-3)
    assert np.mean(ratio > 1e-4) == pytest.approx(0.188, abs=0.008)


def test_active_galaxies_become_more_with_redshift():
    active = [np.mean(apply(black_holes.eddington_ratio, N, redshift=z)["eddington_ratio"] > 0.01) for z in (0.0, 1.0)]
    assert active[1] / active[0] == pytest.approx(2.0**3.47, rel=0.3)


@pytest.mark.thorough
def test_a_ratio_does_not_depend_on_the_galaxies_beside_it():
    redshift = np.linspace(0.1, 3.0, 10)
    together = apply(black_holes.eddington_ratio, 10, redshift=redshift)["eddington_ratio"]
    alone = apply(black_holes.eddington_ratio, 1, redshift=redshift[:1])["eddington_ratio"]
    assert together[0] == alone[0]


@pytest.mark.thorough
def test_the_reference_s_ratio_does():
    def first(redshift):
        columns = {"redshift": jnp.asarray(redshift), "log10_ssfr": jnp.full(len(redshift), -10.0)}
        return float(black_holes.eddington_ratio_as_diffsky.apply({}, columns)["eddington_ratio"][0])

    assert first([0.5, 3.0]) > 2.0 * first([0.5, 0.5])


def test_an_accretion_rate_by_hand():
    out = apply(black_holes.black_hole_accretion, 1, log10_black_hole_mass=8.0, eddington_ratio=0.1)
    assert 10.0 ** out["log10_black_hole_accretion_rate"][0] == pytest.approx(0.22, rel=1e-5)
