"""Columns of the synthetic universe's halos: hosts as they are, satellites drawn around them."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.halos.synthetic.patches import Patch
from diffsky_factory.halos.synthetic.satellites import minor_axes, satellite_hosts, satellites_around
from diffsky_factory.halos.synthetic.structure import Hosts, Structure
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.groups import check_finite, redshift_shell

COLUMNS = {
    "halo_id": np.int64,
    "host_halo_id": np.int64,
    "is_central": np.bool_,
    **dict.fromkeys(("ra", "dec", "redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
    "environment": np.float64,
    "halo_minor_axis": np.float32,
    "satellite_radius_score": np.float32,
}


class Groups(NamedTuple):
    """Rows of hosts and of their satellites where every host is followed by its own."""

    host: np.ndarray  # (hosts,) int64
    satellite: np.ndarray  # (satellites,) int64
    size: np.ndarray  # (hosts,) int64, host and satellites

    def column(self, of_hosts: np.ndarray, of_satellites: np.ndarray | bool | float) -> np.ndarray:
        """One column of all from that of the hosts and that of the satellites, or the one value of these."""
        found = np.empty((len(self.host) + len(self.satellite), *of_hosts.shape[1:]), of_hosts.dtype)
        found[self.host], found[self.satellite] = of_hosts, of_satellites
        return found


def groups(satellites: np.ndarray) -> Groups:
    """The rows of hosts that have some number of satellites each."""
    size = satellites + 1
    host = np.cumsum(size) - size
    return Groups(host, np.delete(np.arange(size.sum()), host), size)


def halos_of_patch(known: Structure, patch: Patch, log10_mass_min: float) -> dict[str, np.ndarray]:
    """Columns of the hosts of a patch and their satellites, in the order that `arrange` would bring them to.

    Hosts of a patch are sorted by pixel and id already, so that a stable sort by shell of redshift is all it takes.
    """
    by_shell = np.argsort(redshift_shell(patch.redshift), kind="stable")
    patch = Patch(*(column[by_shell] for column in patch))
    minor = minor_axes(known.seed, patch.halo_id)
    halo_id, mass, where, speed, score = satellites_of(known, patch, patch.redshift, minor, log10_mass_min)
    ra, dec, distance = coordinates.sky(where)
    z = known.distances.redshift(distance)
    row = groups(patch.satellites)
    columns = {
        **identities(row, patch.halo_id, halo_id),
        "ra": row.column(patch.ra, ra),
        "dec": row.column(patch.dec, dec),
        "redshift": row.column(patch.redshift, z),
        "redshift_obs": row.column(
            _observed(patch.redshift, patch.position, patch.velocity), _observed(z, where, speed)
        ),
        **phase_space(row, (patch.position, patch.velocity), (where, speed)),
        "log10_halo_mass": row.column(patch.log10_mass, mass),
        "environment": np.repeat(patch.environment, row.size),
        **shapes(row, minor, score),
    }
    check_finite(columns)
    return {**columns, "host_row": np.repeat(row.host, row.size)}


class Satellites(NamedTuple):
    """Satellites of some hosts, one host's after the other's."""

    halo_id: np.ndarray
    log10_mass: np.ndarray  # dex(Msun)
    position: np.ndarray  # (n, 3) comoving Mpc
    velocity: np.ndarray  # (n, 3) km/s
    radius_score: np.ndarray  # z-score of the place in the host, from the inside out


def satellites_of(
    known: Structure, hosts: Hosts | Patch, redshift: np.ndarray, minor_axis: np.ndarray, log10_mass_min: float
) -> Satellites:
    """The satellites of hosts at redshifts (n,), with minor axes (n, 3)."""
    some = np.flatnonzero(hosts.satellites)
    number, z = hosts.satellites[some], redshift[some]
    own = hosts.halo_id[some], hosts.log10_mass[some], z, known.distances.hubble(z), minor_axis[some]
    around = satellite_hosts(known.theory, known.seed, *own)
    host = np.repeat(np.arange(len(some)), number)  # of each satellite
    halo_id = np.repeat(hosts.first_satellite[some] - np.cumsum(number) + number, number) + np.arange(len(host))
    mass, offset, kick, score = satellites_around(known.seed, known.satellites, around, host, halo_id, log10_mass_min)
    row = some[host]
    return Satellites(halo_id, mass, hosts.position[row] + offset, hosts.velocity[row] + kick, score)


def identities(row: Groups, host_id: np.ndarray, satellite_id: np.ndarray) -> dict[str, np.ndarray]:
    """Who each row is, and whose."""
    return {
        "halo_id": row.column(host_id, satellite_id),
        "host_halo_id": np.repeat(host_id, row.size),
        "is_central": row.column(np.ones(len(row.host), bool), False),
    }


def shapes(row: Groups, minor_axis: np.ndarray, radius_score: np.ndarray) -> dict[str, np.ndarray]:
    """How hosts are turned, and how far out in them satellites are; shapes of satellites are not known."""
    return {
        "halo_minor_axis": row.column(minor_axis.astype(np.float32), 0.0),
        "satellite_radius_score": row.column(np.zeros(len(row.host), np.float32), radius_score),
    }


def phase_space(row: Groups, hosts: tuple, satellites: tuple) -> dict[str, np.ndarray]:
    """Columns of positions and velocities (n, 3) of hosts and of satellites."""
    found = {}
    for letter, of_hosts, of_satellites in zip(("", "v"), hosts, satellites):
        for i, axis in enumerate("xyz"):
            found[f"{letter}{axis}"] = row.column(of_hosts[:, i], of_satellites[:, i])
    return found


def _observed(redshift: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    return coordinates.observed_redshift(redshift, coordinates.line_of_sight_velocity(position, velocity))
