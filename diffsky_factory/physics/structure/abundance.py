"""How many halos there are and how they cluster on large scales, from linear theory, for any cosmology.

Masses dex(Msun), densities per dex and comoving Mpc^3, in numpy float64; arrays (redshift, mass).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from diffsky_factory.core.errors import InputError
from diffsky_factory.physics.halos import mass_function as smdpl
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.satellites import virial_overdensity
from diffsky_factory.physics.structure.linear_growth import Growth, growth
from diffsky_factory.physics.structure.power import (
    LinearPower,
    linear_power,
    mean_density,
    sigma_sphere,
    sphere_of_mass,
)
from diffsky_factory.sky.cosmology import Cosmology, in_float64
from diffsky_factory.sky.distance_table import hubble_ratio_64

MASSES = np.arange(7.0, 17.6, 0.1)  # dex(Msun), chosen: nodes of sigma(M), 1e-5 between them
COLLAPSE = 1.68647  # linear overdensity at which a sphere collapses, Einstein-de Sitter: 3/20 (12 pi)^(2/3)
MEAN_200 = 200.0  # overdensity relative to the mean that Tinker masses are of
DENSEST = 3200.0  # the highest overdensity that Tinker et al. fitted
NAMES = ("smdpl", "smdpl_scaled", "tinker_2008", "despali_2016")
SMDPL = Cosmology(Om0=0.307115, h=0.6777, Ob0=0.048206, sigma8=0.8228, ns=0.96)  # Klypin et al. 2016, Table 1
SMDPL_VOLUME = (400.0 / SMDPL.h) ** 3  # Mpc^3, comoving; Klypin et al. 2016, Table 1
SMDPL_PARTICLE = 9.63e7 / SMDPL.h  # Msun; Klypin et al. 2016, Table 1
FEW, MANY = 10.0, 100.0  # chosen: halos of SMDPL per dex between which the fit comes into its own
BLURRED, RESOLVED = 20.0, 100.0  # chosen: particles of a halo between which it does
KNOWN, UNKNOWN = 6.0, 8.0  # chosen: redshifts between which the fit, 0.8 to 1.3 of Despali et al. until then, runs away
VIRIAL = "virial mass (Bryan & Norman 1998)"
DEFINITIONS = {
    "smdpl": "largest virial mass so far of the main progenitor (Bryan & Norman 1998), as in SMDPL",
    "smdpl_scaled": "largest virial mass so far of the main progenitor (Bryan & Norman 1998), as in SMDPL",
    "tinker_2008": "mass within 200 times the mean density of matter (200m)",
    "despali_2016": VIRIAL,
}

smdpl_density_64 = in_float64(smdpl.density_per_dex)


class LinearTheory(NamedTuple):
    """All that linear theory says of a universe."""

    cosmology: Cosmology
    power: LinearPower
    growth: Growth
    log_sigma: CubicSpline  # ln of the rms overdensity today in the spheres that hold a mass [dex(Msun)]

    def sigma(self, log10_mass: np.ndarray) -> np.ndarray:
        """Rms linear overdensity today in the spheres that hold a mass, (mass,)."""
        return np.exp(self.log_sigma(log10_mass))

    def nonlinear_mass(self, redshift: np.ndarray) -> np.ndarray:
        """Mass M* [dex(Msun)] whose spheres collapse at a redshift where they are 1 rms denser, at least 10^7 Msun.

        sigma(M*) D(z) = delta_c
        """
        first = self.growth.first(-np.log1p(redshift))
        return np.interp(np.log(first / COLLAPSE), -self.log_sigma(MASSES), MASSES)


def linear_theory(cosmology: Cosmology, model: str = "eisenstein98") -> LinearTheory:
    """Linear theory of a cosmology; model of the power spectrum as in `linear_power`."""
    power = linear_power(cosmology, model)
    log_sigma = np.log(sigma_sphere(power, sphere_of_mass(cosmology, MASSES)))
    return LinearTheory(cosmology, power, growth(cosmology), CubicSpline(MASSES, log_sigma))


class Abundance(NamedTuple):
    """Density and large-scale bias of halos of a mass function."""

    density_per_dex: np.ndarray  # (redshift, mass) per dex and comoving Mpc^3
    bias: np.ndarray  # (redshift, mass) Eulerian b1
    second_bias: np.ndarray  # (redshift, mass) Eulerian b2


def abundance(
    theory: LinearTheory, kind: str | HaloMassFunctionParameters, redshift: np.ndarray, log10_mass: np.ndarray
) -> Abundance:
    """Halos of a mass function by its name or parameters, at each redshift and mass (both 1-D, masses ascending).

    smdpl is the published fit where SMDPL has halos to fit, whatever the cosmology, and Despali et al. 2016 in this
    cosmology where it has none: n = n_D (n_fit / n_D)^w, with `trust_in_smdpl` w. In smdpl_scaled the fit is compared
    with n_D in the cosmology of SMDPL: with w = 1 it is the fit times the ratio of n_D here and there. Parameters are
    the fit's form as it stands, everywhere. Bias is that of Tinker et al. 2010 at the overdensity of the mass
    definition, and b2(b1) of Lazeyras et al. 2016.
    """
    mass_function(kind)
    sigma = np.outer(theory.growth.at(redshift)[0], theory.sigma(log10_mass))
    z = np.asarray(redshift)[:, None]
    if isinstance(kind, HaloMassFunctionParameters):
        density = smdpl_density_64(kind, log10_mass[None, :], z)
    elif kind in ("smdpl", "smdpl_scaled"):
        density = _of_smdpl(theory, redshift, log10_mass, scaled=kind == "smdpl_scaled")
    else:
        density = density_of_fraction(theory, _fraction(theory, kind)(sigma, z), log10_mass)
    overdensity = MEAN_200 if kind == "tinker_2008" else np.clip(_virial_of_mean(theory, z), MEAN_200, DENSEST)
    bias = bias_tinker_2010(sigma, overdensity)
    return Abundance(density, bias, second_bias_lazeyras_2016(bias))


def _of_smdpl(theory: LinearTheory, redshift: np.ndarray, log10_mass: np.ndarray, scaled: bool) -> np.ndarray:
    """The fit to SMDPL where it has halos, Despali et al. 2016 elsewhere, (redshift, mass) per dex and Mpc^3."""
    here, there = (
        abundance(one, "despali_2016", redshift, log10_mass).density_per_dex for one in (theory, _theory_of_smdpl())
    )
    z = np.asarray(redshift)[:, None]
    fit = smdpl_density_64(HaloMassFunctionParameters(), log10_mass[None, :], z)
    ratio = np.maximum(fit, 1e-300) / np.maximum(there if scaled else here, 1e-300)
    trust = np.where(fit > 0.0, trust_in_smdpl(there, z, log10_mass), 0.0)
    return here * np.minimum(ratio, 1e300) ** trust


def trust_in_smdpl(density: np.ndarray, redshift: np.ndarray, log10_mass: np.ndarray) -> np.ndarray:
    """How far the fit to SMDPL rests on its halos, 0 to 1; of the density (per dex and Mpc^3) in its cosmology.

    The least of three smooth steps: in the logarithm of the number of halos in its volume, of the number of particles
    of a halo, and in redshift.
    """
    halos = np.log10(np.maximum(density * SMDPL_VOLUME, 1e-300))
    particles = log10_mass - np.log10(SMDPL_PARTICLE)
    return np.minimum.reduce(
        np.broadcast_arrays(
            _step(halos, np.log10(FEW), np.log10(MANY)),
            _step(particles, np.log10(BLURRED), np.log10(RESOLVED)),
            1.0 - _step(redshift, KNOWN, UNKNOWN),
        )
    )


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """From 0 below to 1 above, smoothly: 3 t^2 - 2 t^3."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t**2 * (3.0 - 2.0 * t)


