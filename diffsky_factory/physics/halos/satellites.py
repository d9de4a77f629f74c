"""Where satellites live in their host and how fast they move: a triaxial NFW halo in equilibrium.

In numpy float64 and without gradients: only the generator of synthetic halos needs it, on the host.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammainc, lambertw, spence

from diffsky_factory.core.types import Scalar

GRAVITY = 4.30091727e-9  # Mpc (km/s)^2 / Msun; CODATA 2018 with the IAU solar mass parameter
CRITICAL_DENSITY = 2.77536627e11  # h^2 Msun / Mpc^3, at z = 0: 3 (100 km/s/Mpc)^2 / (8 pi G)
CONCENTRATION_SCATTER = 0.11  # dex; Dutton & Maccio 2014, MNRAS 441, 3359, Sec. 3.1
CONCENTRATIONS = 1.0, 100.0  # chosen: bounds
AXIS_RATIO_SCATTER = 0.1  # of c/a; Allgood et al. 2006, MNRAS 367, 1781, Eq. 4
AXIS_RATIOS = 0.2, 1.0  # chosen: bounds of c/a; 1 in 100 halos of 10^15 Msun is taken at the lower
X_NODES = np.geomspace(1e-3, 300.0, 1025)  # chosen: radii over the scale radius; 1e-5 between them
CHI_NODES = np.linspace(0.0, 7.0, 2049)  # chosen: speeds over their width; 1e-6 between them


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


def scattered_concentration(median: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Concentration of one halo from the median and a standard normal number: lognormal, 0.11 dex, from 1 to 100."""
    return np.clip(median * 10.0 ** (CONCENTRATION_SCATTER * normal), *CONCENTRATIONS)


