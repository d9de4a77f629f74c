"""Hosts of the synthetic universe on a patch of the sky, from the chunks that reach it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.machine import cores, give_back_memory
from diffsky_factory.core.recent import Recent
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic.structure import Structure
from diffsky_factory.physics.structure.chunks import AXIS, CELLS
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.regions import FullSky, Region

SIDE_BY_SIDE = 8  # chosen: chunks that are made at a time at the most; each takes memory of its own
CAPS = 3  # chosen: orders by which the pixels that stand for a patch are finer than it
PATCHES = Recent(2.0e8)  # chosen: bytes; neighbouring tiles then share their hosts
CHUNKS = Recent(2.5e8)  # chosen: bytes; those of some 170 chunks, which neighbouring patches share


class Patch(NamedTuple):
    """Hosts whose direction lies in a pixel and a region, by order-29 pixel and id."""

    pixel: np.ndarray  # order 29
    ra: np.ndarray  # deg
    dec: np.ndarray  # deg
    redshift: np.ndarray
    halo_id: np.ndarray
    first_satellite: np.ndarray
    satellites: np.ndarray
    position: np.ndarray  # (n, 3) comoving Mpc
    velocity: np.ndarray  # (n, 3) km/s
    log10_mass: np.ndarray
    environment: np.ndarray

    def part(self, order: int, pixel: int) -> "Patch":
        """The hosts in one pixel."""
        shift = 2 * (tiles.FINEST - order)
        first, last = np.searchsorted(self.pixel, [pixel << shift, (pixel + 1) << shift])
        return Patch(*(column[first:last] for column in self))


class Look(NamedTuple):
    """Part of space that an observer looks at: caps on the sky, between two distances."""

    order: int
    pixel: int
    region: Region
    caps: np.ndarray  # (n, 3) unit vectors
    radius: float  # rad, of each cap
    near: float  # Mpc
    far: float  # Mpc


def patch(key, known: Structure, order: int, pixel: int, region: Region, redshift: tuple[float, float]) -> Patch:
    """Hosts of a pixel and region, kept for whoever asks next; key names the universe."""
    make = partial(_patch, key, known, order, pixel, region, redshift)
    return PATCHES.get((key, order, pixel, region), make)


def _patch(key, known: Structure, order: int, pixel: int, region: Region, redshift: tuple[float, float]) -> Patch:
    look = look_at(known.theory.cosmology, order, pixel, region, redshift)
    places = chunks_in_reach(known, look)
    with ThreadPoolExecutor(cores(SIDE_BY_SIDE)) as pool:
        found = list(pool.map(partial(_seen, key, known, look, redshift), places))
    every = [np.concatenate(column) for column in zip(*found)] if found else _nothing()
    del found
    order_on_sky = np.lexsort((every[4], every[0]))
    made = Patch(*(column[order_on_sky] for column in every))
    del every
    give_back_memory()
    return made


def joined(patches: Iterable[Patch]) -> Patch:
    """The hosts of patches of ascending pixels."""
    found = list(patches)
    if len(found) == 1:
        return found[0]
    return Patch(*(np.concatenate(column) for column in zip(*found))) if found else Patch(*_nothing())


def _nothing() -> list[np.ndarray]:
    floats, ints, vectors = np.empty(0), np.empty(0, np.int64), np.empty((0, 3))
    return [ints, floats, floats, floats, ints, ints, ints, vectors, vectors, floats, floats]


def look_at(cosmology: Cosmology, order: int, pixel: int, region: Region, redshift: tuple[float, float]) -> Look:
    """The part of space that lies in a pixel and a region, between two redshifts."""
    finer = min(order + CAPS, tiles.FINEST)
    inside = tiles.finer(pixel, order, finer)
    if not isinstance(region, FullSky):
        inside = np.intersect1d(inside, region.pixels(finer))
    return look_at_pixels(cosmology, order, pixel, region, inside, finer, redshift)


def look_at_pixels(
    cosmology: Cosmology,
    order: int,
    pixel: int,
    region: Region,
    pixels: np.ndarray,
    of_order: int,
    redshift: tuple[float, float],
) -> Look:
    """What an observer looks at in some pixels of an order, between two redshifts."""
    import healpy

    caps = np.stack(healpy.pix2vec(2**of_order, pixels, nest=True), axis=-1).reshape(-1, 3)
    near, far = (float(comoving_distance_64(cosmology, z)) for z in redshift)
    return Look(order, pixel, region, caps, healpy.max_pixrad(2**of_order), near, far)


def reached(look: Look, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Whether spheres, centre (n, 3) and radius (n,) [Mpc], may hold something that is looked at, bool."""
    distance = np.linalg.norm(centre, axis=1)
    found = (distance - radius < look.far) & (distance + radius > look.near)
    some = np.flatnonzero(found)
    wide = np.arcsin(np.minimum(radius[some] / np.maximum(distance[some], 1e-9), 1.0)) + look.radius
    nearest = (centre[some] @ look.caps.T).max(axis=1, initial=-np.inf)
    found[some] = (nearest >= distance[some] * np.cos(np.minimum(wide, np.pi))) | (distance[some] <= radius[some])
    return found


