"""Corrections to template fluxes: a mean that depends on mass and redshift, and a scatter, over rest wavelength.

Source: the SSP error model of diffsky 0.3.
"""

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.smooth import exp10, sigmoid, triweight_step
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal6, Scalar, Vector

WAVELENGTHS = (1500.0, 2500.0, 3831.0, 4777.0, 6289.0, 7684.0)  # Angstrom, rest: FUV NUV u g r i
SCATTER = 0.05  # mag at each of them
STEEPNESS = 5.0  # per dex of mass, per unit redshift
TRANSITIONS = (0.5, 1.5, 1.0)  # redshifts: between the first two nodes, the last two, and those two


class TemplateErrorParameters(NamedTuple):
    """Magnitude shifts at three redshift nodes: of r, and of the colours of five other bands relative to it.

    Positive is fainter. The nodes go over into each other at z = 0.5 and 1.5, whatever their names say.
    """

    z0p0_dr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in r at z < 0.5")
    ] = 9.37
    z0p0_dr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at low stellar mass and z < 0.5")
    ] = -0.71
    z0p0_dr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at high stellar mass and z < 0.5")
    ] = 0.05
    z0p0_dfr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in FUV - r at z < 0.5")
    ] = 10.0
    z0p0_dfr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at low stellar mass and z < 0.5")
    ] = 0.0
    z0p0_dfr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at high stellar mass and z < 0.5")
    ] = 0.0
    z0p0_dnr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in NUV - r at z < 0.5")
    ] = 8.98
    z0p0_dnr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at low stellar mass and z < 0.5")
    ] = -0.31
    z0p0_dnr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at high stellar mass and z < 0.5")
    ] = -0.28
    z0p0_dur_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in u - r at z < 0.5")
    ] = 8.77
    z0p0_dur_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at low stellar mass and z < 0.5")
    ] = -0.37
    z0p0_dur_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at high stellar mass and z < 0.5")
    ] = -0.46
    z0p0_dgr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in g - r at z < 0.5")
    ] = 10.3
    z0p0_dgr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at low stellar mass and z < 0.5")
    ] = -0.07
    z0p0_dgr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at high stellar mass and z < 0.5")
    ] = 0.22
    z0p0_dir_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in i - r at z < 0.5")
    ] = 10.19
    z0p0_dir_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at low stellar mass and z < 0.5")
    ] = -0.13
    z0p0_dir_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at high stellar mass and z < 0.5")
    ] = 0.27
    z0p5_dr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in r at 0.5 < z < 1.5")
    ] = 11.21
    z0p5_dr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at low stellar mass and 0.5 < z < 1.5")
    ] = -0.15
    z0p5_dr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at high stellar mass and 0.5 < z < 1.5")
    ] = 0.08
    z0p5_dfr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in FUV - r at 0.5 < z < 1.5")
    ] = 10.0
    z0p5_dfr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at low stellar mass and 0.5 < z < 1.5")
    ] = 0.0
    z0p5_dfr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at high stellar mass and 0.5 < z < 1.5")
    ] = 0.0
    z0p5_dnr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in NUV - r at 0.5 < z < 1.5")
    ] = 9.63
    z0p5_dnr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at low stellar mass and 0.5 < z < 1.5")
    ] = 0.56
    z0p5_dnr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at high stellar mass and 0.5 < z < 1.5")
    ] = -0.45
    z0p5_dur_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in u - r at 0.5 < z < 1.5")
    ] = 10.25
    z0p5_dur_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at low stellar mass and 0.5 < z < 1.5")
    ] = 0.04
    z0p5_dur_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at high stellar mass and 0.5 < z < 1.5")
    ] = 0.2
    z0p5_dgr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in g - r at 0.5 < z < 1.5")
    ] = 10.99
    z0p5_dgr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at low stellar mass and 0.5 < z < 1.5")
    ] = 0.08
    z0p5_dgr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at high stellar mass and 0.5 < z < 1.5")
    ] = -0.16
    z0p5_dir_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in i - r at 0.5 < z < 1.5")
    ] = 11.12
    z0p5_dir_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at low stellar mass and 0.5 < z < 1.5")
    ] = -0.15
    z0p5_dir_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at high stellar mass and 0.5 < z < 1.5")
    ] = 0.38
    z1p1_dr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in r at z > 1.5")
    ] = 10.61
    z1p1_dr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at low stellar mass and z > 1.5")
    ] = 0.16
    z1p1_dr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "magnitude shift in the r band at high stellar mass and z > 1.5")
    ] = -0.2
    z1p1_dfr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in FUV - r at z > 1.5")
    ] = 9.97
    z1p1_dfr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at low stellar mass and z > 1.5")
    ] = -0.77
    z1p1_dfr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in FUV - r at high stellar mass and z > 1.5")
    ] = 0.07
    z1p1_dnr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in NUV - r at z > 1.5")
    ] = 10.91
    z1p1_dnr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at low stellar mass and z > 1.5")
    ] = 0.075
    z1p1_dnr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in NUV - r at high stellar mass and z > 1.5")
    ] = -0.085
    z1p1_dur_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in u - r at z > 1.5")
    ] = 9.95
    z1p1_dur_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at low stellar mass and z > 1.5")
    ] = -0.73
    z1p1_dur_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in u - r at high stellar mass and z > 1.5")
    ] = 0.063
    z1p1_dgr_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in g - r at z > 1.5")
    ] = 9.82
    z1p1_dgr_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at low stellar mass and z > 1.5")
    ] = -0.68
    z1p1_dgr_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in g - r at high stellar mass and z > 1.5")
    ] = 0.34
    z1p1_dir_logsm0: Annotated[
        Scalar, Within(8.0, 15.0, "dex(solMass)", "pivot in stellar mass of the shift in i - r at z > 1.5")
    ] = 10.0
    z1p1_dir_ylo: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at low stellar mass and z > 1.5")
    ] = 0.0
    z1p1_dir_yhi: Annotated[
        Scalar, Within(-0.8, 0.8, "mag", "colour shift in i - r at high stellar mass and z > 1.5")
    ] = 0.0


