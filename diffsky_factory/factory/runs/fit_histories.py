"""Fits of histories from a source of any size into a store: a job whose tiles are pieces of the source."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from diffsky_factory.core.axes import axis
from diffsky_factory.core.columns import column, columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, noting, state
from diffsky_factory.core.machine import cores
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.fitting import fit_growth
from diffsky_factory.factory.made_from import INPUTS, check_inputs, inputs_of
from diffsky_factory.factory.runs.job import Job, Progress, Tables, Tile, run
from diffsky_factory.halos.open import open_histories
from diffsky_factory.inputs.tabulated_histories import MASSES, Histories, TabulatedHistories
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import IS_ROW, Part, array_layouts, rows_of_pieces
from diffsky_factory.outputs.store import Table
from diffsky_factory.sky.cosmology import age_today_64

CHUNK, LARGEST_SHARD = 8192, 131072  # rows of a chunk and of a file; chosen
FIT_COLUMNS = (
    *("mah_parameters", "mah_fit_loss", "mah_fit_points", "mah_fit_quality", "mah_fit_first_time", "has_mah_fit"),
)
QUALITIES = column("mah_fit_quality").flags


@dataclass(frozen=True)
class FitSummary:
    """Result of `fit_histories`; print it."""

    path: str
    rows: int
    pieces: int
    fitted: int  # pieces of this run
    fitted_rows: int
    seconds: float
    peak_memory: float  # bytes, of the largest process
    qualities: Mapping[str, int]  # histories of each `mah_fit_quality`, in all pieces
    relied_on: int  # histories with `has_mah_fit`

    def __str__(self) -> str:
        rate = f"{self.fitted_rows / self.seconds:,.0f} histories/s" if self.fitted else "nothing was left to do"
        kinds = ", ".join(f"{name.replace('_', ' ')} {n / self.rows:.1%}" for name, n in self.qualities.items() if n)
        return (
            f"{self.rows:,} histories in {self.pieces} pieces, {self.fitted} of them fitted now\n"
            f"{kinds}; {self.relied_on / self.rows:.1%} have a fit that a mock relies on\n"
            f"{self.seconds:.1f} s, {rate}, peak memory {self.peak_memory / 1e9:.2f} GB\n"
            f"the store is {self.path}; dff.open_catalog({self.path!r}) opens it"
        )


def fit_histories(
    histories: "Histories | xr.Dataset | str | Path",
    path: str | Path,
    *,
    client: Any = None,
    workers: int | None = None,
    lowest: float = -np.inf,
    progress: Progress | None = None,
) -> FitSummary:
    """Fit the growth of all halos of a source into a Zarr store, or finish a store that was begun.

    histories : a source of histories (`inputs.tabulated_histories.Histories`), or a dataset, lazy or not, with
                `log10_halo_mass_history` (halo, time), `halo_id` (halo) and `time` [Gyr], of the default cosmology,
                or the name or path of merger trees, of which the objects that have merged are fitted too
    path      : folder of the store; must not exist, or hold fits of the same histories
    client    : a dask.distributed Client, whose workers see the same file system; else threads of this process
    workers   : pieces in work at a time without a client, default one per core; memory is that of so many pieces
    lowest    : dex(Msun), at and below which masses do not take part
    progress  : called as progress(pieces done, pieces, rows done, rows)

    Each piece is read, fitted, written whole and committed by itself: a run that was killed goes on where it stopped.
    Halos without a fit have NaN as parameters, and `has_mah_fit` is false.
    Raises InputError for anything wrong with histories or path; what was committed by then is kept.
    """
    path = user_path(path)
    with noting() as files:
        source = _source(histories)
        planned = plan_fits(source, lowest, files)

    def check(found: Part) -> None:
        if found.attributes.get("source") == planned.attributes["source"]:
            check_inputs(found.attributes, planned.attributes[INPUTS])
        if found.hash != planned.hash:
            raise InputError(
                f"{path}: holds something else than fits of these histories; choose another place or remove it"
            )

    at_once = max(cores() // min(workers or cores(), planned.rows.tiles), 1) if client is None else 1
    job = Job(path, planned, fit_piece, (source, at_once, tuple(files)), complete=_piece_index, check=check)
    outcome = run(job, client=client, workers=workers, progress=progress)
    notes = [store.commit(path, outcome.part, piece) or {} for piece in range(planned.rows.tiles)]
    return FitSummary(
        path=str(path),
        rows=planned.rows.total,
        pieces=planned.rows.tiles,
        fitted=outcome.done,
        fitted_rows=outcome.done_rows,
        seconds=outcome.seconds,
        peak_memory=outcome.peak_memory,
        qualities={name: sum(note["qualities"][name] for note in notes) for name in QUALITIES},
        relied_on=sum(note["relied_on"] for note in notes),
    )


def _source(histories: "Histories | xr.Dataset | str | Path") -> Histories:
    if isinstance(histories, str | Path):
        return open_histories(histories)
    return TabulatedHistories(histories) if isinstance(histories, xr.Dataset) else histories


def _digest(piece: Mapping[str, np.ndarray]) -> str:
    """What tells the histories of a piece from others of the same number: SHA-256 of ids and masses."""
    parts = (np.ascontiguousarray(piece[name]) for name in ("halo_id", MASSES))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def plan_fits(histories: Histories, lowest: float = -np.inf, files: Mapping[Path, State] | None = None) -> Part:
    """Layout of the store of the fits of a source; reads its first piece that has rows.

    files : that the source is read from, as they are
    Raises InputError for a source without histories, and for columns that are not in the schema.
    """
    counts = tuple(int(n) for n in histories.pieces)
    if not sum(counts):
        raise InputError("histories: there are none to fit")
    first = histories.read(next(i for i, n in enumerate(counts) if n))
    passed = sorted(set(first) - {MASSES, "halo_id"})
    unknown = [name for name in passed if name not in columns() or name in FIT_COLUMNS]
    if unknown:
        raise InputError(
            f"histories: column '{unknown[0]}' cannot be passed on; leave it out, or use a name of docs/columns.md"
        )
    arrays = array_layouts(("halo_id", *FIT_COLUMNS, *passed, IS_ROW))
    axes = dict.fromkeys(name for array in arrays for name in array.axes)
    lost = [name for name in axes if not axis(name).labels]
    if lost:
        raise InputError(f"histories: a column with the axis '{lost[0]}' cannot be passed on; leave it out")
    made_from = {
        "cosmology": {name: float(np.asarray(value)) for name, value in histories.cosmology._asdict().items()},
        "time": [float(t) for t in histories.time],
        "lowest": None if np.isneginf(lowest) else float(lowest),
        "source": {**histories.attributes, "content": getattr(histories, "content", "")},
        "first_piece": _digest(first),
    }
    text = json.dumps(made_from, sort_keys=True)
    size = min(max(counts), LARGEST_SHARD)
    rows = rows_of_pieces(text, counts, block=CHUNK, shard=CHUNK * -(-size // CHUNK))
    attributes = {
        "title": "Fits of halo growth",
        **made_from,
        "age_today_gyr": float(age_today_64(histories.cosmology)),
        INPUTS: inputs_of(files or {}),
    }
    labels = {name: axis(name).labels for name in axes}
    return Part("halos", rows, "fit_histories", text, arrays, labels, attributes)


def fit_piece(histories: Histories, at_once: int, files: Sequence[Path], part: Part, piece: int) -> Tile:
    """Read and fit one piece; raises InputError where files are not as they were when the fits were begun."""
    given = histories.read(piece)
    check_inputs(part.attributes, inputs_of({file: state(file) for file in files}))
    lowest = json.loads(part.made_from)["lowest"]
    fits = fit_growth(
        histories.time,
        given[MASSES],
        cosmology=histories.cosmology,
        lowest=-np.inf if lowest is None else lowest,
        at_once=at_once,
    )
    ids = given["halo_id"]
    if len(np.unique(ids)) != len(ids):
        raise InputError(f"histories: piece {piece}: a halo_id occurs twice; give each history its own")
    of_quality = {name: int(np.count_nonzero(fits["mah_fit_quality"] == flag)) for name, flag in QUALITIES.items()}
    relied_on = int(np.count_nonzero(fits["has_mah_fit"]))
    notes = {"histories": _digest(given), "qualities": of_quality, "relied_on": relied_on}
    return Tile({**given, **fits}, notes)


def _piece_index(path: Path, part: Part) -> Tables:
    rows = part.rows
    tables = {"row_start": rows.starts, "row_count": np.asarray(rows.counts, np.int64)}
    return Tables({f"index/pieces/{name}": Table(("piece",), values) for name, values in tables.items()})
