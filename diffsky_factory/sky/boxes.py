"""A periodic box: its cells, nested as pixels of the sky are, and parts of it, which may lie across its faces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError

FINEST = 10  # order of the finest cells: 1024 along each side
AXES = ("x", "y", "z")
FORMS = (
    '{"box": {"x": [low, high], "y": [..], "z": [..]}}, of which axes may be left out, {"cells": [...], "order": k}, '
    '{"any": [part, ...]} or {"all": [part, ...]}'
)

Bounds = tuple[np.ndarray, np.ndarray]


def finest_cell(position: np.ndarray, size: float) -> np.ndarray:
    """Cell of the finest order of each position (n, 3) in [0, size], int64: neighbours in space have near numbers.

    Bits of the three coordinates take turns, x first (Morton 1966), so that a cell of a coarser order is a range.
    """
    place = np.minimum((np.asarray(position, np.float64) / size * 2**FINEST).astype(np.int64), 2**FINEST - 1)
    spread = _spread(place)
    return (spread[..., 0] << 2) | (spread[..., 1] << 1) | spread[..., 2]


def wrapped(position: np.ndarray, size: float) -> np.ndarray:
    """Positions modulo the box, in [0, size), float64; any shape, in the unit of size."""
    inside = np.mod(np.asarray(position, np.float64), size)
    return np.where(inside >= size, 0.0, inside)  # the remainder of a tiny negative rounds to the box itself


def outside(position: np.ndarray, size: float) -> np.ndarray:
    """Whether each position (n, 3) lies outside of the box, bool; its faces are inside."""
    return np.any((position < 0.0) | (position > size) | np.isnan(position), axis=-1)


def places(cells: np.ndarray, order: int) -> np.ndarray:
    """Place (n, 3) of each cell of an order, 0 to 2^order - 1 along each axis."""
    cells = np.asarray(cells, np.int64)
    found = np.zeros((*cells.shape, 3), np.int64)
    for bit in range(order):
        for axis in range(3):
            found[..., axis] |= ((cells >> (3 * bit + 2 - axis)) & 1) << bit
    return found


def coarser(cells: np.ndarray, order: int, to: int) -> np.ndarray:
    """The cell at order `to` that holds each cell of a finer order."""
    if to > order:
        raise ValueError(f"order {to} is finer than {order}")
    return np.asarray(cells, np.int64) >> (3 * (order - to))


def _spread(place: np.ndarray) -> np.ndarray:
    """Ten bits of each number, with two zeros between one and the next."""
    x = place & 0x3FF
    x = (x | (x << 16)) & 0x30000FF
    x = (x | (x << 8)) & 0x300F00F
    x = (x | (x << 4)) & 0x30C30C3
    return (x | (x << 2)) & 0x9249249


@dataclass(frozen=True)
class SubBox:
    """Positions with low <= x < high along each axis [Mpc], modulo the box; the whole axis where high - low = size."""

    size: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def plain(self) -> dict[str, Any]:
        """As a recipe writes it; axes that are whole are left out."""
        every = zip(AXES, self.low, self.high)
        return {"box": {axis: [low, high] for axis, low, high in every if high - low < self.size}}

    def is_whole(self, axis: int) -> bool:
        """Whether it goes through all of the box along an axis."""
        return self.high[axis] - self.low[axis] >= self.size

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether each position lies inside, bool."""
        found: Any = True
        for values, low, high in zip((x, y, z), self.low, self.high):
            from_low = np.mod(np.asarray(values, np.float64) - low, self.size)
            found = found & ((from_low < high - low) | (high - low >= self.size))
        return np.asarray(found)

    def possible(self, bounds: tuple[Bounds, Bounds, Bounds]) -> Bounds:
        """Whether blocks of given ranges of x, y and z may hold a position inside, and surely hold no other."""
        may: Any = True
        surely: Any = True
        for (first, last), low, high in zip(bounds, self.low, self.high):
            # also downwards, as rounding may bring a position to the upper face, which is the lower one
            shifted = [(first + turn, last + turn) for turn in (-self.size, 0.0, self.size)]
            whole = high - low >= self.size
            may = may & (whole | np.any([(b >= low) & (a < high) for a, b in shifted], axis=0))
            surely = surely & (whole | np.any([(a >= low) & (b < high) for a, b in shifted], axis=0))
        return may, surely

    @cached_property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """Where it begins and ends along each axis, in [0, size)."""
        return tuple((low % self.size, high % self.size) for low, high in zip(self.low, self.high))


