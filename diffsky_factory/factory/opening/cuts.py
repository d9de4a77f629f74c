"""Cuts: which rows to keep, which blocks need not be looked at, and which columns must be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from diffsky_factory.core.expressions import Condition
from diffsky_factory.factory.opening.sources import Source
from diffsky_factory.sky.boxes import AXES, BoxPart
from diffsky_factory.sky.regions import Region

Get = Callable[..., np.ndarray]


class Cut(Protocol):
    """What ds.sky needs to know of a cut."""

    @property
    def columns(self) -> tuple[tuple[str, tuple], ...]:
        """Names, and labels of their axes, that `evaluate` asks for."""

    def possible(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """Whether each block may hold a row to keep, and whether all of its rows surely are."""

    def evaluate(self, get: Get) -> np.ndarray:
        """Whether each row is kept; get(name, labels) gives a column."""


@dataclass(frozen=True)
class InRegion:
    """Rows on a part of the sky."""

    region: Region
    columns: ClassVar[tuple[tuple[str, tuple], ...]] = (("ra", ()), ("dec", ()))

    def possible(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """By the circle around each block."""
        ra, dec, radius = source.circles
        return self.region.inside(ra, dec, radius), self.region.inside(ra, dec, -radius)

    def evaluate(self, get: Get) -> np.ndarray:
        """By their positions."""
        return self.region.inside(get("ra", ()), get("dec", ()))


@dataclass(frozen=True)
class InBoxPart:
    """Rows in a part of a box."""

    part: BoxPart
    columns = tuple((axis, ()) for axis in AXES)

    def possible(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """By the ranges of positions in each block."""
        return self.part.possible(source.ranges)

    def evaluate(self, get: Get) -> np.ndarray:
        """By their positions."""
        return self.part.inside(*(get(axis, ()) for axis in AXES))


@dataclass(frozen=True)
class InTiles:
    """Rows of some tiles."""

    keys: np.ndarray
    columns: ClassVar[tuple[tuple[str, tuple], ...]] = ()

    def possible(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """A block belongs to one tile."""
        chosen = np.isin(source.block_keys, self.keys)
        return chosen, chosen

    def evaluate(self, get: Get) -> np.ndarray:
        """Never asked: each block is settled."""
        raise AssertionError("tiles are settled block by block")


@dataclass(frozen=True)
class Where:
    """Rows that meet a condition on their columns."""

    condition: Condition

    @property
    def columns(self) -> tuple[tuple[str, tuple], ...]:
        """Those that the condition names."""
        return self.condition.columns

    def possible(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """By the ranges of the columns in each block, where they are known."""
        may_hold, may_fail = self.condition.possible(source.blocks.bounds)
        shape = source.blocks.first.shape
        return np.broadcast_to(may_hold, shape), ~np.broadcast_to(may_fail, shape)

    def evaluate(self, get: Get) -> np.ndarray:
        """By the columns."""
        return self.condition.evaluate(get)
