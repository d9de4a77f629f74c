"""Flat w0-wa cosmology without radiation: distances and ages, differentiable."""

from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.types import Scalar

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

SPEED_OF_LIGHT = 299792.458  # km/s, exact
HUBBLE_TIME = 1e-16 * 3.08567758149e24 / 31556925.2  # Gyr times h: Mpc in km over the seconds of a Gyr, by 100 km/s
NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)  # relative error < 1e-9 for z < 20

# Cosmic time today is a trapezoid in z on these nodes, no tail: the convention of Hearin et al. 2023, MNRAS 521, 1741,
# which all published calibrations assume; it is 6e-4 Gyr above the exact integral.
AGE_NODES = np.geomspace(1.0, 1000.0, 512) - 1.0


class Cosmology(NamedTuple):
    """Flat universe; the defaults are Planck 2015 (Planck Collaboration XIII 2016, A&A 594, A13, Table 4)."""

    Om0: Scalar = 0.3075
    w0: Scalar = -1.0
    wa: Scalar = 0.0
    h: Scalar = 0.6774
    Ob0: Scalar = 0.0486
    sigma8: Scalar = 0.8159
    ns: Scalar = 0.9667

    def to_astropy(self) -> "FLRW":
        """The same universe in astropy: flat, without photons and neutrinos, as this one is.

        Distances agree to 1e-9, lookback times to 3e-5 (a year is tropical here, Julian there), the age today to 1e-4,
        and that at any redshift to 0.0012 Gyr, by which it is more here (see AGE_NODES). sigma8 and ns, which astropy's
        cosmologies have no place for, are in `.meta`.
        """
        from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM

        Om0, w0, wa, h, Ob0, sigma8, ns = map(float, self)
        known = {"H0": 100.0 * h, "Om0": Om0, "Ob0": Ob0, "Tcmb0": 0.0, "meta": {"sigma8": sigma8, "ns": ns}}
        return FlatLambdaCDM(**known) if (w0, wa) == (-1.0, 0.0) else Flatw0waCDM(**known, w0=w0, wa=wa)

    def to_ccl(self) -> dict[str, float]:
        """Arguments of `pyccl.Cosmology` for the same universe: `pyccl.Cosmology(**ds.sky.cosmology.to_ccl())`.

        Photons and neutrinos are left out, so that distances agree to 1e-6 (CCL 3.3). A Boltzmann code, CCL's default
        for power spectra, wants them: give `transfer_function="eisenstein_hu"` beside these.
        """
        Om0, w0, wa, h, Ob0, sigma8, ns = map(float, self)
        known = {"Omega_c": Om0 - Ob0, "Omega_b": Ob0, "h": h, "sigma8": sigma8, "n_s": ns}
        return {**known, "w0": w0, "wa": wa, "Omega_g": 0.0, "Neff": 0.0}


def hubble_ratio(cosmology: Cosmology, z: Scalar) -> Scalar:
    """E(z) = H(z) / H0; E^2 = Om0 (1+z)^3 + (1 - Om0) (1+z)^(3(1+w0+wa)) exp(-3 wa z/(1+z)).

    Source: Chevallier & Polarski 2001; Linder 2003, PRL 90, 091301.
    """
    c = cosmology
    dark = (1.0 + z) ** (3.0 * (1.0 + c.w0 + c.wa)) * jnp.exp(-3.0 * c.wa * z / (1.0 + z))
    return jnp.sqrt(c.Om0 * (1.0 + z) ** 3 + (1.0 - c.Om0) * dark)


def comoving_distance(cosmology: Cosmology, z: Scalar) -> Scalar:
    """Line-of-sight comoving distance of redshift z [Mpc]; any shape; holds for 0 <= z < 20."""
    z = jnp.asarray(z)
    nodes, weights = jnp.asarray(NODES, z.dtype), jnp.asarray(WEIGHTS, z.dtype)
    at = 0.5 * z[..., None] * (nodes + 1.0)
    integral = 0.5 * z * jnp.sum(weights / hubble_ratio(cosmology, at), axis=-1)
    return SPEED_OF_LIGHT / 100.0 / cosmology.h * integral


