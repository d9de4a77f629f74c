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


def test_every_curve_falls_from_the_ultraviolet_to_the_infrared():
    wavelength = jnp.array([1500.0, 3500.0, 5500.0, 9000.0, 20000.0])
    for curve in (
        dust_laws.calzetti_2000(band_rest_wavelength=wavelength),
        dust_laws.kriek_conroy_2013(band_rest_wavelength=wavelength, dust_slope=-0.4),
        dust.dust_curve(band_rest_wavelength=wavelength, dust_slope=-0.4),
    ):
        assert np.all(np.diff(curve.dust_curve) < 0.0)


def test_a_recipe_picks_a_law_by_name():
    columns = {"redshift": np.full(3, 0.5), "dust_slope": np.array([-0.5, 0.0, 0.3])}
    options = {"bands": ["lsst_u", "lsst_i"], "replace": {"dust_curve": "calzetti_2000"}}
    curve = dff.evaluate(columns, ["dust_curve"], **options)["dust_curve"]
    assert np.all(curve == curve[0])  # no slope of a galaxy's own
    assert curve[0, 0] > curve[0, 1]
