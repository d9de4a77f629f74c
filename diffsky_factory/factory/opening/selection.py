"""Which rows of a store or mock a dataset is said to have, and of what part of the sky: one attribute, checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from diffsky_factory.sky.areas import area_of
from diffsky_factory.sky.regions import Region, region

ATTRIBUTE = "selection"
MODULUS = 2**64

Fingerprint = tuple[int, int, int]
"""Number of rows, their sum and the sum of their squares, modulo 2^64: the same in any order, not for other rows."""


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    area     : deg^2 of the sky that the rows are from
    covered  : regions whose intersection the store or mock covers
    regions  : regions cut from it, all of which hold
    conditions : what else was cut, in words
    redshift : range that holds all rows
    cuts     : what was done, in words, in order
    rows     : fingerprint of the rows
    token    : name of the lazy array of the rows, as long as nobody has touched it
    """

    area: float
    covered: tuple[Mapping, ...]
    redshift: tuple[float, float]
    rows: Fingerprint
    token: str
    regions: tuple[Mapping, ...] = ()
    conditions: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As an attribute holds it."""
        return json.dumps(asdict(self))

    @property
    def covered_text(self) -> str:
        """What the store or mock covers, as text."""
        return json.dumps(self.covered)

    @property
    def sky(self) -> list[Region]:
        """Regions whose intersection the rows are from."""
        return [region(one) for one in (*self.covered, *self.regions)]

    def within(self, where: Region, words: str) -> "Selection":
        """The same within a further region."""
        cut = replace(self, regions=(*self.regions, where.plain), cuts=(*self.cuts, words))
        return replace(cut, area=area_of(cut.sky))

    def where(self, words: str) -> "Selection":
        """The same where something holds that does not change the area."""
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
