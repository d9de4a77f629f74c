"""Where satellites live in their host and how fast they move: NFW profile, virial radius, virial dispersion.

In numpy float64 and without gradients: only the generator of synthetic halos needs it, on the host.
"""

from typing import Any

import numpy as np
from scipy.special import lambertw

from diffsky_factory.core.types import Scalar

GRAVITY = 4.30091727e-9  # Mpc (km/s)^2 / Msun; CODATA 2018 with the IAU solar mass parameter
CRITICAL_DENSITY = 2.77536627e11  # h^2 Msun / Mpc^3, at z = 0: 3 (100 km/s/Mpc)^2 / (8 pi G)


def virial_overdensity(omega_matter: np.ndarray) -> np.ndarray:
    """Mean density of a virialised halo in units of the critical density of its time.

    18 pi^2 + 82 x - 39 x^2,  x = Om(z) - 1
    Source: Bryan & Norman 1998, ApJ 495, 80, Eq. 6 (flat universe).
    """
    x = omega_matter - 1.0
    return 18.0 * np.pi**2 + 82.0 * x - 39.0 * x**2


def virial_radius(log10_mass: np.ndarray, hubble_ratio: np.ndarray, omega_matter: Any, h: Scalar) -> np.ndarray:
    """Physical radius [Mpc] of halos of virial mass [dex(Msun)].

    R = (3 M / (4 pi Delta rho_c))^(1/3),  rho_c = 2.775e11 h^2 E(z)^2 Msun / Mpc^3
    """
    density = virial_overdensity(omega_matter) * CRITICAL_DENSITY * h**2 * hubble_ratio**2
    return np.cbrt(3.0 * 10.0**log10_mass / (4.0 * np.pi * density))


def concentration(log10_mass: np.ndarray, redshift: np.ndarray, h: Scalar) -> np.ndarray:
    """Virial radius over NFW scale radius, the median of its mass and redshift.

    log c = a + b log(M h / 1e12 Msun),  a = 0.537 + 0.488 exp(-0.718 z^1.08),  b = -0.097 + 0.024 z
    Holds for z < 5 (the value at 5 is kept beyond) and 10 < log10_mass < 15.
    Source: Dutton & Maccio 2014, MNRAS 441, 3359, Eqs. 12 and 13 (virial masses, Planck cosmology).
    """
    z = np.minimum(redshift, 5.0)
    a = 0.537 + (1.025 - 0.537) * np.exp(-0.718 * z**1.08)
    b = -0.097 + 0.024 * z
    return 10.0 ** (a + b * (log10_mass + np.log10(h) - 12.0))


def nfw_radius(u: np.ndarray, concentration: np.ndarray) -> np.ndarray:
    """Radius that holds a fraction u of the mass within the virial radius, in units of the latter.

    r = -(1 / W(-exp(-1 - u A)) + 1) / c,  A = ln(1 + c) - c / (1 + c),  W the principal branch of Lambert's function
    Source: Robotham & Howlett 2018, RNAAS 2, 55; profile of Navarro, Frenk & White 1997, ApJ 490, 493.
    """
    c = np.asarray(concentration, np.float64)
    mass = np.log1p(c) - c / (1.0 + c)
    radius = -(1.0 / lambertw(-np.exp(-1.0 - u * mass)).real + 1.0) / c
    return np.clip(radius, 0.0, 1.0)


def velocity_dispersion(log10_mass: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Dispersion per axis [km/s, physical] of satellites of a halo of given mass and physical radius [Mpc].

    sigma = sqrt(G M / (2 R)): the isothermal sphere. Simulations give 0.67 sqrt(G M / R) at 200 times the critical
    density (Evrard et al. 2008, ApJ 672, 122).
    """
    return np.sqrt(0.5 * GRAVITY * 10.0**log10_mass / radius)