def mean_shifts(p: TemplateErrorParameters, log10_mass: Scalar, redshift: Scalar) -> Vector:
    """Magnitude shift (6,) at WAVELENGTHS."""

    def over_mass(node, band):
        x0, low, high = (getattr(p, f"{node}_d{band}r_{part}" if band else f"{node}_dr_{part}") for part in _PARTS)
        return sigmoid(log10_mass, x0, STEEPNESS, low, high)

    def at_node(node):
        r = over_mass(node, "")
        return jnp.stack([r + (over_mass(node, band) if band else 0.0) for band in ("f", "n", "u", "g", "", "i")])

    z0, z1, z2 = (at_node(node) for node in ("z0p0", "z0p5", "z1p1"))
    early = sigmoid(redshift, TRANSITIONS[0], STEEPNESS, z0, z1)
    late = sigmoid(redshift, TRANSITIONS[1], STEEPNESS, z1, z2)
    return sigmoid(redshift, TRANSITIONS[2], STEEPNESS, early, late)


_PARTS = ("logsm0", "ylo", "yhi")


def over_wavelength(wavelength: Vector, factors: Vector) -> Vector:
    """Factors (6,) at WAVELENGTHS, joined smoothly, at any wavelength [Angstrom]; constant beyond the ends."""
    x = WAVELENGTHS

    def joined(i):  # through three neighbouring points
        first = triweight_step(wavelength, (x[i] + x[i + 1]) / 2, (x[i + 1] - x[i]) / 3, factors[i], factors[i + 1])
        second = triweight_step(
            wavelength, (x[i + 1] + x[i + 2]) / 2, (x[i + 2] - x[i + 1]) / 3, factors[i + 1], factors[i + 2]
        )
        return triweight_step(wavelength, x[i + 1], (x[i + 2] - x[i]) / 6, first, second)

    blue_to_r = triweight_step(wavelength, x[2], (x[3] - x[1]) / 3, joined(0), joined(2))
    return triweight_step(wavelength, (x[4] + x[5]) / 2, (x[5] - x[4]) / 3, blue_to_r, factors[5])


class TemplateError(NamedTuple):
    template_flux_factor: Vector


@stage
def template_error(
    p: TemplateErrorParameters,
    *,
    log10_stellar_mass_in_situ: Scalar,
    redshift: Scalar,
    band_rest_wavelength: Vector,
    draw_shift: Normal6,
) -> TemplateError:
    """Factor on the flux of each band, with 0.05 mag of scatter at each of six wavelengths.

    Reads
        log10_stellar_mass_in_situ : dex(solMass)
        redshift : -
        band_rest_wavelength : Angstrom
    Writes
        template_flux_factor : -
    """
    shifts = mean_shifts(p, log10_stellar_mass_in_situ, redshift)
    mean = over_wavelength(band_rest_wavelength, exp10(-0.4 * shifts))
    scatter = jnp.interp(band_rest_wavelength, jnp.asarray(WAVELENGTHS, mean.dtype), SCATTER * draw_shift)
    return TemplateError(mean * exp10(-0.4 * scatter))
