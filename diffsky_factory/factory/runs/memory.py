"""Memory of a build: what a process holds whatever it computes, and what each tile in work adds.

Constants were measured on the example and parts of it, Linux on x86-64, JAX for processors
(`python -m tests.benchmarks.plan_accuracy`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from diffsky_factory.core.columns import columns
from diffsky_factory.core.machine import cores
from diffsky_factory.core.plan import Plan
from diffsky_factory.core.scopes import split
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.halos.synthetic import patches
from diffsky_factory.halos.synthetic.box import CHUNKS, KEPT, SyntheticBox
from diffsky_factory.halos.synthetic.universe import MOST_HOSTS, Synthetic
from diffsky_factory.outputs.layout import IS_ROW, Part

LIBRARIES = 4.4e8  # bytes; imports, JAX ready to compile, and a recipe put together
CLUSTER = 5e7  # bytes; dask.distributed, in the first process and in each worker
STAGE = 1.2e7  # bytes; a stage, traced and compiled; 0.4e7 where its kernel was kept by an earlier run
LIVE_COPIES = 2.5  # of a block's columns; 0.7 for masses alone, 2.5 with bands, 5.6 for means over populations
ROW_COPIES = 2.0  # of a tile's halos and of its columns; each, and what it is made of
TABLE_COPIES = 2.0  # of tables, those of the disk and those of the kernels; of halos in memory, pieces and whole
WRITTEN_COPIES = 3.0  # of a shard of an array: as it is, a fill of its size, and compressed
STRUCTURE = 1.3e8  # bytes; long waves and tables of hosts of a synthetic universe
LONG_WAVES = 8e8  # bytes; while long waves are made, before any halo is
CHUNK = 4e7  # bytes; a chunk of space in work
HOST = 120  # bytes of a host of a patch
HOSTS = 0.65  # hosts per halo
HOST_COPIES = 3.0  # of a patch: its pieces, together, and in order


@dataclass(frozen=True)
class Memory:
    """Bytes of memory of what is held while a mock is built."""

    halos: float  # what halos of any tile follow from
    counting: float  # beyond the libraries, while what halos follow from is made
    tables: float  # of bands, lines and spectra
    programs: float  # compiled kernels
    tile: float  # of a tile in work: its halos, its columns, and what is written of it
    block: float  # of a block of its rows in the kernel
    tiles: int  # that there are
    blocks: int  # of all tiles

    def process(self, at_once: int) -> float:
        """Of a process that computes some tiles at a time.

        The first block is alone in the kernel, which it compiles; where there are no more than two, so is the second.
        """
        tiles = min(at_once, self.tiles)
        blocks = min(tiles, max(self.blocks - 1, 1))
        computing = self.halos + self.tables + self.programs + tiles * self.tile + blocks * self.block
        return LIBRARIES + max(self.counting, computing)

    @property
    def worker(self) -> float:
        """Of a process of a cluster that computes one tile at a time."""
        return CLUSTER + self.process(1)

    def processes(self, workers: int) -> float:
        """Of some workers, and of the process that plans, which computes no tile."""
        first = CLUSTER + LIBRARIES + max(self.counting, self.halos + self.tables)
        return first + workers * self.worker


def memory_of(assembly: Assembly, part: Part) -> Memory:
    """What building a part takes."""
    plan = assembly.plan([array.name for array in part.arrays if array.name != IS_ROW])
    known, (halos, counting) = assembly.constants, _of_halos(assembly.simulation, part.rows.total)
    row = ROW_COPIES * (8 * len(assembly.simulation.columns) + part.row_bytes)
    shard = max(np.dtype(one.dtype).itemsize * int(np.prod(part.tail(one), dtype=int)) for one in part.arrays)
    return Memory(
        halos=halos,
        counting=counting,
        tables=TABLE_COPIES * sum(_bytes(known[key]) for key in plan.constants if key in known),
        programs=STAGE * len(plan.stages),
        tile=max(part.rows.counts) * row + WRITTEN_COPIES * part.rows.shard * shard,
        block=part.rows.block * LIVE_COPIES * live_bytes(plan, assembly.axes),
        tiles=sum(count > 0 for count in part.rows.counts),
        blocks=sum(-(-count // part.rows.block) for count in part.rows.counts),
    )


def live_bytes(plan: Plan, axes: Mapping[str, Sequence]) -> int:
    """Most bytes of a row, in 32 bits, between two stages: of columns that later ones read, or that are wanted."""
    last = {name: i for i, stage in enumerate(plan.stages) for name in stage.reads}
    last.update(dict.fromkeys(plan.wanted, len(plan.stages)))
    live: dict[str, int] = {}
    most = 0
    for i, stage in enumerate(plan.stages):
        live.update({name: _width(name, axes) for name in stage.writes})
        most = max(most, sum(live.values()))
        live = {name: width for name, width in live.items() if last.get(name, -1) > i}
    return most


def _width(name: str, axes: Mapping[str, Sequence]) -> int:
    known = columns().get(split(name)[1])
    return 4 * int(np.prod([len(axes[one]) for one in known.axes] if known else [], dtype=int))


def _bytes(value: Any) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(value))


def _of_halos(simulation: Any, rows: int) -> tuple[float, float]:
    """What halos follow from, and what is held before that, while it is made."""
    if isinstance(simulation, Synthetic | SyntheticBox):
        chunks, hosts = (patches.CHUNKS, patches.PATCHES) if isinstance(simulation, Synthetic) else (CHUNKS, KEPT)
        every = HOST * HOSTS * rows
        made = (HOST_COPIES - 1.0) * min(every, HOST * MOST_HOSTS) + cores(patches.SIDE_BY_SIDE) * CHUNK
        return STRUCTURE + chunks.most_bytes + min(every, hosts.most_bytes) + made, LONG_WAVES
    table = getattr(simulation, "source", simulation).table  # of completed halos, that of those they complete
    held = getattr(table, "values", {})
    return TABLE_COPIES * sum(values.nbytes for values in held.values()), 0.0