def age_today(cosmology: Cosmology) -> Scalar:
    """Cosmic time at z = 0 [Gyr]."""
    z = jnp.asarray(AGE_NODES)
    return HUBBLE_TIME / cosmology.h * jnp.trapezoid(1.0 / (hubble_ratio(cosmology, z) * (1.0 + z)), z)


def lookback_time(cosmology: Cosmology, z: Scalar) -> Scalar:
    """Time from redshift z to today [Gyr]; any shape; holds for 0 <= z < 20."""
    z = jnp.asarray(z)
    nodes, weights = jnp.asarray(NODES, z.dtype), jnp.asarray(WEIGHTS, z.dtype)
    half = 0.5 * jnp.log1p(z)
    at = jnp.expm1(half[..., None] * (nodes + 1.0))
    return HUBBLE_TIME / cosmology.h * half * jnp.sum(weights / hubble_ratio(cosmology, at), axis=-1)


def age(cosmology: Cosmology, z: Scalar) -> Scalar:
    """Cosmic time at redshift z [Gyr]; any shape; a difference of times, so use 64 bits beyond z = 3."""
    return age_today(cosmology) - lookback_time(cosmology, z)


def distance_modulus(cosmology: Cosmology, z: Scalar) -> Scalar:
    """5 log10(luminosity distance / 10 pc) [mag]."""
    z = jnp.asarray(z)
    return 5.0 * jnp.log10((1.0 + z) * comoving_distance(cosmology, z)) + 25.0


def comoving_volume_per_redshift(cosmology: Cosmology, z: Scalar) -> Scalar:
    """dV/dz of the whole sky, comoving [Mpc^3]."""
    radius = comoving_distance(cosmology, z)
    return 4.0 * jnp.pi * radius**2 * SPEED_OF_LIGHT / 100.0 / cosmology.h / hubble_ratio(cosmology, z)


def redshift_at_distance(cosmology: Cosmology, radius: Scalar, z_max: float = 20.0) -> Scalar:
    """Redshift at a comoving distance [Mpc]; inverse of `comoving_distance` for 0 <= z <= z_max.

    Error: < 1e-10 in z in 64 bit (three Newton steps from an interpolated start).
    """
    radius = jnp.asarray(radius)
    grid = jnp.expm1(jnp.linspace(0.0, np.log1p(z_max), 512, dtype=radius.dtype))
    z = jnp.interp(radius, comoving_distance(cosmology, grid), grid)
    for _ in range(3):
        slope = SPEED_OF_LIGHT / 100.0 / cosmology.h / hubble_ratio(cosmology, z)
        z = z - (comoving_distance(cosmology, z) - radius) / slope
    return jnp.maximum(z, 0.0)


def in_float64(function):
    """A numpy float64 function from an elementwise JAX one, whatever the precision of the caller.

    Positions and redshifts need 64 bits (float32 is 0.1 arcsec near 360 deg); kernels do not. Lists are padded to
    a power of two, so that lists of many lengths compile a few times only.
    """
    compiled = jax.jit(function)

    @wraps(function)
    def wrapped(*args):
        args = jax.tree.map(lambda x: np.asarray(x, np.float64), args)
        lengths = {x.shape[0] if x.ndim == 1 else None for x in jax.tree.leaves(args) if x.ndim}
        n = lengths.pop() if len(lengths) == 1 else None
        if n:
            pad = (1 << (n - 1).bit_length()) - n
            args = jax.tree.map(lambda x: np.pad(x, (0, pad), "edge") if x.ndim else x, args)
        with jax.enable_x64(True):
            out = np.asarray(compiled(*args))
        return out[:n] if n and out.ndim else out

    return wrapped


comoving_distance_64 = in_float64(comoving_distance)
age_64 = in_float64(age)
age_today_64 = in_float64(age_today)
distance_modulus_64 = in_float64(distance_modulus)
redshift_at_distance_64 = in_float64(redshift_at_distance)
