"""Hosts of the synthetic universe, chunk by chunk: drawn from the density field, moved by its displacements."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from diffsky_factory.core import counters
from diffsky_factory.core.cache import kept_arrays
from diffsky_factory.core.errors import InputError
from diffsky_factory.halos.synthetic.tables import Distances, HostTables, SatelliteTables
from diffsky_factory.physics.structure import chunks, long_waves
from diffsky_factory.physics.structure.abundance import LinearTheory
from diffsky_factory.physics.structure.biased import primordial_response
from diffsky_factory.physics.structure.chunks import CELLS, NODES, Filters, MoveRates
from diffsky_factory.physics.structure.long_waves import LongWaves

BLOCK = 4  # chosen: cells along a block, the least that is drawn at once; 32 Mpc with cells of 8 Mpc
BLOCKS = CELLS // BLOCK  # along a chunk
IDS_PER_CHUNK = 2**32
IDS_PER_BLOCK = IDS_PER_CHUNK // BLOCKS**3
LARGEST = 5.0  # chosen: bound of displacements, in rms along an axis; 2e-5 of them are shortened to it


def _block_order() -> np.ndarray:
    """Place (32768, 3) of each cell within its chunk, block after block."""
    place = np.stack(np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij"), axis=-1)
    place = place.reshape((BLOCKS, BLOCK) * 3 + (3,)).transpose(0, 2, 4, 1, 3, 5, 6)
    return np.ascontiguousarray(place.reshape(-1, 3))


CELL_PLACES = _block_order()
CELL_NUMBERS = np.ravel_multi_index(CELL_PLACES.T, (CELLS,) * 3)
CELL_NODES = np.ravel_multi_index(CELL_PLACES.T + 1, (NODES,) * 3)
CELLS_PER_BLOCK = BLOCK**3


class Structure(NamedTuple):
    """All that the hosts of a universe follow from."""

    seed: int
    cell: float  # Mpc
    period: int  # chunks along a periodic box; 0 for an endless universe
    theory: LinearTheory
    filters: Filters
    long: LongWaves
    f_nl: float
    short_share: float  # of the variance of the overdensity that halos know, in short waves
    sigma: float  # rms of the overdensity that hosts know, today
    displacement: float  # Mpc, rms along an axis of the linear displacement today, of all waves
    unresolved: float  # Mpc, the part of it that the lattice does not carry
    distances: Distances
    rates: MoveRates
    hosts: HostTables
    satellites: SatelliteTables


class Cells(NamedTuple):
    """A chunk that has moved; cells block after block, nodes with the border."""

    place: tuple[int, int, int]
    score: np.ndarray  # (32768,) z-score of the overdensity
    redshift: np.ndarray  # (32768,)
    primordial: np.ndarray  # (32768,) long primordial potential, 0 where it plays no part
    moves: np.ndarray  # (34^3, 6) displacement [comoving Mpc] and velocity [km/s], float32


class Hosts(NamedTuple):
    """Hosts before anyone looks: where they are and how many satellites they have."""

    halo_id: np.ndarray  # int64
    first_satellite: np.ndarray  # int64, id of the first satellite; the others follow
    satellites: np.ndarray  # int64, number
    position: np.ndarray  # (n, 3) comoving Mpc
    velocity: np.ndarray  # (n, 3) km/s
    log10_mass: np.ndarray
    environment: np.ndarray


def structure(
    seed: int,
    cell: float,
    period: int,
    unresolved: bool,
    f_nl: float,
    theory: LinearTheory,
    farther: Distances,
    hosts_of: Callable[[float], HostTables],
    satellites: SatelliteTables,
) -> Structure:
    """The structure of a universe; hosts_of makes the tables of hosts from the rms of the overdensity."""
    box = period * CELLS * cell if period else long_waves.BOX
    ratio = partial(theory.power.per_potential, theory.cosmology, theory.growth.early)
    filters, long = chunks.filters(theory.power, cell, ratio), _long_waves(seed, theory, f_nl, ratio, box)
    sigma = float(np.sqrt(chunks.overdensity_variance(filters, long)))
    everything = float(theory.power.integral(theory.power.wavenumber**-2.0)) / 3.0
    missing = max(everything - chunks.displacement_variance(filters, long), 0.0)
    return Structure(
        seed=seed,
        cell=cell,
        period=period,
        theory=theory,
        filters=filters,
        long=long,
        f_nl=f_nl,
        short_share=1.0 - float(long.overdensity_variance) / sigma**2,
        sigma=sigma,
        displacement=float(np.sqrt(everything)),
        unresolved=float(np.sqrt(missing)) if unresolved else 0.0,
        distances=farther,
        rates=chunks.move_rates(theory.cosmology, theory.growth, farther.z_max),
        hosts=hosts_of(sigma),
        satellites=satellites,
    )


def _long_waves(seed: int, theory: LinearTheory, f_nl: float, ratio: Callable, box: float) -> LongWaves:
    """The long waves, made once per machine."""
    how = (box, long_waves.NODES, long_waves.SPLIT, long_waves.STEEPNESS, long_waves.DEGREE)
    parts = [seed, f_nl, theory.power.power, theory.power.transfer, *how, *LongWaves._fields]
    make = partial(long_waves.long_waves, seed, theory.power, f_nl, ratio, box)
    kept = kept_arrays("long-waves", parts, lambda: make()._asdict())
    step, variance, moved = (float(kept[name]) for name in ("step", "overdensity_variance", "displacement_variance"))
    return LongWaves(step, kept["potential"], variance, moved, kept["primordial"])


def largest_move(known: Structure, redshift: ArrayLike) -> np.ndarray:
    """Bound of the displacement [comoving Mpc] of anything at a redshift."""
    return LARGEST * known.displacement * known.rates.first(redshift)


def cells_on_light_cone(known: Structure, place: tuple[int, int, int]) -> Cells:
    """A chunk as the observer sees it: every node at the time of its distance, after it has moved."""
    linear = _linear(known, place)
    start = np.stack(np.meshgrid(*chunks.node_positions(place, known.cell), indexing="ij"), axis=-1)
    here = _redshift(known, start)
    # one step: to first order a node is seen where its own displacement at the first guess has brought it
    there = _redshift(known, start + known.rates.first(here)[..., None] * linear.first)
    return _cells(known, place, linear, there, here)


def cells_at_redshift(known: Structure, place: tuple[int, int, int], redshift: float) -> Cells:
    """A chunk at one time."""
    everywhere = np.full((NODES,) * 3, float(redshift))
    return _cells(known, place, _linear(known, place), everywhere, everywhere)


def _linear(known: Structure, place: tuple[int, int, int]) -> chunks.LinearChunk:
    return chunks.linear_chunk(known.seed, known.filters, known.long, place, known.f_nl, known.period)


def _redshift(known: Structure, position: np.ndarray) -> np.ndarray:
    distance = np.sqrt(np.einsum("...i,...i->...", position, position))
    return known.distances.redshift(np.minimum(distance, known.distances.farthest))


def _cells(known: Structure, place, linear, moved_at: np.ndarray, drawn_at: np.ndarray) -> Cells:
    """Cells from a linear chunk; nodes move until one redshift, and hosts are as many as at another (34, 34, 34)."""
    return Cells(
        place=place,
        score=linear.overdensity.ravel()[CELL_NUMBERS] / known.sigma,
        redshift=drawn_at.ravel()[CELL_NODES],
        primordial=linear.primordial.ravel()[CELL_NUMBERS],
        moves=chunks.moves(linear, known.rates, moved_at, largest_move(known, drawn_at)),
    )


def block_bounds(known: Structure, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Centre (512, 3) and radius (512,) [Mpc] of spheres that hold where each block of cells has moved."""
    low = high = cells.moves[:, :3].astype(np.float64).reshape((NODES,) * 3 + (3,))
    for axis in range(3):  # displacements within a cell follow from those of its neighbours too
        low = np.stack([low.take(range(i, i + BLOCK + 2), axis).min(axis) for i in range(0, CELLS, BLOCK)], axis)
        high = np.stack([high.take(range(i, i + BLOCK + 2), axis).max(axis) for i in range(0, CELLS, BLOCK)], axis)
    low, high = low.reshape(-1, 3), high.reshape(-1, 3)
    centre = block_centres(known.cell, cells.place) + 0.5 * (low + high)
    return centre, np.linalg.norm(0.5 * (high - low) + 0.5 * BLOCK * known.cell, axis=1)


