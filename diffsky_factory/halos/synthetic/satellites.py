"""Satellites drawn around hosts: masses of the subhalo mass function, places and speeds in a triaxial NFW halo."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from diffsky_factory.core import counters
from diffsky_factory.halos.synthetic.tables import SatelliteTables
from diffsky_factory.physics.halos import satellites
from diffsky_factory.physics.structure.abundance import LinearTheory
from diffsky_factory.sky.cosmology import Cosmology


class SatelliteHosts(NamedTuple):
    """What the satellites of hosts follow from."""

    log10_mass: np.ndarray  # dex(Msun)
    redshift: np.ndarray
    virial_radius: np.ndarray  # Mpc, physical
    concentration: np.ndarray  # virial over scale radius
    axes: np.ndarray  # (n, 3, 3) unit vectors: major, middle, minor
    log_lengths: np.ndarray  # (n, 3) ln of the lengths of the axes, over the major one


class Satellites(NamedTuple):
    """Satellites relative to their hosts."""

    log10_mass: np.ndarray  # dex(Msun)
    offset: np.ndarray  # (n, 3) comoving Mpc
    velocity: np.ndarray  # (n, 3) km/s
    radius_score: np.ndarray  # z-score of the place among those of all satellites of the host, from the inside out


def satellite_hosts(
    theory: LinearTheory,
    seed: int,
    halo_id: np.ndarray,
    log10_mass: np.ndarray,
    redshift: np.ndarray,
    hubble_ratio: np.ndarray,
    minor_axis: np.ndarray,
) -> SatelliteHosts:
    """Hosts of the virial radius of their mass [dex(Msun)] and redshift, with a concentration and a shape of their own.

    Both follow from the seed and the host's id; minor_axis (n, 3) are unit vectors, as of `minor_axes`.
    """
    virial, own = profiles(theory.cosmology, seed, halo_id, log10_mass, redshift, hubble_ratio)
    shape = counters.normal(seed, "halo c/a", halo_id), counters.uniform(seed, "halo c/b", halo_id)
    b_a, c_a = satellites.axis_ratios(log10_mass, theory.nonlinear_mass(redshift), *shape)
    log_lengths = np.stack([np.zeros(len(b_a)), np.log(b_a), np.log(c_a)], axis=-1)
    return SatelliteHosts(log10_mass, redshift, virial, own, _axes(seed, halo_id, minor_axis), log_lengths)


def profiles(
    cosmology: Cosmology,
    seed: int,
    halo_id: np.ndarray,
    log10_mass: np.ndarray,
    redshift: np.ndarray,
    hubble_ratio: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Virial radius [Mpc, physical] and concentration of halos; the latter scatters by the seed and the halo's id."""
    omega_matter = cosmology.Om0 * (1.0 + redshift) ** 3 / hubble_ratio**2
    virial = satellites.virial_radius(log10_mass, hubble_ratio, omega_matter, cosmology.h)
    median = satellites.concentration(log10_mass, redshift, cosmology.h)
    normal = counters.normal(seed, "halo concentration", halo_id)
    return virial, satellites.scattered_concentration(median, normal)


def minor_axes(seed: int, halo_id: np.ndarray) -> np.ndarray:
    """Directions (n, 3) of the minor axes of halos of given ids, isotropic."""
    return _unit_vectors(*(counters.uniform(seed, f"halo axes {name}", halo_id) for name in ("cos", "phi")))


def satellites_around(
    seed: int, tables: SatelliteTables, hosts: SatelliteHosts, host: np.ndarray, halo_id: np.ndarray, least: float
) -> Satellites:
    """Satellites of given ids (n,), of the hosts in the rows `host` (n,), of at least a mass [dex(Msun)].

    Every number follows from the seed and the satellite's id. The mass within any sphere is that of the NFW profile,
    exactly, and all are within the virial radius. Directions have an angular central Gaussian law with the lengths of
    the axes to the power of a third of the slope of the profile: where this is a power law, surfaces of one density
    have these lengths, exactly along the axes. Speeds are isotropic, have the dispersion by the Jeans equation of the
    spherical halo, and are below the escape speed.
    Source: Tyler 1987, Biometrika 74, 579, for the law of directions.
    """
    host_mass = hosts.log10_mass[host]
    ratio = tables.ratio(host_mass, counters.uniform(seed, "satellite mass", halo_id))
    mass = np.clip(host_mass + ratio, least, host_mass)

    depth, *towards = (counters.uniform(seed, f"satellite {name}", halo_id) for name in ("r", "cos", "phi"))
    concentration = hosts.concentration[host]
    radius = satellites.nfw_radius(depth, concentration)
    x = concentration * radius
    stretch = np.exp(satellites.nfw_slope(x)[:, None] / 3.0 * hosts.log_lengths[host])
    along = np.einsum("ni,nij->nj", stretch * _unit_vectors(*towards), hosts.axes[host])
    distance = (hosts.virial_radius * (1.0 + hosts.redshift))[host] * radius
    offset = along * (distance / np.sqrt(np.einsum("ni,ni->n", along, along)))[:, None]

    fast, *heading = (counters.uniform(seed, f"satellite {name}", halo_id) for name in ("speed", "vcos", "vphi"))
    scale = satellites.velocity_scale(hosts.log10_mass, hosts.virial_radius, hosts.concentration)
    speed = scale[host] * satellites.speeds()(x, fast)
    return Satellites(mass, offset, speed[:, None] * _unit_vectors(*heading), ndtri(depth))


def _axes(seed: int, halo_id: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Directions (n, 3, 3) of the major, the middle and the minor axis of halos, turned at random about the minor one.

    Source: Duff et al. 2017, JCGT 6, 1, for two directions at right angles to a third.
    """
    x, y, z = minor.T
    sign = np.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = np.stack([1.0 + sign * x**2 * a, sign * b, -sign * x], axis=-1)
    second = np.stack([b, sign + y**2 * a, -y], axis=-1)
    turn = 2.0 * np.pi * counters.uniform(seed, "halo axes turn", halo_id)[:, None]
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([cosine * first + sine * second, cosine * second - sine * first, minor], axis=1)


def _unit_vectors(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Isotropic directions (n, 3) from two uniform numbers."""
    cosine, angle = 2.0 * u - 1.0, 2.0 * np.pi * v
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1)
