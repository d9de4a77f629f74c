"""Satellites of the subhalo mass function, added to hosts of a simulation that has none, or none so light."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.halos.completion.unresolved_hosts import SYNTHETIC_SATELLITES
from diffsky_factory.halos.synthetic.columns import columns_of
from diffsky_factory.halos.synthetic.satellites import (
    SatelliteHosts,
    minor_axes,
    satellite_hosts,
    satellites_around,
)
from diffsky_factory.halos.synthetic.tables import Distances, SatelliteTables
from diffsky_factory.physics.halos.satellites import CONCENTRATIONS
from diffsky_factory.physics.structure.abundance import LinearTheory
from diffsky_factory.sky import coordinates


class AddedSatellites(NamedTuple):
    """What added satellites follow from."""

    seed: int
    theory: LinearTheory
    distances: Distances
    tables: SatelliteTables
    least: float  # dex(Msun)
    below: float  # dex(Msun), of satellites of the simulation's own hosts; inf where it has no satellites


def added_satellites(law: AddedSatellites, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Satellites of the hosts among some rows, which have `is_synthetic`: columns that all halos have."""
    hosts = {name: values[rows["is_central"]] for name, values in rows.items()}
    mean = law.tables.mean_number(hosts["log10_halo_mass"])
    number = counters.poisson(mean, counters.uniform(law.seed, "satellite number", hosts["halo_id"]))
    host = np.repeat(np.arange(len(number)), number)
    rank = np.arange(len(host)) - np.repeat(np.cumsum(number) - number, number)
    halo_id = satellite_ids(hosts["halo_id"][host], rank)
    satellites = satellites_around(law.seed, law.tables, _hosts(law, hosts), host, halo_id, law.least)

    keep = hosts["is_synthetic"][host] | (satellites.log10_mass < law.below)
    host, halo_id = host[keep], halo_id[keep]
    position = np.stack([hosts[axis][host] for axis in "xyz"], axis=-1) + satellites.offset[keep]
    velocity = np.stack([hosts[f"v{axis}"][host] for axis in "xyz"], axis=-1) + satellites.velocity[keep]
    ra, dec, distance = coordinates.sky(position) if len(position) else (np.empty(0),) * 3
    redshift, central = law.distances.redshift(distance), np.zeros(len(host), bool)
    ids = halo_id, hosts["halo_id"][host]
    return columns_of(*ids, central, ra, dec, redshift, position, velocity, satellites.log10_mass[keep])


def satellite_ids(host_id: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Ids of satellites by the host's and the rank in it: 60 bits of a hash, of which two of n agree by n^2 / 2^61."""
    word = counters.mixed(host_id.astype(np.uint64) * counters.GOLDEN)
    word = counters.mixed(word + (rank.astype(np.uint64) + np.uint64(1)) * counters.GOLDEN)
    return SYNTHETIC_SATELLITES + (word >> np.uint64(4)).astype(np.int64)


def _hosts(law: AddedSatellites, hosts: Mapping[str, np.ndarray]) -> SatelliteHosts:
    """Hosts, with their own concentration and minor axis where the simulation knows them, else with drawn ones."""
    redshift, halo_id = hosts["redshift"], hosts["halo_id"]
    minor = minor_axes(law.seed, halo_id)
    if "halo_minor_axis" in hosts:
        own = np.asarray(hosts["halo_minor_axis"], np.float64)
        length = np.linalg.norm(own, axis=1, keepdims=True)
        minor = np.where(length > 0.0, own / np.maximum(length, 1e-300), minor)
    rate = law.distances.hubble(redshift)
    drawn = satellite_hosts(law.theory, law.seed, halo_id, hosts["log10_halo_mass"], redshift, rate, minor)
    if "halo_scale_radius" not in hosts:
        return drawn
    scale = hosts["halo_scale_radius"]
    own = np.clip(drawn.virial_radius * (1.0 + redshift) / np.maximum(scale, 1e-9), *CONCENTRATIONS)
    return drawn._replace(concentration=np.where(scale > 0.0, own, drawn.concentration))
