"""What must hold in every tile before it is committed: types, ranges, and the closure of the sky's conventions."""

from collections.abc import Mapping

import numpy as np

from diffsky_factory.core.columns import column
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64

POSITION_TOLERANCE = 1e-4  # deg between ra, dec and x, y, z
DISTANCE_TOLERANCE = 1e-4  # relative, between x, y, z and the redshift; float32 positions are good to 1e-7


class CheckError(ValueError):
    """A tile that must not be written; its text names the column and the first bad row."""


def check_tile(columns: Mapping[str, np.ndarray], cosmology: Cosmology) -> None:
    """Raise CheckError where a column of a tile is not finite, out of its range, or at odds with another."""
    for name, values in columns.items():
        _check_values(name, values)
    if "galaxy_id" in columns:
        ids = columns["galaxy_id"]
        if len(np.unique(ids)) != len(ids):
            raise CheckError("column 'galaxy_id': an id occurs twice")
    if {"x", "y", "z", "ra", "dec", "redshift"} <= set(columns) and len(columns["x"]):
        _check_closure(columns, cosmology)
    if {"redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"} <= set(columns) and len(columns["x"]):
        _check_observed_redshift(columns)


def _check_values(name: str, values: np.ndarray) -> None:
    if values.dtype.kind == "f":
        _refuse(~np.isfinite(values), name, values, "not finite")
    low, high = column(name).range
    _refuse((values < low) | (values > high), name, values, f"outside [{low:g}, {high:g}]")


def _check_closure(columns, cosmology) -> None:
    position = np.stack([columns[name] for name in "xyz"], axis=-1).astype(np.float64)
    ra, dec, radius = coordinates.sky(position)
    turn = (ra - columns["ra"] + 180.0) % 360.0 - 180.0
    away = np.hypot(turn * np.cos(np.deg2rad(dec)), dec - columns["dec"])
    _refuse(away > POSITION_TOLERANCE, "ra", away, "degrees between ra, dec and x, y, z")
    distance = comoving_distance_64(cosmology, columns["redshift"])
    off = np.abs(radius / distance - 1.0)
    _refuse(off > DISTANCE_TOLERANCE, "redshift", off, "relative difference of its distance and that of x, y, z")


def _check_observed_redshift(columns) -> None:
    position = np.stack([columns[name] for name in "xyz"], axis=-1).astype(np.float64)
    velocity = np.stack([columns[name] for name in ("vx", "vy", "vz")], axis=-1)
    expected = coordinates.observed_redshift(
        columns["redshift"], coordinates.line_of_sight_velocity(position, velocity)
    )
    _refuse(np.abs(expected - columns["redshift_obs"]) > 1e-6, "redshift_obs", expected, "expected from the velocity")


def _refuse(bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
    if np.any(bad):
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CheckError(f"column '{name}', row {first[0]}: {values[first]} {problem} ({int(bad.sum())} in this tile)")
