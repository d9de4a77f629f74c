"""Infall of satellites: when, with what mass, into what host."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid, log10_mass


class SatelliteRadiusScore(NamedTuple):
    satellite_radius_score: Scalar


@stage
def satellite_radius_score(*, is_central: Scalar) -> SatelliteRadiusScore:
    """Where halos do not say how far out in their host they are, that is not known: 0.

    Reads
        is_central : -
    Writes
        satellite_radius_score : -
    A column given with the halos takes its place.
    """
    return SatelliteRadiusScore(jnp.zeros(jnp.shape(is_central)))


class Infall(NamedTuple):
    infall_time: Scalar
    log10_halo_mass_at_infall: Scalar
    log10_host_mass_at_infall: Scalar


@stage(of="block")
def infall(times: TimeGrid, *, mah_parameters: Vector, is_central: Vector, host_row: Vector) -> Infall:
    """A satellite falls in when it stops growing; masses of both at that time. Centrals: today, and themselves.

    Reads
        mah_parameters : see HaloGrowth
        is_central : -
        host_row : -
    Writes
        infall_time : Gyr
        log10_halo_mass_at_infall : dex(solMass)
        log10_host_mass_at_infall : dex(solMass)
    Shapes: (block, 5), (block,), (block,) to (block,) each.
    Source: convention of the public mocks of diffsky 0.3.
    """
    today = times.time[-1]
    own = HaloGrowth(*mah_parameters.T)
    host = HaloGrowth(*mah_parameters[host_row].T)
    time = jnp.where(is_central.astype(bool), today, jnp.minimum(own.t_peak, today))
    mass = jax.vmap(log10_mass, in_axes=(0, 0, None))
    return Infall(time, mass(own, time, today), mass(host, time, today))


class PenultimateHost(NamedTuple):
    penultimate_host_row: Scalar


@stage
def penultimate_host(*, host_row: Scalar) -> PenultimateHost:
    """Where a simulation knows of no earlier host, the first is the one on top.

    Reads
        host_row : -
    Writes
        penultimate_host_row : -
    """
    return PenultimateHost(host_row)


class PenultimateInfall(NamedTuple):
    penultimate_infall_time: Scalar
    log10_halo_mass_at_penultimate_infall: Scalar
    log10_host_mass_at_penultimate_infall: Scalar


@stage
def penultimate_infall(
    *, infall_time: Scalar, log10_halo_mass_at_infall: Scalar, log10_host_mass_at_infall: Scalar
) -> PenultimateInfall:
    """Where a simulation knows of no earlier infall, the first is the last.

    Reads
        infall_time : Gyr
        log10_halo_mass_at_infall : dex(solMass)
        log10_host_mass_at_infall : dex(solMass)
    Writes
        penultimate_infall_time : Gyr
        log10_halo_mass_at_penultimate_infall : dex(solMass)
        log10_host_mass_at_penultimate_infall : dex(solMass)
    """
    return PenultimateInfall(infall_time, log10_halo_mass_at_infall, log10_host_mass_at_infall)
