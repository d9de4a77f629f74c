"""Columns of the synthetic universe's halos: hosts as they are, satellites drawn around them."""

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.inputs.simulations.synthetic_patches import Patch
from diffsky_factory.inputs.simulations.synthetic_structure import Structure
from diffsky_factory.physics.halos import satellites
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
    mass, offset, kick = _satellites(known, patch, host, halo_id, log10_mass_min)
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


def _satellites(
    known: Structure, patch: Patch, host: np.ndarray, halo_id: np.ndarray, log10_mass_min: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mass [dex(Msun)], offset from the host [comoving Mpc] (n, 3) and velocity relative to it [km/s] (n, 3)."""
    cosmology, seed = known.theory.cosmology, known.seed
    host_mass = patch.log10_mass[host]
    ratio = known.satellites.ratio(host_mass, counters.uniform(seed, "satellite mass", halo_id))
    mass = np.clip(host_mass + ratio, log10_mass_min, host_mass)

    hubble_ratio = known.distances.hubble(patch.redshift)
    omega_matter = cosmology.Om0 * (1.0 + patch.redshift) ** 3 / hubble_ratio**2
    virial = satellites.virial_radius(patch.log10_mass, hubble_ratio, omega_matter, cosmology.h)
    concentration = satellites.concentration(patch.log10_mass, patch.redshift, cosmology.h)
    depth, cosine, angle = (counters.uniform(seed, f"satellite {name}", halo_id) for name in ("r", "cos", "phi"))
    comoving = virial * (1.0 + patch.redshift)
    radius = comoving[host] * satellites.nfw_radius(depth, concentration[host])
    direction = _unit_vectors(2.0 * cosine - 1.0, 2.0 * np.pi * angle)

    dispersion = satellites.velocity_dispersion(patch.log10_mass, virial)[host]
    kick = [counters.normal(seed, f"satellite v{axis}", halo_id) for axis in "xyz"]
    return mass, radius[:, None] * direction, dispersion[:, None] * np.stack(kick, axis=-1)


def _unit_vectors(cosine: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Directions (n, 3) from the cosine of the polar angle and the azimuth [rad]."""
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1)
