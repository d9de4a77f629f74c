"""Halos of a periodic box at one time: what holds wherever they come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from diffsky_factory.sky.boxes import BoxPart
from diffsky_factory.sky.spaces import Box


class BoxHalos(ABC):
    """A source of halos in a box; every row has the redshift of the box."""

    @property
    @abstractmethod
    def space(self) -> Box:
        """The box."""

    @property
    @abstractmethod
    def redshift_range(self) -> tuple[float, float]:
        """The redshift of the box, twice."""

    @property
    def default_region(self) -> dict[str, Any]:
        """All of the box."""
        return dict(Box.whole)

    def extent(self, where: Mapping | BoxPart) -> float:
        """Volume [Mpc^3] of a part of the box."""
        return self.space.extent([self.space.part(where)])
