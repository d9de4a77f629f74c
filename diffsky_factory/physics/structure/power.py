"""The linear power spectrum of matter, and its integrals."""

from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.cosmology import Cosmology

POWER_SPECTRA = ("eisenstein98", "camb")
CMB_TEMPERATURE = 2.7255  # K; Fixsen 2009, ApJ 707, 916
CRITICAL_DENSITY = 2.77536627e11  # h^2 Msun / Mpc^3, at z = 0: 3 (100 km/s/Mpc)^2 / (8 pi G)
HUBBLE_DISTANCE = 2997.92458  # Mpc / h, c over 100 km/s/Mpc
WAVENUMBERS = np.geomspace(1e-6, 2e3, 8192)  # 1/Mpc, chosen: sigma of 1e8 Msun good to 1e-4
CAMB_HIGHEST = 20.0  # 1/Mpc, chosen: beyond, the slope of the transfer function is kept


class LinearPower(NamedTuple):
    """Linear theory today: power and transfer function on one grid of wavenumbers."""

    wavenumber: np.ndarray  # 1/Mpc, logarithmic steps
    power: np.ndarray  # Mpc^3, at z = 0
    transfer: np.ndarray  # 1 at small wavenumbers

    def __call__(self, k: np.ndarray) -> np.ndarray:
        """P(k) [Mpc^3] at z = 0 for k [1/Mpc], any shape; 0 for k = 0."""
        k = np.asarray(k, np.float64)
        log_k = np.log(np.where(k > 0.0, k, 1.0))
        power = np.exp(np.interp(log_k, np.log(self.wavenumber), np.log(self.power)))
        return np.where(k > 0.0, power, 0.0)

    def integral(self, weight: np.ndarray | float) -> np.ndarray:
        """Integral of P(k) weight(k) k^2 dk / (2 pi^2); weight (..., wavenumber)."""
        k = self.wavenumber
        return np.trapezoid(weight * self.power * k**3 / (2.0 * np.pi**2), np.log(k), axis=-1)

    def per_potential(self, cosmology: Cosmology, early: float, k: np.ndarray) -> np.ndarray:
        """Matter overdensity today per primordial potential of the same wavenumber [1/Mpc], any shape; 0 for k = 0.

        delta = M phi,  M = 2 c^2 k^2 T(k) D / (3 Om0 H0^2),  D = a when matter ruled: 1 / early today, early = D1 / a
        Source: Slosar et al. 2008, JCAP 08, 031, Eq. 4.
        """
        c, k = cosmology, np.asarray(k, np.float64)
        log_k = np.log(np.where(k > 0.0, k, 1.0))
        transfer = np.exp(np.interp(log_k, np.log(self.wavenumber), np.log(self.transfer)))
        return 2.0 * k**2 * transfer * (HUBBLE_DISTANCE / c.h) ** 2 / (3.0 * c.Om0 * early)


def linear_power(cosmology: Cosmology, model: str = "eisenstein98") -> LinearPower:
    """Linear power of a flat universe without massive neutrinos, of its own sigma8 and tilt ns.

    P(k) ~ k^ns T(k)^2, with sigma = sigma8 in spheres of 8 Mpc/h.
    model : eisenstein98 (fit, 3 % of CAMB) or camb (needs the package of that name)
    Source: Eisenstein & Hu 1998, ApJ 496, 605, as coded in colossus (Diemer 2018, ApJS 239, 35).
    Raises InputError for another model, or one whose package is missing.
    """
    models: dict[str, Any] = {"eisenstein98": _eisenstein_98, "camb": _camb}
    if model not in models:
        raise InputError(f"no power_spectrum '{model}': there are {', '.join(POWER_SPECTRA)}")
    k = WAVENUMBERS
    transfer = models[model](cosmology, k)
    shape = LinearPower(k, k**cosmology.ns * transfer**2, transfer)
    sigma = sigma_sphere(shape, np.array([8.0 / cosmology.h]))[0]
    return shape._replace(power=shape.power * (cosmology.sigma8 / sigma) ** 2)


def sigma_sphere(power: LinearPower, radius: np.ndarray) -> np.ndarray:
    """Rms overdensity today in spheres of comoving radius [Mpc], (n,)."""
    x = np.asarray(radius)[:, None] * power.wavenumber
    # the series where the difference of the terms loses its digits
    exact = 3.0 * (np.sin(x) - x * np.cos(x)) / np.maximum(x, 1e-3) ** 3
    return np.sqrt(power.integral(np.where(x < 0.02, 1.0 - x**2 / 10.0, exact) ** 2))


def mean_density(cosmology: Cosmology) -> float:
    """Comoving density of matter [Msun / Mpc^3]."""
    return CRITICAL_DENSITY * float(cosmology.h) ** 2 * float(cosmology.Om0)


def sphere_of_mass(cosmology: Cosmology, log10_mass: np.ndarray) -> np.ndarray:
    """Comoving radius [Mpc] of the sphere of mean density that holds a mass [dex(Msun)]."""
    return np.cbrt(3.0 * 10.0**log10_mass / (4.0 * np.pi * mean_density(cosmology)))


def _eisenstein_98(cosmology: Cosmology, k: np.ndarray) -> np.ndarray:
    # the function of the transfer module: no cosmology object of colossus, so nothing is written in the home folder
    from colossus.cosmology.power_spectrum import modelEisenstein98

    c = cosmology
    return modelEisenstein98(k / c.h, float(c.h), float(c.Om0), float(c.Ob0), CMB_TEMPERATURE)


def _camb(cosmology: Cosmology, k: np.ndarray) -> np.ndarray:
    try:
        import camb
    except ImportError as error:
        raise InputError("power_spectrum 'camb' needs the package camb: pip install camb, or eisenstein98") from error
    c, squared = cosmology, float(cosmology.h) ** 2
    settings = camb.CAMBparams()
    settings.set_cosmology(
        H0=100.0 * c.h, ombh2=c.Ob0 * squared, omch2=(c.Om0 - c.Ob0) * squared, mnu=0.0, TCMB=CMB_TEMPERATURE
    )
    settings.set_dark_energy(w=c.w0, wa=c.wa, dark_energy_model="ppf")
    settings.set_matter_power(redshifts=[0.0], kmax=CAMB_HIGHEST)
    data = camb.get_transfer_functions(settings).get_matter_transfer_data()
    at, total = data.transfer_z("k/h"), data.transfer_z("delta_tot")
    log_k, log_t = np.log(at * c.h), np.log(total / total[0])
    transfer = np.interp(np.log(k), log_k, log_t)
    slope = (log_t[-1] - log_t[-8]) / (log_k[-1] - log_k[-8])
    beyond = log_t[-1] + slope * (np.log(k) - log_k[-1])
    return np.exp(np.where(np.log(k) > log_k[-1], beyond, transfer))
