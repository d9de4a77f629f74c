"""Attenuation curves as values of a recipe."""

import jax.numpy as jnp
import numpy as np
import pytest

import diffsky_factory as dff
from diffsky_factory.physics.light import dust, dust_laws


def test_the_starburst_curve_has_its_published_values():
    # Calzetti et al. 2000, Eq. 4: k(V) = R_V, k(B) - k(V) = 1 by definition of R_V, k(0.16 micron) from the polynomial
    k = dust_laws.starburst_curve(jnp.array([0.55, 0.44, 0.16]))
    assert k[0] == pytest.approx(4.05, abs=0.02)
    assert k[1] - k[0] == pytest.approx(1.0, abs=0.07)
    assert k[2] == pytest.approx(2.659 * (-2.156 + 1.509 / 0.16 - 0.198 / 0.16**2 + 0.011 / 0.16**3) + 4.05, rel=1e-5)


def test_without_slope_and_bump_the_sloped_curve_is_the_starburst_curve():
    wavelength = jnp.array([1500.0, 5500.0, 16000.0])
    slope = 0.85 / 1.9  # where the bump vanishes
    sloped = dust_laws.kriek_conroy_2013(band_rest_wavelength=wavelength, dust_slope=slope).dust_curve
    plain = dust_laws.calzetti_2000(band_rest_wavelength=wavelength).dust_curve
    np.testing.assert_allclose(sloped, plain * (wavelength / 5500.0) ** slope, rtol=1e-5)


LAWS = (
    dust.smooth_starburst_curve,
    dust_laws.starburst_curve,
    dust_laws.kriek_conroy_curve,
    dust_laws.noll_curve,
    dust_laws.salim_curve,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.4])
def test_every_law_attenuates_v_by_a_v(law, slope):
    assert law(jnp.array([0.55]), slope)[0] == pytest.approx(dust.R_V, rel=0.015)
    assert np.all(law(jnp.geomspace(0.09, 5.0, 400), slope) >= 0.0)


@pytest.mark.parametrize("law", [dust_laws.noll_curve, dust_laws.salim_curve], ids=lambda law: law.__name__)
def test_without_slope_and_bump_the_modified_laws_are_the_starburst_curve(law):
    wavelength = jnp.geomspace(0.1501, 2.2, 300)
    np.testing.assert_allclose(law(wavelength, 0.0, bump=0.0), dust_laws.starburst_curve(wavelength), rtol=1e-6)


def test_the_far_ultraviolet_joins_the_starburst_curve():
    edge = jnp.array([0.15 - 1e-6, 0.15 + 1e-6, 0.0972])
    below, above, far = map(float, dust_laws.extended_starburst_curve(edge))
    assert below == pytest.approx(above, rel=3e-3)
    assert far == pytest.approx(5.472 + 0.671 / 0.0972 - 9.218e-3 / 0.0972**2 + 2.620e-3 / 0.0972**3, rel=1e-5)


@pytest.mark.parametrize("slope", [-0.8, 0.0, 0.3])
def test_salim_keeps_the_ratio_of_total_to_selective_attenuation_that_its_slope_implies(slope):
    v, b, bump = jnp.array([0.55]), jnp.array([0.44]), jnp.array([0.2175])
    plain = dust_laws.salim_curve(jnp.concatenate([v, b]), slope, bump=0.0)
    ratio = plain[0] / (plain[1] - plain[0])  # R = A_V / (A_B - A_V)
    stated = dust.R_V / ((dust.R_V + 1.0) * (0.44 / 0.55) ** slope - dust.R_V)
    # the polynomial itself has k(B) - k(V) = 1.05, not 1
    assert ratio == pytest.approx(stated, rel=0.06)
    # a bump of height 1 adds E(B-V) = A_V / R at its centre
    added = dust_laws.salim_curve(bump, slope, bump=1.0) - dust_laws.salim_curve(bump, slope, bump=0.0)
    assert added[0] * stated / dust.R_V == pytest.approx(1.0, rel=1e-4)


def test_the_slope_tilts_the_bump_of_noll_alone():
    centre, slope = jnp.array([0.2175]), -0.5
    noll = dust_laws.noll_curve(centre, slope, bump=1.0) - dust_laws.noll_curve(centre, slope, bump=0.0)
    assert noll[0] == pytest.approx((0.2175 / 0.55) ** slope, rel=1e-4)


def test_every_curve_falls_from_the_ultraviolet_to_the_infrared():
    wavelength = jnp.array([1500.0, 3500.0, 5500.0, 9000.0, 20000.0])
    for curve in (
        dust_laws.calzetti_2000(band_rest_wavelength=wavelength),
        dust_laws.kriek_conroy_2013(band_rest_wavelength=wavelength, dust_slope=-0.4),
        dust_laws.noll_2009(band_rest_wavelength=wavelength, dust_slope=-0.4),
        dust_laws.salim_2018(band_rest_wavelength=wavelength, dust_slope=-0.4),
        dust.dust_curve(band_rest_wavelength=wavelength, dust_slope=-0.4),
    ):
        assert np.all(np.diff(curve.dust_curve) < 0.0)


def test_a_recipe_picks_a_law_by_name():
    columns = {"redshift": np.full(3, 0.5), "dust_slope": np.array([-0.5, 0.0, 0.3])}
    options = {"bands": ["lsst_u", "lsst_i"], "replace": {"dust_curve": "calzetti_2000"}}
    curve = dff.evaluate(columns, ["dust_curve"], **options)["dust_curve"]
    assert np.all(curve == curve[0])  # no slope of a galaxy's own
    assert curve[0, 0] > curve[0, 1]