def chunks_in_reach(known: Structure, look: Look) -> list[tuple[int, int, int]]:
    """Places of the chunks that something looked at may have come from."""
    size = CELLS * known.cell
    places = _lattice(int(np.ceil((look.far + synthetic_structure.largest_move(known, 0.0)) / size)))
    centre = (places + 0.5) * size
    half = 0.5 * np.sqrt(3.0) * size
    whole = Look(*look[:3], _middle(look.caps), _spread(look), look.near, look.far)
    places = places[reached(whole, centre, half + _margin(known, centre, half))]
    half = 0.5 * np.sqrt(3.0) * synthetic_structure.BLOCK * known.cell
    blocks: list[tuple[int, int, int]] = []
    for place in places:
        centre = synthetic_structure.block_centres(known.cell, place)
        if reached(look, centre, half + _margin(known, centre, half)).any():
            x, y, z = (int(coordinate) for coordinate in place)
            blocks.append((x, y, z))
    return blocks


def _margin(known: Structure, centre: np.ndarray, half: float) -> np.ndarray:
    """Largest displacement [Mpc] of anything within half of each centre."""
    nearest = np.maximum(np.linalg.norm(centre, axis=1) - half, 0.0)
    z = known.distances.redshift(np.minimum(nearest, known.distances.farthest))
    return synthetic_structure.largest_move(known, z)


@lru_cache(maxsize=4)
def _lattice(reach: int) -> np.ndarray:
    """Places (n, 3) of all chunks within some chunks of the observer along each axis."""
    reach = min(reach, AXIS // 2)
    return np.stack(np.meshgrid(*[np.arange(-reach, reach)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def _middle(caps: np.ndarray) -> np.ndarray:
    middle = caps.sum(axis=0) if len(caps) else np.array([0.0, 0.0, 1.0])
    return (middle / np.linalg.norm(middle))[None]


def _spread(look: Look) -> float:
    if not len(look.caps):
        return 0.0
    cosine = (look.caps @ _middle(look.caps)[0]).min()
    return look.radius + float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _seen(key, known: Structure, look: Look, redshift: tuple[float, float], place: tuple[int, int, int]) -> list:
    """Columns of a patch from one chunk."""
    cells = CHUNKS.get((key, place), partial(synthetic_structure.cells_on_light_cone, known, place))
    blocks = reached(look, *synthetic_structure.block_bounds(known, cells))
    if not blocks.any():
        return _nothing()
    middle, cosine = _middle(look.caps)[0], np.cos(min(_spread(look), np.pi))

    def roughly(position):
        distance = np.sqrt(np.einsum("ij,ij->i", position, position))
        return (position @ middle >= distance * cosine) & (distance >= look.near) & (distance <= look.far)

    found = synthetic_structure.hosts(known, known.hosts, cells, blocks, roughly)
    ra, dec, distance = coordinates.sky(found.position)
    z = known.distances.redshift(distance)
    pixel = tiles.finest_pixel(ra, dec)
    keep = tiles.coarser(pixel, tiles.FINEST, look.order) == look.pixel
    keep &= (z >= redshift[0]) & (z <= redshift[1]) & look.region.inside(ra, dec)
    columns = (pixel, ra, dec, z, *found)
    return [column[keep] for column in columns]
