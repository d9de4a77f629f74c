"""Parts of the sky that are sets of HEALPix cells: pixels of one order, and multi-order coverage maps (MOC)."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_file
from diffsky_factory.sky import tiles
from diffsky_factory.sky.part import Part

# A circle of 0.66 rad / 2^order around a position lies in its pixel of that order and the pixels around this: none is
# thinner (tests/sky/test_cell_sets.py measures 0.69).
THINNEST = 0.66
MOC_ENDINGS = (".fits", ".fits.gz", ".fit")


class Ranges(NamedTuple):
    """Order-29 pixels, as ascending ranges that neither overlap nor touch: the first of each, and the one after it."""

    first: np.ndarray
    end: np.ndarray

    def has(self, cell: np.ndarray) -> np.ndarray:
        """Whether each order-29 pixel is one of them."""
        at = np.searchsorted(self.first, cell, "right") - 1
        return (at >= 0) & (cell < self.end[at])

    def at(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which pixels of an order have one of them inside, and which have no others."""
        shift = 2 * (tiles.FINEST - order)
        low, high = np.asarray(pixels, np.int64) << shift, (np.asarray(pixels, np.int64) + 1) << shift
        after = np.minimum(np.searchsorted(self.end, low, "right"), len(self.end) - 1)
        first, end = self.first[after], self.end[after]
        return (first < high) & (end > low), (first <= low) & (end >= high)

    def pixels(self, order: int) -> np.ndarray:
        """Pixels of an order that have one of them inside, ascending."""
        shift = 2 * (tiles.FINEST - order)
        low, high = self.first >> shift, ((self.end - 1) >> shift) + 1
        low = np.maximum(low, np.concatenate([[0], high[:-1]]))  # the last of a range and the first of the next
        number = high - low
        return np.arange(number.sum()) + np.repeat(high - np.cumsum(number), number)


def ranges_of(order: int, pixels: np.ndarray) -> Ranges:
    """The order-29 pixels inside ascending pixels of an order, each of which is there once."""
    shift = 2 * (tiles.FINEST - order)
    begins, ends = np.ones(len(pixels), bool), np.ones(len(pixels), bool)
    begins[1:] = ends[:-1] = np.diff(pixels) != 1
    return Ranges(pixels[begins] << shift, (pixels[ends] + 1) << shift)


