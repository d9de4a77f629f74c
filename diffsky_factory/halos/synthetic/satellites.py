"""Satellites drawn around hosts: masses of the subhalo mass function, places and speeds in an NFW halo."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.halos.synthetic.tables import SatelliteTables
from diffsky_factory.physics.halos import satellites
from diffsky_factory.sky.cosmology import Cosmology


class SatelliteHosts(NamedTuple):
    """What the satellites of hosts follow from."""

    log10_mass: np.ndarray  # dex(Msun)
    redshift: np.ndarray
    virial_radius: np.ndarray  # Mpc, physical
    concentration: np.ndarray  # virial over scale radius


class Satellites(NamedTuple):
    """Satellites relative to their hosts."""

    log10_mass: np.ndarray  # dex(Msun)
    offset: np.ndarray  # (n, 3) comoving Mpc
    velocity: np.ndarray  # (n, 3) km/s


def satellite_hosts(
    cosmology: Cosmology, log10_mass: np.ndarray, redshift: np.ndarray, hubble_ratio: np.ndarray
) -> SatelliteHosts:
    """Hosts of the virial radius and the median concentration of their mass [dex(Msun)] and redshift."""
    omega_matter = cosmology.Om0 * (1.0 + redshift) ** 3 / hubble_ratio**2
    virial = satellites.virial_radius(log10_mass, hubble_ratio, omega_matter, cosmology.h)
    return SatelliteHosts(log10_mass, redshift, virial, satellites.concentration(log10_mass, redshift, cosmology.h))


def satellites_around(
    seed: int, tables: SatelliteTables, hosts: SatelliteHosts, host: np.ndarray, halo_id: np.ndarray, least: float
) -> Satellites:
    """Satellites of given ids (n,), of the hosts in the rows `host` (n,), of at least a mass [dex(Msun)].

    Every number follows from the seed and the satellite's id.
    """
    host_mass = hosts.log10_mass[host]
    ratio = tables.ratio(host_mass, counters.uniform(seed, "satellite mass", halo_id))
    mass = np.clip(host_mass + ratio, least, host_mass)

    depth, cosine, angle = (counters.uniform(seed, f"satellite {name}", halo_id) for name in ("r", "cos", "phi"))
    comoving = hosts.virial_radius * (1.0 + hosts.redshift)
    radius = comoving[host] * satellites.nfw_radius(depth, hosts.concentration[host])
    direction = _unit_vectors(2.0 * cosine - 1.0, 2.0 * np.pi * angle)

    dispersion = satellites.velocity_dispersion(hosts.log10_mass, hosts.virial_radius)[host]
    kick = [counters.normal(seed, f"satellite v{axis}", halo_id) for axis in "xyz"]
    return Satellites(mass, radius[:, None] * direction, dispersion[:, None] * np.stack(kick, axis=-1))


def _unit_vectors(cosine: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Directions (n, 3) from the cosine of the polar angle and the azimuth [rad]."""
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1)