@lru_cache
def _theory_of_smdpl() -> LinearTheory:
    return linear_theory(SMDPL)


def density_of_fraction(theory: LinearTheory, fraction: np.ndarray, log10_mass: np.ndarray) -> np.ndarray:
    """dn / dlog10 M = f(sigma) rho / M |dln sigma / dln M| ln 10, from f (redshift, mass)."""
    slope = -theory.log_sigma(log10_mass, 1)  # per dex
    return fraction * mean_density(theory.cosmology) / 10.0**log10_mass * slope


def fraction_tinker_2008(sigma: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """f(sigma) of masses within 200 times the mean density.

    f = A [(sigma / b)^-a + 1] exp(-c / sigma^2)
    Holds for 10.5 < log10_halo_mass < 15.5 and redshift < 2.5; beyond, an extrapolation.
    Source: Tinker et al. 2008, ApJ 688, 709, Eqs. 3 and 5 to 8, and Table 2.
    """
    grow = 1.0 + redshift
    change = 10.0 ** -((0.75 / np.log10(MEAN_200 / 75.0)) ** 1.2)  # Eq. 8
    a, b = 1.47 * grow**-0.06, 2.57 * grow**-change
    return 0.186 * grow**-0.14 * ((sigma / b) ** -a + 1.0) * np.exp(-1.19 / sigma**2)


def fraction_despali_2016(sigma: np.ndarray, omega_matter: np.ndarray) -> np.ndarray:
    """f(sigma) of virial masses.

    f = 2 A (v / 2 pi)^(1/2) exp(-v / 2) (1 + v^-p),  v = a (delta_c / sigma)^2,  delta_c = 1.686 Om(z)^0.0055
    Holds for 9.5 < log10_halo_mass < 15.5 and redshift < 5.
    Source: Despali et al. 2016, MNRAS 456, 2486, Eq. 12 at the virial overdensity; delta_c of Kitayama & Suto 1996,
    ApJ 469, 480, Eq. A6.
    """
    v = 0.7665 * (COLLAPSE * omega_matter**0.0055 / sigma) ** 2
    return 2.0 * 0.3292 * np.sqrt(v / (2.0 * np.pi)) * np.exp(-0.5 * v) * (1.0 + v**-0.2488)


def bias_tinker_2010(sigma: np.ndarray, overdensity: np.ndarray | float) -> np.ndarray:
    """Large-scale Eulerian bias of halos whose mean density is overdensity times that of matter.

    b = 1 - A v^a / (v^a + delta_c^a) + B v^b + C v^c,  v = delta_c / sigma,  y = log10 overdensity
    Holds for 200 <= overdensity <= 3200.
    Source: Tinker et al. 2010, ApJ 724, 878, Eq. 6 and Table 2.
    """
    y, v = np.log10(overdensity), COLLAPSE / sigma
    fall = np.exp(-((4.0 / y) ** 4))
    a = 0.44 * y - 0.88
    big_a, big_c = 1.0 + 0.24 * y * fall, 0.019 + 0.107 * y + 0.19 * fall
    return 1.0 - big_a * v**a / (v**a + COLLAPSE**a) + 0.183 * v**1.5 + big_c * v**2.4


def second_bias_lazeyras_2016(bias: np.ndarray) -> np.ndarray:
    """Eulerian b2 of halos of Eulerian bias b1.

    b2 = 0.412 - 2.143 b1 + 0.929 b1^2 + 0.008 b1^3
    Holds for 1 < b1 < 9.
    Source: Lazeyras et al. 2016, JCAP 02, 018, Eq. 5.2.
    """
    return 0.412 + bias * (-2.143 + bias * (0.929 + 0.008 * bias))


def lagrangian_bias(bias: np.ndarray, second_bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """b1 and b2 in the initial conditions, from those of today's positions.

    b1L = b1 - 1,  b2L = b2 - 8/21 b1L
    Source: Sheth, Chan & Scoccimarro 2013, PRD 87, 083002, Eq. 40 (spherical collapse).
    """
    return bias - 1.0, second_bias - 8.0 / 21.0 * (bias - 1.0)


def mass_function(given: str | HaloMassFunctionParameters) -> str | HaloMassFunctionParameters:
    """A mass function as it is given, by its name or parameters; raises InputError for an unknown name."""
    if not isinstance(given, HaloMassFunctionParameters) and given not in NAMES:
        raise InputError(f"no mass_function '{given}': there are {', '.join(NAMES)}, or parameters of the SMDPL form")
    return given


def mass_definition(kind: str | HaloMassFunctionParameters) -> str:
    """What a mass of a mass function is."""
    return DEFINITIONS["smdpl" if isinstance(kind, HaloMassFunctionParameters) else kind]


def _fraction(theory: LinearTheory, kind: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    if kind == "tinker_2008":
        return fraction_tinker_2008
    return lambda sigma, z: fraction_despali_2016(sigma, _omega_matter(theory, z))


def _omega_matter(theory: LinearTheory, redshift: np.ndarray) -> np.ndarray:
    c = theory.cosmology
    return c.Om0 * (1.0 + redshift) ** 3 / hubble_ratio_64(c, redshift) ** 2


def _virial_of_mean(theory: LinearTheory, redshift: np.ndarray) -> np.ndarray:
    """Virial density in units of the mean density of matter."""
    omega = _omega_matter(theory, redshift)
    return virial_overdensity(omega) / omega
