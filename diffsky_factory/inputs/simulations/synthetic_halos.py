"""Columns of the synthetic universe's halos: hosts as they are, satellites drawn around them."""

import numpy as np

from diffsky_factory.inputs.simulations.drawn_satellites import satellite_hosts, satellites_around
from diffsky_factory.inputs.simulations.synthetic_patches import Patch
from diffsky_factory.inputs.simulations.synthetic_structure import Structure
from diffsky_factory.sky import coordinates

COLUMNS = {
    "halo_id": np.int64,
    "host_halo_id": np.int64,
    "is_central": np.bool_,
    **dict.fromkeys(("ra", "dec", "redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
    "environment": np.float64,
}


def halos_of_patch(known: Structure, patch: Patch, log10_mass_min: float) -> dict[str, np.ndarray]:
    """Columns of the hosts of a patch, then of their satellites."""
    number = len(patch.halo_id)
    host = np.repeat(np.arange(number), patch.satellites)  # of each satellite
    ends = np.cumsum(patch.satellites)
    halo_id = (patch.first_satellite - ends + patch.satellites)[host] + np.arange(len(host))
    rate = known.distances.hubble(patch.redshift)
    hosts = satellite_hosts(known.theory.cosmology, patch.log10_mass, patch.redshift, rate)
    mass, offset, kick = satellites_around(known.seed, known.satellites, hosts, host, halo_id, log10_mass_min)
    where = patch.position[host] + offset
    ra, dec, distance = coordinates.sky(where)
    position = np.concatenate([patch.position, where])
    velocity = np.concatenate([patch.velocity, patch.velocity[host] + kick])
    redshift = np.concatenate([patch.redshift, known.distances.redshift(distance)])
    return {
        "halo_id": np.concatenate([patch.halo_id, halo_id]),
        "host_halo_id": np.concatenate([patch.halo_id, patch.halo_id[host]]),
        "is_central": np.arange(number + len(host)) < number,
        "ra": np.concatenate([patch.ra, ra]),
        "dec": np.concatenate([patch.dec, dec]),
        "redshift": redshift,
        "redshift_obs": coordinates.observed_redshift(redshift, coordinates.line_of_sight_velocity(position, velocity)),
        **dict(zip("xyz", position.T, strict=True)),
        **dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)),
        "log10_halo_mass": np.concatenate([patch.log10_mass, mass]),
        "environment": np.concatenate([patch.environment, patch.environment[host]]),
    }
