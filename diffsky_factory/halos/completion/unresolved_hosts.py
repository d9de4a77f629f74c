"""Hosts that a simulation does not resolve, drawn in the cells of the density field that its halos trace."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from diffsky_factory.core import counters
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.completion.completeness import Factor
from diffsky_factory.halos.completion.expected_hosts import ExpectedHosts
from diffsky_factory.halos.completion.traced_field import BLOCK, CELL, TracedField
from diffsky_factory.halos.synthetic.patches import Look, look_at, reached
from diffsky_factory.halos.synthetic.tables import QuantileTable
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.regions import Region

SYNTHETIC_IDS = 3 * 2**61
"""Synthetic halos have ids from here to 2^63: hosts the lower half, satellites the upper. Halos of simulations, their
copies and hashes included, lie below (`gathering.replica_ids`)."""
SYNTHETIC_SATELLITES = SYNTHETIC_IDS + 2**60
AXIS_BITS = 13  # of a cell's number along an axis: 20 Gpc either way
COUNTER_BITS = 21  # of a host's number in its cell
BLOCK_LEVEL = BLOCK.bit_length() - 1


class UnresolvedHosts(NamedTuple):
    """Synthetic hosts."""

    halo_id: np.ndarray
    ra: np.ndarray  # deg
    dec: np.ndarray  # deg
    redshift: np.ndarray
    position: np.ndarray  # (n, 3) Mpc
    velocity: np.ndarray  # (n, 3) km/s
    log10_mass: np.ndarray


class Unresolved(NamedTuple):
    """What the unresolved hosts of a simulation follow from."""

    seed: int
    field: TracedField
    expected: ExpectedHosts
    factor: Factor  # of the mass function
    between: tuple[float, float]  # dex(Msun), lowest and highest mass
    number: np.ndarray  # per Mpc^3, at the rows of the tables
    masses: QuantileTable
    highest_bias: np.ndarray  # at the rows of the tables


def unresolved(
    seed: int, field: TracedField, expected: ExpectedHosts, factor: Factor, between: tuple[float, float]
) -> Unresolved:
    """What the hosts between two masses follow from, in a density field."""
    number, masses = expected.masses(*between)
    some = (expected.mass >= between[0] - 0.02) & (expected.mass <= between[1] + 0.02)
    return Unresolved(seed, field, expected, factor, between, number, masses, expected.bias[:, some].max(axis=1))


def unresolved_hosts(
    law: Unresolved, order: int, pixel: int, region: Region, redshift: tuple[float, float]
) -> UnresolvedHosts:
    """Hosts whose direction lies in a pixel, a region and the footprint, between two redshifts."""
    look = look_at(law.field.source.cosmology, order, pixel, region, redshift)
    parts = [_of_block(law, look, redshift, place) for place in _blocks(look)]
    if not parts:
        floats, vectors = np.empty(0), np.empty((0, 3))
        return UnresolvedHosts(np.empty(0, np.int64), floats, floats, floats, vectors, vectors, floats)
    return UnresolvedHosts(*(np.concatenate(column) for column in zip(*parts)))


def _blocks(look: Look) -> Iterator[tuple[int, int, int]]:
    """Places of the blocks that may hold something looked at: cubes around the observer, halved down to blocks."""
    if not len(look.caps):
        return
    level = AXIS_BITS - 1
    places = np.stack(np.meshgrid(*[[-1, 0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    halves = places + 1
    while True:
        size = CELL * 2**level
        places = places[_reached(look, (places + 0.5) * size, size)]
        if level == BLOCK_LEVEL:
            break
        places, level = (2 * places[:, None, :] + halves).reshape(-1, 3), level - 1
    yield from ((int(x), int(y), int(z)) for x, y, z in places)


def _reached(look: Look, centre: np.ndarray, size: float) -> np.ndarray:
    return reached(look, centre, np.full(len(centre), 0.5 * np.sqrt(3.0) * size))


def _of_block(law: Unresolved, look: Look, redshift: tuple[float, float], place) -> UnresolvedHosts:
    """The hosts in the cells of a block that are looked at."""
    cells = np.stack(np.unravel_index(np.arange(BLOCK**3), (BLOCK,) * 3), axis=-1)
    cells = cells[_reached(look, (cells + BLOCK * np.asarray(place) + 0.5) * CELL, CELL)]
    block = law.field.block(place)
    overdensity = block.overdensity[tuple(cells.T)]
    place_of = cells + BLOCK * np.asarray(place)
    at = law.field.redshift_at(np.linalg.norm((place_of + 0.5) * CELL, axis=1))
    cell, halo_id, most = _numbered(law, place_of, at, overdensity)

    within = np.stack([counters.uniform(law.seed, f"unresolved {axis}", halo_id) for axis in "xyz"], axis=-1)
    position = (place_of[cell] + within) * CELL
    ra, dec, distance = coordinates.sky(position) if len(position) else (np.empty(0),) * 3
    z = law.field.redshift_at(distance)
    mass = law.masses(np.log1p(z), counters.uniform(law.seed, "unresolved mass", halo_id))
    # as many are drawn as the densest kind would have, and each stays by the density of its own kind
    share = (1.0 + law.expected.bias_at(z, mass) * overdensity[cell]) / most[cell]
    keep = counters.uniform(law.seed, "unresolved share", halo_id) < share
    keep &= (mass >= law.between[0]) & (mass < law.between[1]) & (z >= redshift[0]) & (z <= redshift[1])
    keep &= tiles.pixel(ra, dec, look.order) == look.pixel
    keep &= look.region.inside(ra, dec) & law.field.source.covers(ra, dec)

    cell, halo_id = cell[keep], halo_id[keep]
    row = tuple(cells[cell].T)
    kick = np.stack([counters.normal(law.seed, f"unresolved v{axis}", halo_id) for axis in "xyz"], axis=-1)
    velocity = block.velocity[row] + block.dispersion[row][:, None] * kick
    return UnresolvedHosts(halo_id, ra[keep], dec[keep], z[keep], position[keep], velocity, mass[keep])


def _numbered(law: Unresolved, place: np.ndarray, redshift: np.ndarray, overdensity: np.ndarray):
    """Cell (row) and id of each candidate; and how many more of them a cell has than one of mean density.

    Their mean number is nbar V max(1, 1 + b_max delta), with b_max the highest bias: no kind of host is denser.
    """
    expected = law.expected
    most = np.maximum(1.0, 1.0 + expected.per_row(law.highest_bias, redshift) * overdensity)
    mean = expected.per_row(law.number, redshift) * law.factor(redshift) * CELL**3 * most
    cell_number = _cell_number(place)
    number = counters.poisson(mean, counters.uniform(law.seed, "unresolved number", cell_number))
    if number.max(initial=0) >= 2**COUNTER_BITS:
        raise InputError(f"{number.max()} hosts in a cell of {CELL:g} Mpc are too many to number: raise complete_to")
    cell = np.repeat(np.arange(len(place)), number)
    counter = np.arange(len(cell)) - np.repeat(np.cumsum(number) - number, number)
    return cell, SYNTHETIC_IDS + (cell_number[cell] << COUNTER_BITS) + counter, most


def _cell_number(place: np.ndarray) -> np.ndarray:
    """One number of 39 bits for a cell's three."""
    i, j, k = (np.asarray(place, np.int64) + 2 ** (AXIS_BITS - 1)).T
    return (i << 2 * AXIS_BITS) | (j << AXIS_BITS) | k
