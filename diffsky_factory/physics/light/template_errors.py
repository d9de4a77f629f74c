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
    """Magnitude shifts at three redshift nodes: of r, and of the colours of five other bands relative to it."""

    z0p0_dr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 9.37  # log Msun; x0 (k 5) of dm_r, node z0p0
    z0p0_dr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.71  # mag; low-mass value
    z0p0_dr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.05  # mag; high-mass value
    z0p0_dfr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.0  # log Msun; x0 (k 5) of FUV-r colour shift
    z0p0_dfr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; low-mass value
    z0p0_dfr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; high-mass value
    z0p0_dnr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 8.98  # log Msun; x0 (k 5) of NUV-r colour shift
    z0p0_dnr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.31  # mag; low-mass value
    z0p0_dnr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.28  # mag; high-mass value
    z0p0_dur_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 8.77  # log Msun; x0 (k 5) of u-r colour shift
    z0p0_dur_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.37  # mag; low-mass value
    z0p0_dur_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.46  # mag; high-mass value
    z0p0_dgr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.3  # log Msun; x0 (k 5) of g-r colour shift
    z0p0_dgr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.07  # mag; low-mass value
    z0p0_dgr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.22  # mag; high-mass value
    z0p0_dir_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.19  # log Msun; x0 (k 5) of i-r colour shift
    z0p0_dir_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.13  # mag; low-mass value
    z0p0_dir_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.27  # mag; high-mass value
    z0p5_dr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 11.21  # log Msun; x0 (k 5) of dm_r, node z0p5
    z0p5_dr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.15  # mag; low-mass value
    z0p5_dr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.08  # mag; high-mass value
    z0p5_dfr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.0  # log Msun; x0 (k 5) of FUV-r colour shift
    z0p5_dfr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; low-mass value
    z0p5_dfr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; high-mass value
    z0p5_dnr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 9.63  # log Msun; x0 (k 5) of NUV-r colour shift
    z0p5_dnr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.56  # mag; low-mass value
    z0p5_dnr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.45  # mag; high-mass value
    z0p5_dur_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.25  # log Msun; x0 (k 5) of u-r colour shift
    z0p5_dur_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.04  # mag; low-mass value
    z0p5_dur_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.2  # mag; high-mass value
    z0p5_dgr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.99  # log Msun; x0 (k 5) of g-r colour shift
    z0p5_dgr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.08  # mag; low-mass value
    z0p5_dgr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.16  # mag; high-mass value
    z0p5_dir_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 11.12  # log Msun; x0 (k 5) of i-r colour shift
    z0p5_dir_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.15  # mag; low-mass value
    z0p5_dir_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.38  # mag; high-mass value
    z1p1_dr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.61  # log Msun; x0 (k 5) of dm_r, node z1p1
    z1p1_dr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.16  # mag; low-mass value
    z1p1_dr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.2  # mag; high-mass value
    z1p1_dfr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 9.97  # log Msun; x0 (k 5) of FUV-r colour shift
    z1p1_dfr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.77  # mag; low-mass value
    z1p1_dfr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.07  # mag; high-mass value
    z1p1_dnr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.91  # log Msun; x0 (k 5) of NUV-r colour
    z1p1_dnr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.075  # mag; low-mass value
    z1p1_dnr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = -0.085  # mag; high-mass value
    z1p1_dur_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 9.95  # log Msun; x0 (k 5) of u-r colour shift
    z1p1_dur_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.73  # mag; low-mass value
    z1p1_dur_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.063  # mag; high-mass value
    z1p1_dgr_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 9.82  # log Msun; x0 (k 5) of g-r colour shift
    z1p1_dgr_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = -0.68  # mag; low-mass value
    z1p1_dgr_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.34  # mag; high-mass value
    z1p1_dir_logsm0: Annotated[Scalar, Within(8.0, 15.0)] = 10.0  # log Msun; x0 (k 5) of i-r colour shift
    z1p1_dir_ylo: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; low-mass value
    z1p1_dir_yhi: Annotated[Scalar, Within(-0.8, 0.8)] = 0.0  # mag; high-mass value


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
