"""A periodic box of the synthetic universe at one redshift: its waves, hosts and satellites, without an observer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.recent import Recent
from diffsky_factory.halos.box_halos import BoxHalos
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic.arranged import COLUMNS, groups, identities, phase_space, satellites_of, shapes
from diffsky_factory.halos.synthetic.satellites import minor_axes
from diffsky_factory.halos.synthetic.structure import Hosts, Structure
from diffsky_factory.halos.synthetic.universe import Synthetic, densities_at, structure_of, tables_at
from diffsky_factory.physics.structure.chunks import CELLS
from diffsky_factory.sky import boxes
from diffsky_factory.sky.boxes import BoxPart
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import check_finite
from diffsky_factory.sky.spaces import Box

CELL = 8.0  # Mpc, chosen: of the lattice, as in the light cone; the nearest to it that fits the box is taken
SMALLEST, LARGEST = 128.0, 16384.0  # Mpc: with cells of 4 Mpc one chunk; beyond the largest, long waves are too many
NEAR = 0.01  # of redshift: the range that is given to what asks for one
KEPT = Recent(2.0e8)  # chosen: bytes; of hosts of tiles, which are counted before they are made
CHUNKS = Recent(2.5e8)  # chosen: bytes; chunks that neighbouring tiles share


@dataclass(frozen=True)
class SyntheticBox(BoxHalos):
    """Halos of a periodic box of a size [Mpc, comoving] at one redshift.

    Waves repeat after the box: the short ones by their noise, the long ones as those of this box alone. A tile is the
    same, bit for bit, alone or in any run. docs/explanation/synthetic-universe.md
    """

    universe: Synthetic
    size: float
    redshift: float

    @property
    def cosmology(self) -> Cosmology:
        """That of the universe."""
        return self.universe.cosmology

    @property
    def drawn_from(self) -> tuple[Any, ...]:
        """All that its halos follow from, as of the universe."""
        return (repr(self), *self.universe.drawn_from)

    @property
    def space(self) -> Box:
        """The box."""
        return Box(self.size)

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return {name: kind for name, kind in COLUMNS.items() if name not in Box.meaningless}

    @property
    def redshift_range(self) -> tuple[float, float]:
        """The redshift twice."""
        return self.redshift, self.redshift

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        return {**self.universe.attributes, "box_size": self.size, "redshift": self.redshift}

    def tiles(self, order: int, where: Mapping | BoxPart) -> np.ndarray:
        """Cells at an order that overlap a part of the box, ascending."""
        return self.space.cells_of(self.space.part(where), order)

    def count(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> int:
        """Rows that `halos` has for the same arguments, exactly; all hosts are made for it."""
        hosts = self._hosts(order, cell, where)
        return len(hosts.halo_id) + int(hosts.satellites.sum())

    def expected_count(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> float:
        """Mean of `count` over seeds, from the mass functions and the volume alone: no halo is made."""
        share = 1.0 if where is None else float(self.space.shares(self.space.part(where), [cell], order)[0])
        return sum(densities_at(self.universe, self.redshift)) * (self.size / 2**order) ** 3 * share

    def halos(self, order: int, cell: int, where: Mapping | BoxPart | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a cell, and in a part of the box if one is given, arranged; columns as `columns`.

        x, y, z : Mpc, comoving, [0, size); redshift : that of the box; the others as `Synthetic.halos` has them
        """
        known, hosts = _structure(self), self._hosts(order, cell, where)
        redshift = np.full(len(hosts.halo_id), self.redshift)
        minor = minor_axes(known.seed, hosts.halo_id)
        added = satellites_of(known, hosts, redshift, minor, self.universe.log10_mass_min)
        row = groups(hosts.satellites)
        where_satellites = boxes.wrapped(added.position, self.size)
        columns = {
            **identities(row, hosts.halo_id, added.halo_id),
            "redshift": np.full(int(row.size.sum()), self.redshift),
            **phase_space(row, (hosts.position, hosts.velocity), (where_satellites, added.velocity)),
            "log10_halo_mass": row.column(hosts.log10_mass, added.log10_mass),
            "environment": np.repeat(hosts.environment, row.size),
            **shapes(row, minor, added.radius_score),
        }
        check_finite(columns)
        return {**columns, "host_row": np.repeat(row.host, row.size)}

    def _hosts(self, order: int, cell: int, where: Mapping | BoxPart | None) -> Hosts:
        """Hosts of a tile, by the finest cell and id; kept for the next that asks."""
        if not (0 <= order <= boxes.FINEST and 0 <= cell < 8**order):
            raise InputError(f"no cell {cell} at order {order} of a box: 0 to {8**order - 1}")
        hosts = KEPT.get((self, order, cell), partial(self._made, order, cell))
        if where is None:
            return hosts
        inside = self.space.part(where).inside(*hosts.position.T)
        return hosts if inside.all() else Hosts(*(column[inside] for column in hosts))

    def _made(self, order: int, cell: int) -> Hosts:
        known, width = _structure(self), self.size / 2**order
        centre = (boxes.places(np.array([cell]), order)[0] + 0.5) * width
        reach = synthetic_structure.largest_move(known, np.array(self.redshift))
        half = 0.5 * CELLS * known.cell

        def wanted(position: np.ndarray) -> np.ndarray:
            found = boxes.finest_cell(boxes.wrapped(position, self.size), self.size)
            return boxes.coarser(found, boxes.FINEST, order) == cell

        parts = []
        for place in np.ndindex((known.period,) * 3):
            if not self._near(centre, (np.array(place) + 0.5) * 2.0 * half, 0.5 * width + half + reach):
                continue
            cells = CHUNKS.get((self, place), partial(_cells, self, place))
            middle, radius = synthetic_structure.block_bounds(known, cells)
            blocks = self._near(centre, middle, 0.5 * width + radius[:, None])
            if blocks.any():
                parts.append(synthetic_structure.hosts(known, known.hosts, cells, blocks, wanted))
        found = Hosts(*(np.concatenate(column) for column in zip(*parts)))
        found = found._replace(position=boxes.wrapped(found.position, self.size))
        order_in_box = np.lexsort((found.halo_id, boxes.finest_cell(found.position, self.size)))
        return Hosts(*(column[order_in_box] for column in found))

    def _near(self, centre: np.ndarray, other: np.ndarray, most: float | np.ndarray) -> np.ndarray:
        """Whether other places (..., 3) lie no farther than some distance along each axis, around the box, bool."""
        away = np.abs(np.mod(other - centre + 0.5 * self.size, self.size) - 0.5 * self.size)
        return (away <= most).all(axis=-1)

    @cached_property
    def period(self) -> int:
        """Chunks along the box."""
        return round(self.size / (CELLS * self.universe.cell))


