"""Columns of halos that were drawn: those that all halos have, and values for the further ones of a simulation."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from diffsky_factory.halos.synthetic.satellites import minor_axes, profiles
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import CubicTable

Columns = Mapping[str, np.ndarray]

ALWAYS = (
    *("halo_id", "host_halo_id", "is_central", "ra", "dec", "redshift", "redshift_obs"),
    *("x", "y", "z", "vx", "vy", "vz", "log10_halo_mass"),
)


class Universe(NamedTuple):
    """What columns follow from besides the halos."""

    cosmology: Cosmology
    seed: int
    hubble: CubicTable  # H / H0 at a redshift


def columns_of(halo_id, host_halo_id, is_central, ra, dec, redshift, position, velocity, mass) -> dict[str, np.ndarray]:
    """Columns that all halos have; position (n, 3) [Mpc], velocity (n, 3) [km/s], mass [dex(Msun)]."""
    some = len(position) > 0
    speed = coordinates.line_of_sight_velocity(position, velocity) if some else np.empty(0)
    return {
        "halo_id": halo_id,
        "host_halo_id": host_halo_id,
        "is_central": is_central,
        "ra": ra,
        "dec": dec,
        "redshift": redshift,
        "redshift_obs": coordinates.observed_redshift(redshift, speed),
        **dict(zip("xyz", position.T, strict=True)),
        **dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)),
        "log10_halo_mass": mass,
    }


def kept_columns(of_simulation: Mapping[str, type]) -> dict[str, type]:
    """Columns of a simulation that drawn halos can have too, and `is_synthetic`."""
    kept = {name: kind for name, kind in of_simulation.items() if name in ALWAYS or name in FILLED}
    return {**kept, "is_synthetic": np.bool_}


def filled(universe: Universe, rows: Columns, wanted: Mapping[str, type]) -> dict[str, np.ndarray]:
    """Drawn halos with all of the wanted columns."""
    made = {name: FILLED[name](universe, rows) for name in wanted if name in FILLED}
    columns = {**rows, **made, "is_synthetic": np.ones(len(rows["halo_id"]), bool)}
    return {name: np.asarray(columns[name], kind) for name, kind in wanted.items()}


def _scale_radius(universe: Universe, rows: Columns) -> np.ndarray:
    """Scale radius [comoving Mpc], with the scatter of concentrations."""
    redshift, mass = rows["redshift"], rows["log10_halo_mass"]
    how = universe.seed, rows["halo_id"], mass, redshift, universe.hubble(redshift)
    virial_radius, concentration = profiles(universe.cosmology, *how)
    return virial_radius * (1.0 + redshift) / concentration


def _minor_axis(universe: Universe, rows: Columns) -> np.ndarray:
    """Minor axes of hosts; zeros for satellites."""
    return np.where(rows["is_central"][:, None], minor_axes(universe.seed, rows["halo_id"]), 0.0)


def _no_fit(universe: Universe, rows: Columns) -> np.ndarray:
    return np.tile(np.array(HaloGrowth(), np.float64), (len(rows["halo_id"]), 1))


FILLED: dict[str, Callable[[Universe, Columns], np.ndarray]] = {
    "host_in_catalog": lambda universe, rows: np.ones(len(rows["halo_id"]), bool),
    "simulation_halo_id": lambda universe, rows: np.full(len(rows["halo_id"]), -1, np.int64),
    "penultimate_host_halo_id": lambda universe, rows: rows["host_halo_id"],
    "has_ended": lambda universe, rows: np.zeros(len(rows["halo_id"]), bool),
    "has_mah_fit": lambda universe, rows: np.zeros(len(rows["halo_id"]), bool),
    "fitted_mah_parameters": _no_fit,
    "log10_halo_mass_now": lambda universe, rows: rows["log10_halo_mass"],
    "halo_scale_radius": _scale_radius,
    "halo_minor_axis": _minor_axis,
}
"""What drawn halos have in columns of a simulation; a column that is neither here nor always there is left out."""
