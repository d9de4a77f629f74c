"""What must hold in every tile before it is committed: types, ranges, places, and the closure of the sky's conventions.

Ids are compared within a tile. Those of two tiles differ as those of halos do: gathering refuses an id that is there
twice in a product, made halos have ids by their places, and a galaxy has the id of its halo.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import CheckError
from diffsky_factory.sky import boxes, coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.occupied import EDGES, covered
from diffsky_factory.sky.part import Part as PartOfSky
from diffsky_factory.sky.spaces import Box, Sky, Space

POSITION_TOLERANCE = 1e-4  # deg between ra, dec and x, y, z
DISTANCE_TOLERANCE = 1e-4  # relative, between x, y, z and the redshift; float32 positions are good to 1e-7
REDSHIFT_TOLERANCE = 1e-6  # between redshift_obs and that of the velocity: 0.3 km/s
POSITION, VELOCITY = ("x", "y", "z"), ("vx", "vy", "vz")


def check_tile(columns: Mapping[str, np.ndarray], cosmology: Cosmology, space: Space = Sky()) -> None:  # noqa: B008 a value
    """Raise CheckError where a column of a tile has another type, is not finite, out of range, or at odds with another.

    What is compared is what is there: directions where a tile has ra, dec and x, y, z, and so on.
    """
    for name, values in columns.items():
        _check_values(name, values, len(next(iter(columns.values()))))
    if "galaxy_id" in columns:
        _check_ids(columns["galaxy_id"])
    if not set(POSITION) <= set(columns):
        return
    position = np.stack([columns[name] for name in POSITION], axis=-1).astype(np.float64)
    if isinstance(space, Box):
        _refuse(
            boxes.outside(position, space.size),
            "x",
            columns["x"],
            f"outside the box of {space.size:g} Mpc, or y or z is",
        )
        return
    _refuse(np.all(position == 0.0, axis=-1), "x", columns["x"], "is that of the observer, as are y and z")
    if {"ra", "dec"} <= set(columns):
        _check_direction(columns, position)
    if "redshift" in columns:
        _check_distance(columns, position, cosmology)
    if {"redshift", "redshift_obs", *VELOCITY} <= set(columns):
        _check_observed_redshift(columns, position)


def check_places(
    halos: Mapping[str, np.ndarray],
    cell: int,
    order: int,
    extent: float,
    space: Space,
    part: Any,
    footprint: Sequence[PartOfSky] = (),
) -> None:
    """Raise CheckError where groups of a tile, which are where their heads are, lie where there is no mock.

    halos     : arranged, with `host_row`
    cell      : that the tile is, at an order
    extent    : of the tile, as planned [deg^2 or Mpc^3]
    part      : of the space, that is asked for
    footprint : parts of the sky that the simulation covers, without overlap; none where it covers all
    """
    heads = halos["host_row"] == np.arange(len(halos["host_row"]))
    places = [np.asarray(halos[name], np.float64) for name in space.places]

    def refuse(outside: np.ndarray, what: str) -> None:
        rows = np.flatnonzero(heads & outside)
        if len(rows):
            place = ", ".join(f"{name} {values[rows[0]]:.6f}" for name, values in zip(space.places, places))
            raise CheckError(f"row {rows[0]}: the halo at {place} is {what} ({len(rows)} in this tile)")

    if not extent > 0.0:
        refuse(heads, f"in a tile without any part of the mock, whose extent is {extent:g}")
    refuse(~space.cells([cell], order).inside(*places), "outside of the tile")
    refuse(~part.inside(*places), "outside of the region of the recipe")
    if footprint:
        refuse(~_covered(halos, cell, order, footprint), "outside of the footprint of the simulation")


def _covered(halos: Mapping[str, np.ndarray], cell: int, order: int, footprint: Sequence[PartOfSky]) -> np.ndarray:
    """Whether each halo of a tile lies in any part of a footprint, or no farther from it than its centre is sure."""
    ra, dec = halos["ra"], halos["dec"]
    distance = np.linalg.norm(np.stack([halos[axis] for axis in POSITION], axis=-1), axis=-1)
    centre, widest = tiles.centres(np.array([cell]), order), tiles.reach(order) + EDGES[1]
    return covered(ra, dec, distance, (one for one in footprint if one.inside(*centre, widest)[0]))


def _check_values(name: str, values: np.ndarray, rows: int) -> None:
    known = column(name)
    if len(values) != rows:
        raise CheckError(f"column '{name}', row {min(len(values), rows)}: {len(values)} rows where others have {rows}")
    if values.dtype != known.dtype:
        raise CheckError(f"column '{name}', row 0: of type {values.dtype}, not {known.dtype}")
    _refuse(~np.isfinite(values), name, values, "not finite")
    low, high = known.range
    _refuse((values < low) | (values > high), name, values, f"outside [{low:g}, {high:g}]")


def _check_ids(ids: np.ndarray) -> None:
    again = np.ones(len(ids), bool)
    again[np.unique(ids, return_index=True)[1]] = False
    _refuse(again, "galaxy_id", ids, "occurs twice")


def _check_direction(columns: Mapping[str, np.ndarray], position: np.ndarray) -> None:
    ra, dec, _ = coordinates.sky(position)
    turn = (ra - columns["ra"] + 180.0) % 360.0 - 180.0
    away = np.hypot(turn * np.cos(np.deg2rad(dec)), dec - columns["dec"])
    _refuse(away > POSITION_TOLERANCE, "ra", away, "degrees between ra, dec and x, y, z")


def _check_distance(columns: Mapping[str, np.ndarray], position: np.ndarray, cosmology: Cosmology) -> None:
    off = np.abs(comoving_distance_64(cosmology, columns["redshift"]) / np.linalg.norm(position, axis=-1) - 1.0)
    _refuse(off > DISTANCE_TOLERANCE, "redshift", off, "relative difference of its distance and that of x, y, z")


def _check_observed_redshift(columns: Mapping[str, np.ndarray], position: np.ndarray) -> None:
    velocity = np.stack([columns[name] for name in VELOCITY], axis=-1)
    expected = coordinates.observed_redshift(
        columns["redshift"], coordinates.line_of_sight_velocity(position, velocity)
    )
    off = np.abs(expected - columns["redshift_obs"])
    _refuse(off > REDSHIFT_TOLERANCE, "redshift_obs", expected, "expected from the velocity")


def _refuse(bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
    if np.any(bad):
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CheckError(f"column '{name}', row {first[0]}: {values[first]} {problem} ({int(bad.sum())} in this tile)")