class CellSet(Part):
    """A set of HEALPix cells: what overlaps it, and what it covers, is exact."""

    @property
    @abstractmethod
    def cells_of(self) -> Ranges:
        """Its order-29 pixels."""

    def pixels(self, order: int) -> np.ndarray:
        """Pixels at an order that overlap the set, ascending."""
        return self.cells_of.pixels(order)

    def cells(self, order: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some pixels overlap the set, and which lie wholly inside, bool."""
        return self.cells_of.at(order, pixels)

    def covers(self, order: int, pixel: int) -> bool:
        """Whether a pixel lies wholly inside."""
        return bool(self.cells_of.at(order, np.array([pixel]))[1][0])

    def inside(self, ra: np.ndarray, dec: np.ndarray, rim: float | np.ndarray = 0.0) -> np.ndarray:
        """Whether each position [deg] lies in the set made wider by a rim [deg], bool.

        A rim counts as one pixel or two of the finest order whose pixels are no thinner than it.
        """
        cell = tiles.finest_pixel(ra, dec)
        if np.ndim(rim) == 0 and rim == 0.0:
            return self.cells_of.has(cell)
        cell, rim = np.broadcast_arrays(cell, rim)
        found = np.empty(cell.shape, bool)
        order = _order_no_thinner(np.abs(rim))
        for at in np.unique(order):
            there = order == at
            found[there] = self._around(int(at), cell[there], rim[there])
        return found

    def _around(self, order: int, cell: np.ndarray, rim: np.ndarray) -> np.ndarray:
        """As `inside`, for rims no wider than any pixel of an order; order -1 is the whole sphere."""
        import healpy

        if order < 0:
            return rim > 0.0
        if order > tiles.FINEST:
            return self.cells_of.has(cell)
        own = tiles.coarser(cell, tiles.FINEST, order)
        around = healpy.get_all_neighbours(2**order, own, nest=True)
        overlapping, covered = self.cells_of.at(order, np.vstack([own, np.where(around < 0, own, around)]).ravel())
        return np.where(rim > 0.0, overlapping.reshape(9, -1).any(axis=0), covered.reshape(9, -1).all(axis=0))


def _order_no_thinner(rim: np.ndarray) -> np.ndarray:
    """The finest order whose pixels are no thinner than a rim [deg]; that after the finest for none, -1 for a huge."""
    with np.errstate(divide="ignore"):
        order = np.floor(np.log2(THINNEST / np.deg2rad(rim)))
    return np.where(rim > 0.0, np.clip(order, -1, tiles.FINEST), tiles.FINEST + 1).astype(np.int64)


@dataclass(frozen=True)
class Pixels(CellSet):
    """A set of HEALPix pixels of one order, NESTED."""

    order: int
    numbers: tuple[int, ...]

    @cached_property
    def cells_of(self) -> Ranges:
        """Its order-29 pixels."""
        return ranges_of(self.order, np.unique(np.asarray(self.numbers, np.int64)))

    @property
    def area(self) -> float:
        """deg^2."""
        number = int((self.cells_of.end - self.cells_of.first).sum()) >> 2 * (tiles.FINEST - self.order)
        return number * tiles.pixel_area(self.order)

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it."""
        return {"pixels": list(self.numbers), "order": self.order}


@dataclass(frozen=True)
class Moc(CellSet):
    """A multi-order coverage map (IVOA MOC): ranges of order-29 pixels, NESTED, of any shape.

    ranges : the first pixel of each range and the one after its last; ascending, neither overlapping nor touching
    """

    ranges: tuple[tuple[int, int], ...]

    @cached_property
    def cells_of(self) -> Ranges:
        """Its order-29 pixels."""
        first, end = np.array(self.ranges, np.int64).T
        return Ranges(first.copy(), end.copy())

    @property
    def area(self) -> float:
        """deg^2."""
        return int((self.cells_of.end - self.cells_of.first).sum()) * tiles.pixel_area(tiles.FINEST)

    @property
    def order(self) -> int:
        """The coarsest order whose pixels it consists of."""
        ends = int(np.bitwise_or.reduce(np.concatenate(self.cells_of)))
        return max(0, tiles.FINEST - ((ends & -ends).bit_length() - 1) // 2)

    @property
    def plain(self) -> dict[str, Any]:
        """As recipes write it: the MOC as text, `order/pixels` with the largest pixels that there are."""
        from mocpy import MOC

        moc = MOC.from_depth29_ranges(self.order, np.array(self.ranges, np.uint64))
        return {"moc": moc.to_string("ascii", fold=0).strip()}


def moc_region(given: Any) -> Moc:
    """The region of a MOC: of its text ("3/1-5 4/100"), of the path of its FITS file, or of a `mocpy.MOC`.

    Raises InputError for a text that is no MOC, a file that cannot be read as one, and a map without a cell.
    """
    if isinstance(given, str | Path):
        given = _read_moc(given)
    if not hasattr(given, "to_depth29_ranges"):
        raise InputError(
            f"moc {given!r}: a text such as '3/1-5 4/100', the path of a FITS file or a mocpy.MOC is wanted"
        )
    ranges = np.asarray(given.to_depth29_ranges)
    if len(ranges) == 0:
        raise InputError("moc: it has no cell; give one that covers something")
    first, end = ranges.astype(np.int64).T
    if not ((first < end).all() and (first[1:] > end[:-1]).all() and first[0] >= 0 and end[-1] <= 12 * 4**tiles.FINEST):
        raise InputError("moc: its ranges of pixels are not ascending; write it anew, with mocpy for one")
    return Moc(tuple(zip(first.tolist(), end.tolist())))


def _read_moc(given: str | Path) -> Any:
    from mocpy import MOC

    text = str(given)
    is_file = isinstance(given, Path) or text.lower().endswith(MOC_ENDINGS)
    try:
        if is_file:
            return MOC.load(str(user_file(text)), "fits")
        beyond = [order for order in re.findall(r"(\d+)/", text) if int(order) > tiles.FINEST]
        if beyond:
            raise ValueError(f"order {beyond[0]} is beyond {tiles.FINEST}")
        return MOC.from_string(text, "ascii")
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        what = f"{given}: cannot be read as a MOC" if is_file else f"moc {text[:60]!r} is no MOC in text form"
        raise InputError(f"{what} ({reason}); a text such as '3/1-5 4/100', or a FITS file, is wanted") from error


def pixels_region(order: Any, numbers: Any) -> Pixels:
    """The region of some pixels of an order; raises InputError for what are no pixels of it."""
    if not isinstance(order, int | np.integer) or not 0 <= order <= tiles.FINEST:
        raise InputError(f"HEALPix order {order!r}: must be a whole number between 0 and {tiles.FINEST}")
    if isinstance(numbers, str | Mapping) or not np.iterable(numbers):
        raise InputError(f"region: pixels is a list of numbers of pixels of order {order}, not {numbers!r}")
    pixels = list(numbers)
    outside = [n for n in pixels if not (isinstance(n, int | np.integer) and 0 <= n < 12 * 4**order)]
    if outside or not pixels:
        problem = f"pixel {outside[0]!r} is not" if outside else "no pixel is given; they are"
        raise InputError(f"region: {problem} one of 0 to {12 * 4**order - 1} of order {order}")
    return Pixels(int(order), tuple(int(n) for n in pixels))