@dataclass(frozen=True)
class Cells:
    """Positions in some cells of an order."""

    size: float
    order: int
    cells: tuple[int, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """As a recipe writes it."""
        return {"cells": list(self.cells), "order": self.order}

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether each position lies inside, bool."""
        position = wrapped(np.stack(np.broadcast_arrays(x, y, z), axis=-1), self.size)
        return np.isin(coarser(finest_cell(position, self.size), FINEST, self.order), self.cells)

    def possible(self, bounds: tuple[Bounds, Bounds, Bounds]) -> Bounds:
        """Each block may hold a position inside, and none is sure to hold no other."""
        n = len(bounds[0][0])
        return np.ones(n, bool), np.zeros(n, bool)

    @cached_property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """Faces of the cells of the order."""
        return (tuple(np.arange(2**self.order) * (self.size / 2**self.order)),) * 3


@dataclass(frozen=True)
class Together:
    """Positions in any, or in all, of some parts."""

    size: float
    kind: str  # "any" or "all"
    parts: tuple["BoxPart", ...]

    @property
    def plain(self) -> dict[str, Any]:
        """As a recipe writes it."""
        return {self.kind: [part.plain for part in self.parts]}

    @property
    def _joined(self):
        return np.logical_or if self.kind == "any" else np.logical_and

    def inside(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether each position lies inside, bool."""
        return self._joined.reduce([part.inside(x, y, z) for part in self.parts])

    def possible(self, bounds: tuple[Bounds, Bounds, Bounds]) -> Bounds:
        """As its parts say."""
        may, surely = zip(*(part.possible(bounds) for part in self.parts))
        n = len(bounds[0][0])
        return tuple(self._joined.reduce([np.broadcast_to(one, n) for one in every]) for every in (may, surely))

    @cached_property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """Those of its parts."""
        return tuple(tuple(x for part in self.parts for x in part.edges[axis]) for axis in range(3))


BoxPart = SubBox | Cells | Together


def whole_box(size: float) -> SubBox:
    """All of a box."""
    return SubBox(size, (0.0,) * 3, (float(size),) * 3)


def box_part(given: Any, size: float) -> BoxPart:
    """A part of a box of a size [Mpc] from its plain form, as recipes write it; a part is returned as it is.

    box : low and high along some axes; the part may lie across a face of the box, as [900, 1100] in one of 1000
    cells, order : cells of an order
    any, all : what lies in any, or in all, of a list of parts
    Raises InputError, naming what is wrong and the forms, for anything else.
    """
    if isinstance(given, BoxPart):
        return given
    if isinstance(given, Mapping):
        if set(given) == {"box"} and isinstance(given["box"], Mapping):
            return _sub_box(given["box"], float(size))
        if set(given) == {"cells", "order"}:
            return Cells(float(size), int(given["order"]), tuple(int(cell) for cell in given["cells"]))
        for kind in ("any", "all"):
            if set(given) == {kind} and given[kind]:
                return Together(float(size), kind, tuple(box_part(one, size) for one in given[kind]))
    raise InputError(f"a part of a box is one of {FORMS}, not {given!r}")


def _sub_box(given: Mapping[str, Any], size: float) -> SubBox:
    unknown = sorted(set(given) - set(AXES))
    if unknown:
        raise InputError(f"a part of a box: no axis {unknown[0]!r}; there are x, y and z")
    ends = [_ends(axis, given.get(axis), size) for axis in AXES]
    (x, y, z), (x_end, y_end, z_end) = zip(*ends)
    return SubBox(size, (x, y, z), (x_end, y_end, z_end))


def _ends(axis: str, given: Any, size: float) -> tuple[float, float]:
    """Low and high along an axis; all of it where nothing is given."""
    if given is None:
        return 0.0, size
    try:
        low, high = (float(end) for end in given)
    except (TypeError, ValueError) as error:
        raise InputError(f"a part of a box, {axis}: [low, high] is wanted [Mpc], not {given!r}") from error
    if not (0.0 <= low < size and 0.0 < high - low <= size):
        raise InputError(
            f"a part of a box, {axis}: 0 <= low < high and low < {size:g}, no longer than the box, is wanted [Mpc], "
            f"not {[low, high]}"
        )
    return low, high


def volume_of(parts: Iterable[BoxPart]) -> float:
    """Volume [Mpc^3] of the intersection of parts of a box, exact: it is made of cuboids between their faces."""
    parts = tuple(parts)
    size = parts[0].size
    edges = [np.unique([0.0, *(x for part in parts for x in part.edges[axis]), size]) for axis in range(3)]
    middle = [0.5 * (along[1:] + along[:-1]) for along in edges]
    x, y, z = np.meshgrid(*middle, indexing="ij", sparse=True)
    inside = np.logical_and.reduce([np.broadcast_to(part.inside(x, y, z), [len(m) for m in middle]) for part in parts])
    wide = [np.diff(along) for along in edges]
    return float(np.einsum("ijk,i,j,k->", inside, *wide))


def cells_of(part: BoxPart, order: int) -> np.ndarray:
    """Cells of an order that a part overlaps, ascending."""
    every = np.arange(8**order, dtype=np.int64)
    return every[cell_shares(part, every, order) > 0.0]


def cell_shares(part: BoxPart, cells: np.ndarray, order: int) -> np.ndarray:
    """Share of the volume of each cell of an order that lies in a part."""
    width = part.size / 2**order
    low = places(cells, order) * width
    if isinstance(part, SubBox):
        return np.prod([_overlap(low[:, i], width, part.low[i], part.high[i], part.size) for i in range(3)], axis=0)
    whole = [Cells(part.size, order, (int(cell),)) for cell in cells]
    return np.array([volume_of([part, one]) / width**3 for one in whole])


def _overlap(begin: np.ndarray, width: float, low: float, high: float, size: float) -> np.ndarray:
    """Share of intervals that lies in [low, high) modulo the box."""
    inside = np.zeros(len(begin))
    for first in (begin, begin + size):
        inside += np.clip(np.minimum(first + width, high) - np.maximum(first, low), 0.0, None)
    return np.minimum(inside / width, 1.0)