def synthetic_box(universe: Synthetic, size: float, redshift: float) -> SyntheticBox:
    """A box of a universe, with the cells of its lattice of a size that fits the box.

    Raises InputError for a box that is too small or too large, or a redshift out of range.
    """
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"box_size = {size:g} Mpc: a synthetic box is {SMALLEST:g} to {LARGEST:g} Mpc wide")
    if not 0.0 <= redshift <= 15.0 - NEAR:
        raise InputError(f"redshift = {redshift:g}: of a synthetic box, 0 to 15 is wanted")
    period = max(1, round(size / (CELLS * CELL)))
    low, high = max(redshift - NEAR, 1e-3), redshift + NEAR
    fitting = replace(universe, cell=size / (CELLS * period), redshift_min=low, redshift_max=high)
    return SyntheticBox(fitting, float(size), float(redshift))


@lru_cache(maxsize=4)
def _structure(box: SyntheticBox) -> Structure:
    """What the hosts of a box follow from: once per process, so that a box is small to send."""
    return structure_of(box.universe, lambda sigma: tables_at(box.universe, box.redshift, sigma), box.period)


def _cells(box: SyntheticBox, place: tuple[int, int, int]) -> synthetic_structure.Cells:
    return synthetic_structure.cells_at_redshift(_structure(box), place, box.redshift)
