"""Satellites' profiles, shapes and speeds against numerical solutions and an independent code."""

import numpy as np
import pytest
from colossus.cosmology import cosmology as colossus_cosmology
from colossus.halo import concentration as colossus_concentration
from colossus.halo.profile_nfw import NFWProfile
from scipy.integrate import quad
from scipy.stats import kstest

from diffsky_factory.physics.halos import satellites

RADII = np.array([1e-4, 1e-3, 0.01, 0.1, 1.0, 5.0, 10.0, 50.0, 300.0])  # over the scale radius
EVEN = (np.arange(100_000) + 0.5) / 100_000


@pytest.fixture(scope="module")
def planck():
    return colossus_cosmology.setCosmology("planck15")


def enclosed(x):
    return np.log1p(x) - x / (1.0 + x)


def test_the_virial_radius_by_hand():
    # 1e12 Msun today, Om = 0.3075, h = 0.6774: Delta = 101.9, rho_c = 1.2735e11 Msun / Mpc^3
    assert satellites.virial_radius(12.0, 1.0, 0.3075, 0.6774) == pytest.approx(0.2642, rel=2e-3)


@pytest.mark.parametrize("c", [3.0, 5.0, 15.0])
def test_nfw_radii_hold_the_mass_that_colossus_has_there(c, planck):
    u = np.linspace(1e-4, 1.0, 50)
    halo = NFWProfile(M=1e14, c=c, z=0.3, mdef="vir")
    virial = halo.RDelta(0.3, "vir")  # kpc / h
    held = halo.enclosedMass(satellites.nfw_radius(u, np.full(50, c)) * virial) / halo.enclosedMass(virial)
    np.testing.assert_allclose(held, u, rtol=1e-6)


def test_concentrations_are_those_of_the_published_relation(planck):
    # Dutton & Maccio 2014: log c = 1.025 at 1e12 Msun/h and z = 0
    assert satellites.concentration(12.0 - np.log10(0.7), 0.0, 0.7) == pytest.approx(10.0**1.025)
    mass, z = np.array([11.0, 13.0, 14.5]), 0.6
    found = colossus_concentration.concentration(10.0**mass, "vir", z, model="dutton14")  # Msun / h
    np.testing.assert_allclose(satellites.concentration(mass - np.log10(planck.h), z, planck.h), found, rtol=1e-6)


def test_concentrations_scatter_by_the_published_width_within_bounds():
    normal = np.random.default_rng(0).normal(size=100_000)
    found = satellites.scattered_concentration(np.full(100_000, 8.0), normal)
    assert np.std(np.log10(found)) == pytest.approx(0.11, rel=0.02)
    assert np.median(found) == pytest.approx(8.0, rel=0.01)
    extremes = satellites.scattered_concentration(np.array([2.0, 60.0]), np.array([-8.0, 8.0]))
    np.testing.assert_array_equal(extremes, [1.0, 100.0])


@pytest.mark.parametrize(("above", "mean"), [(0.0, 0.54), (1.0, 0.481), (-1.0, 0.606)])
def test_axis_ratios_have_the_published_laws(above, mean):
    """By hand: 0.54 (M / M*)^-0.05; the cumulative share of c/b is (2 + 3 y - y^3) / 4."""
    rng = np.random.default_rng(1)
    normal, u = rng.normal(size=100_000), rng.uniform(size=100_000)
    b_a, c_a = satellites.axis_ratios(np.full(100_000, 12.0 + above), 12.0, normal, u)
    assert c_a.mean() == pytest.approx(mean, abs=2e-3)
    assert c_a.std() == pytest.approx(0.1, rel=0.02)
    assert ((c_a >= 0.2) & (c_a <= b_a) & (b_a <= 1.0 + 1e-12)).all()
    some = c_a < 0.95
    least = np.maximum(c_a[some], 0.5)
    y = (2.0 * (c_a / b_a)[some] - 1.0 - least) / (1.0 - least)
    assert kstest(y, lambda y: (2.0 + 3.0 * y - y**3) / 4.0).pvalue > 1e-3


@pytest.mark.parametrize("x", RADII)
def test_the_dispersion_solves_the_jeans_equation(x):
    """rho sigma^2 is the integral of rho G M / r^2 outwards, here in the logarithm of the radius."""

    def weight(log_r):
        r = np.exp(log_r)
        return enclosed(r) / (r**2 * (1.0 + r) ** 2)

    pressure = quad(weight, np.log(x), np.log(x) + 25.0, epsabs=0.0, epsrel=1e-10, limit=300)[0]
    assert satellites.velocity_dispersion(x) ** 2 == pytest.approx(x * (1.0 + x) ** 2 * pressure, rel=1e-4)


@pytest.mark.parametrize("x", RADII[1:-1])
def test_the_speeds_of_bound_tracers_have_the_dispersion_and_stay_below_escape(x):
    speed = satellites.speeds()(np.full(len(EVEN), x), EVEN)
    assert np.sqrt(np.mean(speed**2) / 3.0) == pytest.approx(satellites.velocity_dispersion(x), rel=1e-3)
    assert speed.max() <= satellites.escape_speed(x)
    assert (np.diff(speed) > 0.0).all()


def test_the_escape_speed_is_that_of_the_potential(planck):
    halo = NFWProfile(M=1e14, c=6.0, z=0.0, mdef="vir")
    virial = halo.RDelta(0.0, "vir")
    h = planck.h
    scale = satellites.velocity_scale(14.0 - np.log10(h), virial / h / 1e3, 6.0)
    # colossus: the greatest circular velocity, at 2.163 scale radii; G M / r in units of V^2 is m(x) / x
    greatest, where = halo.Vmax()
    assert where / halo.par["rs"] == pytest.approx(2.1626, rel=1e-3)
    assert greatest == pytest.approx(scale * np.sqrt(enclosed(2.1626) / 2.1626), rel=1e-4)
    # the work from x outwards
    work = quad(lambda l: enclosed(np.exp(l)) / np.exp(l), np.log(0.7), 40.0, epsrel=1e-10, limit=400)[0]
    assert satellites.escape_speed(0.7) ** 2 == pytest.approx(2.0 * work, rel=1e-6)


@pytest.mark.parametrize(("mass", "c"), [(13.0, 8.2), (14.0, 6.6), (15.0, 5.3)])
def test_dispersions_are_those_of_simulations(mass, c, planck):
    """Within 200 times the critical density: 1083 km/s (h(z) M_200 / 1e15 Msun)^0.336; Evrard et al. 2008, Table 6."""
    z, rate = 0.1, planck.Ez(0.1)
    virial = satellites.virial_radius(mass, rate, planck.Om(z), planck.h)
    density = satellites.virial_overdensity(planck.Om(z))
    share = np.linspace(0.3, 1.0, 7001)
    inner = share[np.argmin(np.abs(enclosed(c * share) / enclosed(c) / share**3 * density - 200.0))]
    held = enclosed(c * inner) / enclosed(c)
    x = c * satellites.nfw_radius(EVEN * held, np.full(len(EVEN), c))
    found = satellites.velocity_scale(mass, virial, c) * np.sqrt(np.mean(satellites.velocity_dispersion(x) ** 2))
    expected = 1082.9 * (planck.h * rate * held * 10.0 ** (mass - 15.0)) ** 0.3361
    assert found == pytest.approx(expected, rel=0.04)