def block_centres(cell: float, place: tuple[int, int, int]) -> np.ndarray:
    """Centres (512, 3) [Mpc] of the blocks of a chunk."""
    first = CELL_PLACES[::CELLS_PER_BLOCK] + 0.5 * BLOCK
    return (first + CELLS * np.asarray(place)) * cell


def hosts(known: Structure, tables: HostTables, cells: Cells, blocks: np.ndarray, wanted: Callable) -> Hosts:
    """The hosts of some blocks (512,) bool of a chunk whose position (n, 3) is wanted, as a function tells (bool).

    A host is the same whichever blocks and positions are wanted.
    """
    cell, halo_id = _numbered(known, tables, cells, blocks)
    position, velocity = _moved(known, cells, cell, halo_id)
    keep = wanted(position)
    # satellites are numbered through a block, so their number is needed of all hosts of any block that is seen
    seen = np.zeros(BLOCKS**3, bool)
    seen[cell[keep] // CELLS_PER_BLOCK] = True
    seen = seen[cell // CELLS_PER_BLOCK]
    mass, satellites, stays = _drawn(known, tables, cells, cell[seen], halo_id[seen])
    first_satellite = _first_satellites(halo_id[seen], satellites)
    kept = keep[seen] & stays
    keep = np.flatnonzero(seen)[kept]
    cell, halo_id, mass = cell[keep], halo_id[keep], mass[kept]
    prefer = tables.preference(cells.redshift[cell], mass)
    return Hosts(
        halo_id=halo_id,
        first_satellite=first_satellite[kept],
        satellites=satellites[kept],
        position=position[keep],
        velocity=velocity[keep] + _unresolved(known, cells, cell, halo_id),
        log10_mass=mass,
        environment=prefer.environment(cells.score[cell]),
    )


def _drawn(known: Structure, tables: HostTables, cells: Cells, cell: np.ndarray, halo_id: np.ndarray):
    """Masses [dex(Msun)] and numbers of satellites of hosts, and which of the hosts there are, bool."""
    mass = drawn_masses(known, tables, cells, cell, halo_id)
    mean = known.satellites.mean_number(mass)
    satellites = counters.poisson(mean, counters.uniform(known.seed, "satellite number", halo_id))
    stays = np.ones(len(mass), bool)
    if known.f_nl != 0.0:
        stays = _stays(known, tables, cells, cell, halo_id, mass)
    return mass, np.where(stays, satellites, 0), stays


def drawn_masses(known: Structure, tables: HostTables, cells: Cells, cell: np.ndarray, halo_id: np.ndarray):
    """Masses [dex(Msun)] of hosts of some cells."""
    pick, survival = (counters.uniform(known.seed, name, halo_id) for name in ("host row", "host mass"))
    return tables.masses(cells.redshift, cells.score, cell, pick, survival)


def _stays(known: Structure, tables: HostTables, cells: Cells, cell: np.ndarray, halo_id: np.ndarray, mass: np.ndarray):
    """Which hosts stay, bool: twice too many are drawn; a long primordial potential keeps half, or more or fewer."""
    redshift = cells.redshift[cell]
    resolved = known.short_share * tables.at_mass("resolved", redshift, mass)
    response = primordial_response(tables.at_mass("first_bias", redshift, mass), resolved)
    chance = 0.5 * np.clip(1.0 + known.f_nl * response * cells.primordial[cell], 0.0, 2.0)
    return counters.uniform(known.seed, "host stays", halo_id) < chance


def _numbered(known: Structure, tables: HostTables, cells: Cells, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell and id of every host of some blocks, Poisson in number in each cell."""
    mean = tables.mean_number(cells.redshift, cells.score) * known.cell**3
    if known.f_nl != 0.0:
        mean = 2.0 * mean  # some of which do not stay
    chunk = chunks.chunk_number(cells.place)
    number = counters.philox(known.seed, "host number", chunk).poisson(mean).reshape(-1, CELLS_PER_BLOCK)
    per_block = number.sum(axis=1)
    if per_block.max() >= IDS_PER_BLOCK // 4:
        raise InputError(f"{per_block.max()} hosts in a block are too many to number: raise log10_mass_min")
    number[~blocks] = 0
    cell = np.repeat(np.arange(len(mean)), number.ravel())
    per_block = np.where(blocks, per_block, 0)
    counter = np.arange(len(cell)) - np.repeat(np.cumsum(per_block) - per_block, per_block)
    block = np.repeat(np.arange(len(blocks)), per_block)
    return cell, np.int64(chunk) * IDS_PER_CHUNK + block * IDS_PER_BLOCK + 1 + counter


def _moved(known: Structure, cells: Cells, cell: np.ndarray, halo_id: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position (n, 3) [Mpc] and velocity (n, 3) [km/s] of hosts at random places of their cells."""
    within = np.stack([counters.uniform(known.seed, f"host {axis}", halo_id) for axis in "xyz"], axis=-1)
    return moved_points(known.cell, cells, CELL_PLACES[cell] + within)


def moved_points(cell: float, cells: Cells, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and velocity (n, 3) of points of a chunk, given in cells from its corner (n, 3): linear steps."""
    node = place + 0.5  # of 34 along an axis, the first half a cell before the corner
    low = node.astype(np.int32)
    up = node - low
    down = 1.0 - up
    weight, index = np.empty((len(place), 8)), np.empty((len(place), 8), np.int32)
    corner = (low[:, 0] * NODES + low[:, 1]) * NODES + low[:, 2]
    for i in range(8):
        a, b, c = (i >> 2) & 1, (i >> 1) & 1, i & 1
        of = [(up if on else down)[:, axis] for axis, on in enumerate((a, b, c))]
        weight[:, i] = of[0] * of[1] * of[2]
        index[:, i] = corner + ((a * NODES + b) * NODES + c)
    ends = np.arange(0, 8 * len(place) + 1, 8, dtype=np.int32)
    moves = csr_matrix((weight.ravel(), index.ravel(), ends), shape=(len(place), NODES**3)) @ cells.moves.astype(
        np.float64
    )
    start = (place + CELLS * np.asarray(cells.place)) * cell
    return start + moves[:, :3], moves[:, 3:]


def _first_satellites(halo_id: np.ndarray, satellites: np.ndarray) -> np.ndarray:
    """Id of the first satellite of each host; it follows the hosts of the block and the satellites of earlier hosts."""
    block = halo_id // IDS_PER_BLOCK
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    number = np.diff(np.append(starts, len(block)))
    before = np.cumsum(satellites) - satellites
    return block * IDS_PER_BLOCK + 1 + np.repeat(number - before[starts], number) + before


def _unresolved(known: Structure, cells: Cells, cell: np.ndarray, halo_id: np.ndarray) -> np.ndarray:
    """Velocity (n, 3) [km/s] of the waves that the lattice does not carry: a H f1 D1 times their displacement."""
    scale = known.unresolved * known.rates.first_velocity(cells.redshift)[cell]
    kick = [counters.normal(known.seed, f"host v{axis}", halo_id) for axis in "xyz"]
    return scale[:, None] * np.stack(kick, axis=-1)
