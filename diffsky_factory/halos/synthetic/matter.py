"""Maps of the matter of the synthetic universe in shells of redshift, from the displacements that move its halos."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.machine import cores
from diffsky_factory.halos.synthetic import patches as synthetic_patches
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic.structure import Structure
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cosmology import comoving_distance_64
from diffsky_factory.sky.regions import Region

PARTICLES = 2  # chosen: along a cell; 8 of them, 4 Mpc apart before they move
MOST_CAPS = 64  # chosen: pixels that stand for the region when chunks are looked for


class MatterShells(NamedTuple):
    """Matter overdensity in shells on the sky."""

    pixel: np.ndarray  # (pixel,) HEALPix, NESTED, ascending
    overdensity: np.ndarray  # (shell, pixel) float32
    distance: np.ndarray  # (shell + 1,) comoving Mpc, of the edges


def matter_shells(structure: Structure, edges: ArrayLike, nside: int, region: Region) -> MatterShells:
    """Matter between edges in redshift (ascending), in the pixels of a map that overlap a region, chunk by chunk.

    Particles start on a regular grid and are where the observer sees them; none is lost or counted twice.
    Raises InputError for edges out of order or a nside that is no power of two.
    """
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0.0).all() or edges[0] < 0.0:
        raise InputError(f"edges in redshift {edges.tolist()}: give two or more, from 0 upwards, ascending")
    if nside < 1 or nside & (nside - 1):
        raise InputError(f"nside {nside}: give a power of two")
    order = nside.bit_length() - 1
    pixels, distance = region.pixels(order), comoving_distance_64(structure.theory.cosmology, edges)
    counts, lock = np.zeros((len(edges) - 1) * len(pixels), np.int64), Lock()

    def add(place):
        at = _cells(structure, place, distance, pixels, nside)
        with lock:
            np.add.at(counts, at, 1)

    look = _look(structure, region, order, edges)
    with ThreadPoolExecutor(cores(synthetic_patches.SIDE_BY_SIDE)) as pool:
        list(pool.map(add, synthetic_patches.chunks_in_reach(structure, look)))
    steradian = tiles.pixel_area(order) * np.deg2rad(1.0) ** 2
    mean = steradian * np.diff(distance**3) / 3.0 * (PARTICLES / structure.cell) ** 3
    overdensity = counts.reshape(len(edges) - 1, -1) / mean[:, None] - 1.0
    return MatterShells(pixels, overdensity.astype(np.float32), distance)


def _look(structure: Structure, region: Region, order: int, edges: np.ndarray) -> synthetic_patches.Look:
    coarse, pixels = 0, region.pixels(0)
    while coarse < order and len(region.pixels(coarse + 1)) <= MOST_CAPS:
        coarse += 1
        pixels = region.pixels(coarse)
    return synthetic_patches.look_at_pixels(
        structure.theory.cosmology, 0, 0, region, pixels, coarse, (edges[0], edges[-1])
    )


def _cells(structure: Structure, place, distance: np.ndarray, pixels: np.ndarray, nside: int) -> np.ndarray:
    """Shell times number of pixels plus pixel of each particle of a chunk that is in the maps."""
    import healpy

    moved = synthetic_structure.cells_on_light_cone(structure, place)
    x, _ = synthetic_structure.moved_points(structure.cell, moved, _particles())
    radius = np.sqrt(np.einsum("ij,ij->i", x, x))
    shell = np.searchsorted(distance, radius, side="right") - 1
    inside = (shell >= 0) & (shell < len(distance) - 1)
    pixel = healpy.vec2pix(nside, *x[inside].T, nest=True)
    at = np.minimum(np.searchsorted(pixels, pixel), len(pixels) - 1)
    return (shell[inside] * len(pixels) + at)[pixels[at] == pixel]


def _particles() -> np.ndarray:
    """Places (n, 3) of the particles of a chunk, in cells from its corner."""
    within = (np.stack(np.meshgrid(*[np.arange(PARTICLES)] * 3, indexing="ij"), axis=-1) + 0.5) / PARTICLES
    return (synthetic_structure.CELL_PLACES[:, None, :] + within.reshape(-1, 3)).reshape(-1, 3)
