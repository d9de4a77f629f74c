"""Rival attenuation curves: a recipe picks one by `replace: {dust_curve: calzetti_2000}`."""

import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.dust import BUMP_CENTRE, BUMP_WIDTH, R_V, DustCurve

V_WAVELENGTH = 0.55  # micron, where the power law of the slope pivots; Noll et al. 2009, Eq. 9


def starburst_curve(wavelength: Vector) -> Vector:
    """k(lambda) of starburst galaxies, rest wavelength in micron; R_V = 4.05.

    2.659 (-2.156 + 1.509/l - 0.198/l^2 + 0.011/l^3) + 4.05 below 0.63 micron, 2.659 (-1.857 + 1.040/l) + 4.05 above.
    Holds for 0.12 to 2.2 micron; the same polynomials beyond, never below 0.
    Source: Calzetti et al. 2000, ApJ 533, 682, Eq. 4.
    """
    x = 1.0 / wavelength
    blue = 2.659 * (-2.156 + x * (1.509 + x * (-0.198 + x * 0.011))) + R_V
    red = 2.659 * (-1.857 + 1.040 * x) + R_V
    return jnp.maximum(jnp.where(wavelength < 0.63, blue, red), 0.0)


@stage
def calzetti_2000(*, band_rest_wavelength: Vector) -> DustCurve:
    """The starburst curve, the same for every galaxy.

    Reads
        band_rest_wavelength : Angstrom
    Writes
        dust_curve : -
    Source: Calzetti et al. 2000, ApJ 533, 682, Eq. 4.
    """
    return DustCurve(starburst_curve(band_rest_wavelength / 1e4))


@stage
def kriek_conroy_2013(*, band_rest_wavelength: Vector, dust_slope: Scalar) -> DustCurve:
    """The starburst curve with a slope, and a bump at 0.2175 micron that is the stronger the steeper the slope.

    k = (k_starburst + E D(lambda)) (lambda / 0.55)^slope,  E = 0.85 - 1.9 slope, D a Drude profile of height 1.

    Reads
        band_rest_wavelength : Angstrom
        dust_slope : -
    Writes
        dust_curve : -
    Source: Kriek & Conroy 2013, ApJ 775, L16, Eq. 1 to 3; form of Noll et al. 2009, A&A 507, 1793, Eq. 8 to 10.
    """
    wavelength = band_rest_wavelength / 1e4
    width2 = (wavelength * BUMP_WIDTH) ** 2
    bump = width2 / ((wavelength**2 - BUMP_CENTRE**2) ** 2 + width2)
    curve = starburst_curve(wavelength) + (0.85 - 1.9 * dust_slope) * bump
    return DustCurve(curve * (wavelength / V_WAVELENGTH) ** dust_slope)
