"""Attenuation laws, and the stages that put them in the place of `dust_curve`.

A law is a function (rest wavelength in micron, slope) -> k, with A(lambda) = A_V k / 4.05. A recipe picks one by
`replace: {dust_curve: salim_2018}`.
"""

import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.light.dust import R_V, DustCurve, drude_bump

V_WAVELENGTH = 0.55  # micron, where the power law of the slope pivots; Noll et al. 2009, Eq. 9
B_WAVELENGTH = 0.44  # micron
BUMP = 1.0  # chosen: a third of that of the Milky Way, the mean of Salim et al. 2018, ApJ 859, 11
FAR_ULTRAVIOLET = 0.15  # micron, below which the starburst curve is that of Leitherer et al. 2002


def starburst_curve(wavelength: Vector, slope: Scalar = 0.0) -> Vector:
    """k of starburst galaxies, the same for any slope.

    2.659 (-2.156 + 1.509/l - 0.198/l^2 + 0.011/l^3) + 4.05 below 0.63 micron, 2.659 (-1.857 + 1.040/l) + 4.05 above.
    Holds for 0.12 to 2.2 micron; the same polynomials beyond, never below 0.
    Source: Calzetti et al. 2000, ApJ 533, 682, Eq. 4.
    """
    x = 1.0 / wavelength
    blue = 2.659 * (-2.156 + x * (1.509 + x * (-0.198 + x * 0.011))) + R_V
    red = 2.659 * (-1.857 + 1.040 * x) + R_V
    return jnp.maximum(jnp.where(wavelength < 0.63, blue, red), 0.0)


def extended_starburst_curve(wavelength: Vector) -> Vector:
    """The starburst curve, and below 0.15 micron 5.472 + 0.671/l - 9.218e-3/l^2 + 2.620e-3/l^3.

    Holds for 0.097 to 2.2 micron; the same polynomials beyond.
    Error: the two differ by 0.2 % where they meet.
    Source: Leitherer et al. 2002, ApJS 140, 303.
    """
    x = 1.0 / wavelength
    far = 5.472 + x * (0.671 + x * (-9.218e-3 + x * 2.620e-3))
    return jnp.where(wavelength < FAR_ULTRAVIOLET, far, starburst_curve(wavelength))


def kriek_conroy_curve(wavelength: Vector, slope: Scalar) -> Vector:
    """(k_starburst + E D) (l / 0.55)^slope, E = 0.85 - 1.9 slope: the steeper, the stronger the bump.

    Source: Kriek & Conroy 2013, ApJ 775, L16, Eq. 1 to 3.
    """
    curve = starburst_curve(wavelength) + (0.85 - 1.9 * slope) * drude_bump(wavelength)
    return curve * (wavelength / V_WAVELENGTH) ** slope


def noll_curve(wavelength: Vector, slope: Scalar, bump: Scalar = BUMP) -> Vector:
    """(k_starburst + bump D) (l / 0.55)^slope.

    Source: Noll et al. 2009, A&A 507, 1793, Eq. 8 to 10.
    """
    curve = extended_starburst_curve(wavelength) + bump * drude_bump(wavelength)
    return curve * (wavelength / V_WAVELENGTH) ** slope


def salim_curve(wavelength: Vector, slope: Scalar, bump: Scalar = BUMP) -> Vector:
    """4.05 A / A_V of A = E(B-V) (k_starburst (l / 0.55)^slope R / 4.05 + bump D), with R = A_V / E(B-V).

    The bump comes after the slope, and R = 4.05 / (5.05 (0.44 / 0.55)^slope - 4.05) follows from the slope; so
    k = k_starburst (l / 0.55)^slope + bump D 4.05 / R: the bump is the stronger beside A_V the steeper the slope.
    Holds for slopes below 0.9, where R is positive; no bump beyond.
    Source: Salim et al. 2018, ApJ 859, 11.
    """
    inverse_r = (R_V + 1.0) * (B_WAVELENGTH / V_WAVELENGTH) ** slope - R_V  # 4.05 / R
    sloped = extended_starburst_curve(wavelength) * (wavelength / V_WAVELENGTH) ** slope
    return sloped + jnp.maximum(inverse_r, 0.0) * bump * drude_bump(wavelength)


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
    """The starburst curve with a slope, and a bump that is the stronger the steeper the slope.

    Reads
        band_rest_wavelength : Angstrom
        dust_slope : -
    Writes
        dust_curve : -
    Source: Kriek & Conroy 2013, ApJ 775, L16, Eq. 1 to 3.
    """
    return DustCurve(kriek_conroy_curve(band_rest_wavelength / 1e4, dust_slope))


@stage
def noll_2009(*, band_rest_wavelength: Vector, dust_slope: Scalar) -> DustCurve:
    """The starburst curve with a slope and a bump that the slope tilts.

    Reads
        band_rest_wavelength : Angstrom
        dust_slope : -
    Writes
        dust_curve : -
    Source: Noll et al. 2009, A&A 507, 1793, Eq. 8 to 10.
    """
    return DustCurve(noll_curve(band_rest_wavelength / 1e4, dust_slope))


@stage
def salim_2018(*, band_rest_wavelength: Vector, dust_slope: Scalar) -> DustCurve:
    """The starburst curve with a slope, and a bump on top of it.

    Reads
        band_rest_wavelength : Angstrom
        dust_slope : -
    Writes
        dust_curve : -
    Source: Salim et al. 2018, ApJ 859, 11.
    """
    return DustCurve(salim_curve(band_rest_wavelength / 1e4, dust_slope))