def axis_ratios(
    log10_mass: np.ndarray, log10_nonlinear_mass: np.ndarray, normal: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Axis ratios b/a and c/a of halos, a >= b >= c, from a standard normal and a uniform number.

    c/a = 0.54 (M / M*)^-0.050 + 0.1 normal, from 0.2 to 1
    c/b = r + (1 - r) (1 + y) / 2,  r = max(c/a, 1/2),  with y of density 3/4 (1 - y^2): y = 2 sin(asin(2 u - 1) / 3)
    M* is the mass (`LinearTheory.nonlinear_mass`) whose spheres collapse at the redshift.
    Holds for 9e11 < M / Msun < 2e14 and z < 3, within 0.3 virial radii; taken for the whole halo, and beyond.
    Source: Allgood et al. 2006, MNRAS 367, 1781, Eq. 4; Jing & Suto 2002, ApJ 574, 538, Eq. 19.
    """
    mean = 0.54 * 10.0 ** (-0.050 * (log10_mass - log10_nonlinear_mass))
    c_a = np.clip(mean + AXIS_RATIO_SCATTER * normal, *AXIS_RATIOS)
    least = np.maximum(c_a, 0.5)
    c_b = least + (1.0 - least) * (0.5 + np.sin(np.arcsin(2.0 * u - 1.0) / 3.0))
    return c_a / c_b, c_a


def nfw_radius(u: np.ndarray, concentration: np.ndarray) -> np.ndarray:
    """Radius that holds a fraction u of the mass within the virial radius, in units of the latter.

    r = -(1 / W(-exp(-1 - u A)) + 1) / c,  A = ln(1 + c) - c / (1 + c),  W the principal branch of Lambert's function
    Source: Robotham & Howlett 2018, RNAAS 2, 55; profile of Navarro, Frenk & White 1997, ApJ 490, 493.
    """
    c = np.asarray(concentration, np.float64)
    mass = np.log1p(c) - c / (1.0 + c)
    radius = -(1.0 / lambertw(-np.exp(-1.0 - u * mass)).real + 1.0) / c
    return np.clip(radius, 0.0, 1.0)


def nfw_slope(x: np.ndarray) -> np.ndarray:
    """-d ln rho / d ln r of an NFW profile at x scale radii: (1 + 3 x) / (1 + x)."""
    return (1.0 + 3.0 * x) / (1.0 + x)


def velocity_scale(log10_mass: np.ndarray, radius: np.ndarray, concentration: np.ndarray) -> np.ndarray:
    """Velocity [km/s, physical] in which all NFW halos are alike; of virial mass [dex(Msun)] and radius [Mpc].

    V^2 = G M / R  c / (ln(1 + c) - c / (1 + c)) = 4 pi G rho_s r_s^2
    """
    c = concentration
    return np.sqrt(GRAVITY * 10.0**log10_mass / radius * c / (np.log1p(c) - c / (1.0 + c)))


def velocity_dispersion(x: np.ndarray) -> np.ndarray:
    """Dispersion along any direction at x scale radii from the centre, in units of `velocity_scale`.

    (sigma / V)^2 = x (1 + x)^2 / 2 [pi^2 - ln x - 1/x - 1/(1 + x)^2 - 6/(1 + x)
        + (1 + 1/x^2 - 4/x - 2/(1 + x)) ln(1 + x) + 3 ln^2(1 + x) + 6 Li2(-x)]
    The isotropic solution of the Jeans equation for tracers that follow an NFW profile without an end.
    Error: < 1e-4 for 1e-4 < x < 300, of rounding (tests/physics/halos/test_satellites.py)
    Source: Lokas & Mamon 2001, MNRAS 321, 155, Eq. 14.
    """
    y, l = 1.0 + x, np.log1p(x)
    inner = np.pi**2 - np.log(x) - 1.0 / x - 1.0 / y**2 - 6.0 / y
    inner += (1.0 + 1.0 / x**2 - 4.0 / x - 2.0 / y) * l + 3.0 * l**2 + 6.0 * spence(y)
    return np.sqrt(0.5 * x * y**2 * inner)


def escape_speed(x: np.ndarray) -> np.ndarray:
    """Speed that leads out of an NFW halo without an end from x scale radii, in units of `velocity_scale`.

    v^2 = 2 V^2 ln(1 + x) / x
    Source: potential of Lokas & Mamon 2001, MNRAS 321, 155, Eq. 8.
    """
    return np.sqrt(2.0 * np.log1p(x) / x)


class Speeds(NamedTuple):
    """Speeds of bound tracers: those of a normal law in three dimensions, cut where they would escape.

    The width of the law is larger than the dispersion, such that the dispersion of what is left is right.
    """

    log_x: np.ndarray  # ln of the radius over the scale radius, even
    width: np.ndarray  # (log_x,) in units of `velocity_scale`
    bound: np.ndarray  # (log_x,) share of the law below the escape speed
    below: np.ndarray  # share of the law below CHI_NODES widths

    def __call__(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The speed, in units of `velocity_scale`, that a share u of the tracers at x scale radii does not reach."""
        at = (np.log(np.maximum(x, 1e-300)) - self.log_x[0]) / (self.log_x[1] - self.log_x[0])
        at = np.clip(at, 0.0, len(self.log_x) - 1.001)
        i = at.astype(np.int64)
        t = at - i
        width, bound = (row[i] + t * (row[i + 1] - row[i]) for row in (self.width, self.bound))
        return width * np.interp(u * bound, self.below, CHI_NODES)


@lru_cache(maxsize=1)
def speeds() -> Speeds:
    """The speeds of bound tracers of an NFW halo.

    With t the escape speed over the width: (sigma / v_esc)^2 = P(5/2, t^2 / 2) / (t^2 P(3/2, t^2 / 2)), P the
    regularised incomplete gamma function, which is inverted.
    """
    t = np.geomspace(0.1, 30.0, 8193)
    of_t = gammainc(2.5, 0.5 * t**2) / (t**2 * gammainc(1.5, 0.5 * t**2))
    escape = escape_speed(X_NODES)
    cut = np.interp((velocity_dispersion(X_NODES) / escape) ** 2, of_t[::-1], t[::-1])
    return Speeds(np.log(X_NODES), escape / cut, gammainc(1.5, 0.5 * cut**2), gammainc(1.5, 0.5 * CHI_NODES**2))
