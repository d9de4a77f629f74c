"""Stores as they stand: how far each part is, what is damaged, and finishing whatever is not whole."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.user_files import user_path
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import Part
from diffsky_factory.outputs.remedies import remedy

if TYPE_CHECKING:
    from diffsky_factory.factory.runs.build import Summary
    from diffsky_factory.factory.runs.job import Progress


@dataclass(frozen=True)
class PartStatus:
    """How much of a part is built."""

    name: str
    state: str
    tiles: int
    built: int
    rows: int
    built_rows: int
    damaged: tuple[str, ...]
    remedy: str
    missing: tuple[int, ...] = ()  # tiles without a commit


@dataclass(frozen=True)
class Status:
    """How much of a store is built: its first part, and each of its parts."""

    path: str
    state: str
    tiles: int
    built: int
    rows: int
    built_rows: int
    damaged: tuple[str, ...] = ()
    parts: tuple[PartStatus, ...] = ()


def status(path: str | Path, *, verify: bool = False) -> Status:
    """Tiles and rows that are committed; with verify, every file is read and its checksum compared.

    Raises InputError where there is no store, or its plan cannot be read.
    """
    path = user_path(path)
    parts = tuple(_part_status(path, store.read_part(path, name), verify) for name in store.part_names(path))
    first = parts[0]
    root = store.root_damage(path) if verify else None
    damaged = [*([f"root: {root}"] if root else []), *(problem for part in parts for problem in part.damaged)]
    found = (first.state, first.tiles, first.built, first.rows, first.built_rows)
    return Status(str(path), *found, tuple(damaged), parts)


def resume(
    path: str | Path, *, client: Any = None, workers: int | None = None, progress: "Progress | None" = None
) -> "Summary":
    """Finish a store: tiles without a commit, or with a file that is missing or damaged, are made again, in all parts.

    Arguments and errors as in `build`; the recipe is read from the store.
    """
    # imported here: how far a store is can be said without the model
    from diffsky_factory.factory.runs import add, build

    path = user_path(path)
    # by job; others need more than is in the store
    finish: dict[str, Callable[..., Any]] = {"build": build.finish, "add": add.finish}
    first = store.read_part(path)
    if first.job not in finish:
        raise InputError(f"{path}: {_HELD.get(first.job, 'is not built here')}; {remedy(path, first)} to finish it")
    summary = finish[first.job](path, first, client=client, workers=workers, progress=progress)
    added = {}
    for name in store.part_names(path)[1:]:
        part = store.read_part(path, name)
        added[name] = finish[part.job](path, part, client=client, workers=workers, progress=progress).done
    return replace(summary, added=added)


_HELD = {"fit_histories": "holds fits of histories", "ingest": "holds halos that were ingested"}


def _part_status(path: Path, part: Part, verify: bool) -> PartStatus:
    rows, complete = part.rows, store.is_complete(path, part)
    committed = [tile for tile in range(rows.tiles) if store.commit(path, part, tile)]
    damaged = []
    if verify:
        is_first = part.name == store.first_part(path)
        of = "" if is_first else f"{part.name}: "
        problems = {f"tile {key}": store.damage(path, part, tile) for tile, key in enumerate(rows.keys)}
        problems["metadata"] = store.metadata_damage(path, part)
        unbuilt = "" if complete else "not built"
        damaged = [f"{of}{what}: {problem}" for what, problem in problems.items() if problem and problem != unbuilt]
    return PartStatus(
        name=part.name,
        state="complete" if complete else "building",
        tiles=rows.tiles,
        built=len(committed),
        rows=rows.total,
        built_rows=int(np.sum(np.asarray(rows.counts, np.int64)[committed])),
        damaged=tuple(damaged),
        remedy=remedy(path, part),
        missing=tuple(np.delete(np.asarray(rows.keys, np.int64), committed).tolist()),
    )
