"""A job: the tiles of one part of a store, each computed, checked, written and committed on its own.

Building, fits, ingest and what is added to a store are jobs. One process runs one at a time; the same call again
finishes what was cut off.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import CheckError, InputError
from diffsky_factory.core.logs import LOGGER
from diffsky_factory.factory.runs.tasks import alone, at_once, finished, peak_memory
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import IS_ROW, Part
from diffsky_factory.outputs.store import Table

log = logging.getLogger(LOGGER)

Progress = Callable[[int, int, int, int], None]
"""Called as progress(tiles done, tiles, rows done, rows)."""


class Tile(NamedTuple):
    """What computing a tile gives: its columns, exact rows, and what its commit is to remember beside its files."""

    columns: Mapping[str, np.ndarray]
    notes: Mapping[str, Any] = {}


class Tables(NamedTuple):
    """What completes a part beside its tiles: tables and attributes of groups, by path inside the store."""

    tables: Mapping[str, Table] = {}
    attributes: Mapping[str, Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Job:
    """What is to be done.

    path     : of the store
    part     : as planned; an unfinished one on disk must be the same
    compute  : compute(*given, part, tile) -> Tile, importable, as other processes may call it
    given    : first arguments of `compute`
    complete : complete(path, part) -> Tables, called once all tiles are there
    check    : called with the part on disk before work goes on with it; raises InputError where it is another one
    """

    path: Path
    part: Part
    compute: Callable[..., Tile]
    given: tuple = ()
    complete: Callable[[Path, Part], Tables] = lambda path, part: Tables()
    check: Callable[[Part], None] = lambda found: None


class Outcome(NamedTuple):
    """Result of a job that wrote a part of a store."""

    part: Part
    done: int  # tiles of this run
    done_rows: int
    seconds: float
    peak_memory: float  # bytes, of the largest process


def run(job: Job, *, client: Any = None, workers: int | None = None, progress: Progress | None = None) -> Outcome:
    """Do what is left of a job: begin it, or finish it, or mend what is damaged.

    client  : a dask.distributed Client, whose workers see the same file system; else threads of this process
    workers : tiles at a time without a client, default one per core
    Raises InputError where the place holds something else or nobody would work, and CheckError for tiles that fail
    their checks, once all others are done.
    """
    start = time.perf_counter()
    at_once(client, workers)  # refused before anything is written
    if not store.is_store(job.path):
        if not store.is_free(job.path):
            raise InputError(f"{job.path}: exists and is no store; choose another place or remove it")
        store.make_folder(job.path)
    with alone(job.path):
        part = _begun(job)
        with store.writer(job.path) as writer:  # before looking, so that nobody else writes a tile that is found whole
            todo = unfinished(job.path, part)
            log.info("job begins", extra=_said(job, part, tiles=part.rows.tiles, to_do=len(todo)))
            peak = _do(job, part, todo, client, workers, progress, writer)
        if not store.is_complete(job.path, part):
            store.finalize(job.path, part, *job.complete(job.path, part))
        store.mend_root(job.path)
    rows, seconds = sum(part.rows.counts[tile] for tile in todo), time.perf_counter() - start
    peak = max(peak, peak_memory())
    log.info("job is done", extra=_said(job, part, tiles=len(todo), rows=rows, seconds=seconds, peak_memory=peak))
    return Outcome(part, len(todo), rows, seconds, peak)


def unfinished(path: Path, part: Part) -> list[int]:
    """Tiles of a part that are missing or damaged, for which it is made ready; for who holds the lock."""
    store.remove_leftovers(path)
    todo = [tile for tile in range(part.rows.tiles) if store.damage(path, part, tile)]
    if todo or store.metadata_damage(path, part):
        store.begin(path, part)
    return todo


def do_tile(compute: Callable[..., Tile], given: tuple, path: str, part: str, writer: str, tile: int) -> "Done":
    """Compute, check, write and commit one tile. One that fails its checks does not keep the others from being done."""
    start, layout = time.perf_counter(), store.read_part(path, part)
    try:
        made = compute(*given, layout, tile)
        _check_shapes(layout, tile, made.columns)
    except CheckError as error:
        return Done(tile, 0.0, 0.0, CheckError(f"tile {layout.rows.keys[tile]}: {error}"))
    notes = {"rows": layout.rows.counts[tile], **made.notes}
    store.write_tile(Path(path), layout, tile, made.columns, notes, writer)
    return Done(tile, peak_memory(), time.perf_counter() - start, None)


class Done(NamedTuple):
    """What became of one tile: its number, what it took, and why it was refused, if it was."""

    tile: int
    peak_memory: float
    seconds: float
    error: CheckError | None


def _begun(job: Job) -> Part:
    """The part on disk, made if it is not there."""
    if not store.is_store(job.path):
        store.create(job.path, job.part)
    elif job.part.name not in store.part_names(job.path):
        if job.part.rows.hash != store.read_rows(job.path).hash:
            job.check(store.read_part(job.path))
            raise InputError(f"{job.path}: holds other rows; choose another place or remove it")
        store.add_part(job.path, job.part)
    found = store.read_part(job.path, job.part.name)
    job.check(found)
    return found


def _do(
    job: Job, part: Part, todo: list[int], client: Any, workers: int | None, progress: Progress | None, writer: str
) -> float:
    """Do the tiles that are to be done; the peak memory of a process [bytes]."""
    rows = part.rows
    tiles_done, rows_done = rows.tiles - len(todo), rows.total - sum(rows.counts[tile] for tile in todo)
    if progress:
        progress(tiles_done, rows.tiles, rows_done, rows.total)
    peak, refused = 0.0, []
    given = (job.compute, job.given, str(job.path.absolute()), part.name, writer)
    for done in finished(do_tile, todo, client, workers, *given):
        key, size = rows.keys[done.tile], rows.counts[done.tile]
        if done.error is not None:
            log.error("tile is refused", extra=_said(job, part, key=key, problem=str(done.error)))
            refused.append(done.error)
            continue
        tiles_done, rows_done, peak = tiles_done + 1, rows_done + size, max(peak, done.peak_memory)
        log.info("tile is done", extra=_said(job, part, key=key, rows=size, seconds=done.seconds))
        if progress:
            progress(tiles_done, rows.tiles, rows_done, rows.total)
    if refused:
        more = f"; so do {len(refused) - 1} other tiles" if len(refused) > 1 else ""
        raise CheckError(f"{min(refused, key=str)}{more}")
    return peak


def _check_shapes(part: Part, tile: int, columns: Mapping[str, np.ndarray]) -> None:
    """Raise CheckError where a tile is not what was planned, or would be stored with other values than it has."""
    n = part.rows.counts[tile]
    for array in part.arrays:
        if array.name == IS_ROW:
            continue
        values = columns.get(array.name)
        if values is None or np.shape(values) != (n, *part.tail(array)):
            shape = "none" if values is None else np.shape(values)
            raise CheckError(
                f"'{array.name}' has shape {shape}, not {(n, *part.tail(array))} as was planned; did an input change?"
            )
        if not np.can_cast(values.dtype, array.dtype, "same_kind"):
            raise CheckError(f"'{array.name}' is {values.dtype}; {array.dtype} is stored")


def _said(job: Job, part: Part, **more: Any) -> dict[str, Any]:
    return {"store": str(job.path), "part": part.name, "job": part.job, **more}
