"""Areas that parts of the sky share, by descent of the HEALPix hierarchy: only cells at a border are looked into."""

from collections.abc import Sequence

import numpy as np

from diffsky_factory.core.counters import GOLDEN, mixed
from diffsky_factory.sky import tiles
from diffsky_factory.sky.cell_sets import CellSet, Pixels
from diffsky_factory.sky.part import BASE_PIXELS, Part

BASE_AREA = tiles.pixel_area(0)  # deg^2
NOISE = 2.5e-5  # chosen: standard error of an area, of itself: a fourth of 1e-4
FLOOR = 1e-8  # chosen: standard error that is always good enough, of the smallest of the areas that meet
MOST_CELLS = 2**18  # chosen: cells at a border; 4 times as many are looked at, in 200 MB
PIXELS_AT_ONCE = 2**17  # chosen: of which points are drawn
NOISE_OF_CELL = 0.145  # rms share of a cell, cut anywhere, that judging a point in each of its quarters errs by
FEW_TO_SPLIT = 64  # chosen: so few cells are split by two orders at once
FEW_CELLS = 4096  # chosen: as many cells are looked at to find that one part lies inside others


def area_of(regions: Sequence[Part]) -> float:
    """Area [deg^2] of the intersection of some regions.

    Cells that each covers, or that one does not touch, are settled; others are split, until a point drawn in each
    quarter of the n cells left, of area a, errs by no more than 0.145 a sqrt(n) = 2.5e-5 of what is settled.
    Error: < 1e-4 of the result where this is more than 4e-4 of the smallest of the regions, else < 4e-8 of that region;
    none for sets of pixels, for one region, and where one with a formula for its area lies inside all the others.
    """
    parts = _factors(regions)
    if not parts:
        return tiles.FULL_SKY
    if len(parts) == 1:
        return float(parts[0].area)
    simple = min((part for part in parts if part.closed_form), key=lambda part: part.area, default=None)
    if simple is not None and _lies_inside(simple, [part for part in parts if part is not simple]):
        return float(simple.area)
    return _measured(parts, 0, BASE_PIXELS) * BASE_AREA


def area_of_any(union: Part, parts: Sequence[Part]) -> float:
    """Area [deg^2] of a union of parts; error as of `area_of`."""
    return float(parts[0].area) if len(parts) == 1 else _measured([union], 0, BASE_PIXELS) * BASE_AREA


def share_inside(order: int, pixel: int, regions: Sequence[Part]) -> float:
    """Share of the area of a pixel that lies inside all of some regions; error as of `area_of`."""
    if all(one.covers(order, pixel) for one in regions):
        return 1.0
    parts = _factors(regions)
    tile = Pixels(order, (pixel,))
    for part in parts:
        # a small cone in a large tile: its formula is exact
        if part.closed_form and part.area < tile.area and _lies_inside(part, [tile, *_others(parts, part)]):
            return float(part.area / tile.area)
    return float(min(1.0, _measured(parts, order, np.array([pixel])) * 4.0**order))


def shared_area(part: Part, where: Part) -> float:
    """Area [deg^2] that two regions share; error as of `area_of`."""
    return area_of([part, where])


def _factors(regions: Sequence[Part]) -> list[Part]:
    """Regions with the same intersection, without those that are the whole sky."""
    factors = [factor for one in regions for factor in one.factors]
    return [one for one in factors if one.size < tiles.FULL_SKY or not one.closed_form]


def _others(parts: Sequence[Part], part: Part) -> list[Part]:
    return [one for one in parts if one is not part]


def _lies_inside(part: Part, others: Sequence[Part]) -> bool:
    """Whether a part lies wholly inside each of some others; false also where that is not soon seen."""
    pixels, order = BASE_PIXELS, 0
    while len(pixels) <= FEW_CELLS and order <= tiles.FINEST:
        pixels = pixels[part.cells(order, pixels)[0]]
        pixels = pixels[~np.logical_and.reduce([other.cells(order, pixels)[1] for other in others])]
        if len(pixels) == 0:
            return True
        at = tiles.centres(pixels, order)
        if np.any(part.inside(*at) & ~np.logical_and.reduce([other.inside(*at) for other in others])):
            return False
        pixels, order = tiles.children(pixels), order + 1
    return False


def _measured(parts: Sequence[Part], order: int, pixels: np.ndarray) -> float:
    """Area of the intersection of some parts within some pixels, in units of the 12 pixels of order 0."""
    floor = FLOOR * min(part.size for part in parts) / BASE_AREA
    rough = np.array([not isinstance(part, CellSet) for part in parts])
    settled, unsure = 0.0, np.ones((len(pixels), len(parts)), bool)  # whether each part is not known to cover each
    while len(pixels):
        pixels, unsure = _overlapping(parts, order, pixels, unsure)
        border = unsure.any(axis=1)
        settled += np.count_nonzero(~border) * 4.0**-order
        pixels, unsure = pixels[border], unsure[border]
        if len(pixels) > MOST_CELLS or order == tiles.FINEST - 1:
            return settled + _judged(parts, order, pixels, unsure)
        cut = unsure[:, rough].any(axis=1)  # the others are cut by pixels only, which their quarters will show
        if NOISE_OF_CELL * np.sqrt(np.count_nonzero(cut)) * 4.0**-order <= max(NOISE * settled, floor):
            settled += _judged(parts, order, pixels[cut], unsure[cut])
            pixels, unsure = pixels[~cut], unsure[~cut]
        steps = 2 if len(pixels) <= FEW_TO_SPLIT and order < tiles.FINEST - 2 else 1
        pixels, unsure, order = tiles.children(pixels, steps), np.repeat(unsure, 4**steps, axis=0), order + steps
    return settled


def _overlapping(
    parts: Sequence[Part], order: int, pixels: np.ndarray, unsure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that overlap every part, and for each which parts may not cover it."""
    left, unsure = np.ones(len(pixels), bool), unsure.copy()
    for i, part in enumerate(parts):
        rows = np.flatnonzero(left & unsure[:, i])
        if len(rows):
            left[rows], covered = part.cells(order, pixels[rows])
            unsure[rows, i] = ~covered
    return pixels[left], unsure[left]


def _judged(parts: Sequence[Part], order: int, pixels: np.ndarray, unsure: np.ndarray) -> float:
    """Area of the intersection within pixels at its border, by a point in each quarter of them.

    The points are drawn, always the same: centres lie on lines, and a border along one would be on one side of all.
    """
    number_inside, shift = 0, 2 * (tiles.FINEST - order - 1)
    for first in range(0, len(pixels), PIXELS_AT_ONCE):
        quarters = tiles.children(pixels[first : first + PIXELS_AT_ONCE])
        of_parts = np.repeat(unsure[first : first + PIXELS_AT_ONCE], 4, axis=0)
        drawn = mixed(quarters.astype(np.uint64) * GOLDEN) & np.uint64((1 << shift) - 1)
        ra, dec = tiles.centres((quarters << shift) + drawn.astype(np.int64), tiles.FINEST)
        inside = np.ones(len(quarters), bool)
        for i, part in enumerate(parts):
            rows = np.flatnonzero(inside & of_parts[:, i])
            inside[rows] = part.inside(ra[rows], dec[rows])
        number_inside += int(np.count_nonzero(inside))
    return number_inside * 4.0 ** -(order + 1)
