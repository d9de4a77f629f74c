"""Which rows of a store or mock a dataset is said to have, of what part of the sky or a box: one attribute, checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from diffsky_factory.sky.spaces import Box, Sky, Space

ATTRIBUTE = "selection"
MODULUS = 2**64

Fingerprint = tuple[int, int, int]
"""Number of rows, their sum and the sum of their squares, modulo 2^64: the same in any order, not for other rows."""


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    extent   : deg^2 of the sky, or Mpc^3 of the box, that the rows are from
    covered  : regions whose intersection the store or mock covers
    regions  : regions cut from it, all of which hold
    conditions : what else was cut, in words
    redshift : range that holds all rows
    cuts     : what was done, in words, in order
    rows     : fingerprint of the rows
    token    : name of the lazy array of the rows, as long as nobody has touched it
    box_size : Mpc, of a box; 0 on the sky
    """

    extent: float
    covered: tuple[Mapping, ...]
    redshift: tuple[float, float]
    rows: Fingerprint
    token: str
    regions: tuple[Mapping, ...] = ()
    conditions: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    box_size: float = 0.0

    @property
    def space(self) -> Space:
        """What the rows are in."""
        return Box(self.box_size) if self.box_size else Sky()

    @property
    def text(self) -> str:
        """As an attribute holds it."""
        return json.dumps(asdict(self))

    @property
    def covered_text(self) -> str:
        """What the store or mock covers, as text."""
        return json.dumps(self.covered)

    @property
    def parts(self) -> list[Any]:
        """Parts of the space whose intersection the rows are from."""
        return [self.space.part(one) for one in (*self.covered, *self.regions)]

    def within(self, where: Any, words: str) -> "Selection":
        """The same within a further region."""
        cut = replace(self, regions=(*self.regions, where.plain), cuts=(*self.cuts, words))
        return replace(cut, extent=cut.space.extent(cut.parts))

    def where(self, words: str) -> "Selection":
        """The same where something holds that does not change the extent."""
        return replace(self, conditions=(*self.conditions, words), cuts=(*self.cuts, words))


def selection_from_text(text: str) -> Selection:
    """The selection of `Selection.text`."""
    content: dict[str, Any] = json.loads(text)
    for name, value in content.items():
        content[name] = tuple(value) if isinstance(value, list) else value
    return Selection(**content)


def fingerprint(rows: np.ndarray) -> Fingerprint:
    """Fingerprint of rows."""
    r = np.asarray(rows, np.int64).view(np.uint64)
    return len(r), int(r.sum(dtype=np.uint64)), int((r * r).sum(dtype=np.uint64))


def fingerprint_of_ranges(starts: np.ndarray, counts: np.ndarray) -> Fingerprint:
    """Fingerprint of the rows of ranges start, start + 1, ..., without making them."""
    total = first = second = 0
    for a, n in zip(starts.tolist(), counts.tolist()):
        total += n
        first += n * a + n * (n - 1) // 2
        second += n * a * a + a * n * (n - 1) + (n - 1) * n * (2 * n - 1) // 6
    return total, first % MODULUS, second % MODULUS
