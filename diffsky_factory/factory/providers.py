"""What is known of rows before any stage runs: columns that follow from halos alone."""

from typing import NamedTuple

import numpy as np

from diffsky_factory.core.provider import Provider, provider
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import age_at


class GalaxyId(NamedTuple):
    galaxy_id: np.ndarray


class CosmicTime(NamedTuple):
    cosmic_time: np.ndarray


class SatelliteWeight(NamedTuple):
    satellite_weight: np.ndarray


class Weight(NamedTuple):
    weight: np.ndarray


@provider
def galaxy_id(*, halo_id: np.ndarray) -> GalaxyId:
    """A galaxy has the id of its (sub)halo.

    Reads
        halo_id : -
    Writes
        galaxy_id : -
    """
    return GalaxyId(halo_id)


@provider
def cosmic_time(cosmology: Cosmology, *, redshift: np.ndarray) -> CosmicTime:
    """Age of the universe when the light left, from a table, to 1e-9 of it.

    Reads
        redshift : -
    Writes
        cosmic_time : Gyr
    """
    return CosmicTime(age_at(cosmology, redshift))


@provider
def satellite_weight(*, galaxy_id: np.ndarray) -> SatelliteWeight:
    """Every satellite is an object of its own.

    Reads
        galaxy_id : -
    Writes
        satellite_weight : -
    """
    return SatelliteWeight(np.ones(len(galaxy_id)))


@provider
def weight(*, galaxy_id: np.ndarray) -> Weight:
    """A row stands for one object where the simulation has no weights.

    Reads
        galaxy_id : -
    Writes
        weight : -
    """
    return Weight(np.ones(len(galaxy_id), np.float32))


PROVIDERS: tuple[Provider, ...] = (galaxy_id, cosmic_time, satellite_weight, weight)
