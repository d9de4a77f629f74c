"""Fits of tabulated histories: in memory, and from a source of any size into a store, piece by piece."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from diffsky_factory import __version__
from diffsky_factory.core.cache import keep_compiled_kernels
from diffsky_factory.core.columns import column, columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.kernel import cores
from diffsky_factory.factory.tasks import alone, finished, peak_memory, unfinished
from diffsky_factory.inputs.simulations.histories import MASSES, Histories, TabulatedHistories
from diffsky_factory.inputs.simulations.registry import open_histories
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import ArrayLayout, Layout
from diffsky_factory.physics.halos import growth_fit
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.stars import history_fit
from diffsky_factory.physics.stars.star_formation import StarFormation
from diffsky_factory.sky.cosmology import Cosmology, age_today_64

GROWTH_BLOCK, STARS_BLOCK = 1024, 256  # histories at once; chosen: what is worked on stays in a core's cache
TIMES = 16  # times are padded to a multiple of it, so that few shapes are compiled; chosen
CHUNK, LARGEST_SHARD = 8192, 131072  # rows of a chunk and of a file; chosen
LARGEST_LOG10_MASS = 20.0  # dex(Msun), above which masses were meant; chosen
FEWEST_GOOD_POINTS, LARGEST_GOOD_LOSS = 5, 1.0  # of a fit that a mock relies on; as diffsky's light cones have it
AXES = {"mah_parameter": HaloGrowth._fields, "sfh_parameter": StarFormation._fields}
FITTED = ("mah_parameters", "mah_fit_loss", "mah_fit_points", "mah_fit_quality", "has_mah_fit")


def fit_growth(
    time: np.ndarray,
    log10_halo_mass_history: np.ndarray,
    *,
    cosmology: Cosmology | None = None,
    today: float | None = None,
    lowest: float = -np.inf,
    at_once: int | None = None,
) -> dict[str, np.ndarray]:
    """Columns of fits of halo growth (see `mah_fit_quality`), of any number of histories in memory.

    time    : (T,) Gyr, ascending
    log10_halo_mass_history : (n, T) dex(Msun), no h; NaN where the halo has no mass
    today   : Gyr, to which the growth refers; that of the cosmology, where it is not given
    lowest  : dex(Msun), at and below which masses do not take part
    at_once : blocks computed side by side, default one per core
    Raises InputError for times that do not ascend, shapes that do not fit, and masses that are no logarithms.
    """
    time, masses = _checked(time, log10_halo_mass_history, "log10_halo_mass_history")
    if np.nanmax(masses, initial=-np.inf, where=np.isfinite(masses)) > LARGEST_LOG10_MASS:
        raise InputError("log10_halo_mass_history: holds masses beyond 10^20 Msun; give logarithms to base 10")
    today = float(age_today_64(cosmology or Cosmology())) if today is None else float(today)
    times = np.pad(time, (0, _padding(len(time))), mode="edge").astype(np.float32)

    def fit(block):
        return _growth_kernel()(block, times, np.float32(today), np.float32(lowest))

    found = _in_blocks(fit, [masses], GROWTH_BLOCK, at_once, ends=(len(times),))
    found["mah_fit_points"] = found["mah_fit_points"].astype(np.int64)
    good = (found["mah_fit_quality"] == growth_fit.FitQuality.FITTED) & (found["mah_fit_points"] >= FEWEST_GOOD_POINTS)
    return {**found, "has_mah_fit": good & (found["mah_fit_loss"] < LARGEST_GOOD_LOSS)}


def fit_star_formation(
    time: np.ndarray,
    star_formation_rate: np.ndarray,
    mah_parameters: np.ndarray,
    *,
    cosmology: Cosmology | None = None,
    today: float | None = None,
    at_once: int | None = None,
) -> dict[str, np.ndarray]:
    """Columns of fits of star formation histories (see `sfh_fit_quality`), in memory.

    time                : (T,) Gyr, ascending
    star_formation_rate : (n, T) Msun/yr of mass formed
    mah_parameters      : (n, 5), growth of their halos, with the same today
    Other arguments and errors as of `fit_growth`.
    """
    time, rate = _checked(time, star_formation_rate, "star_formation_rate")
    growth = np.asarray(mah_parameters, np.float32)
    if growth.shape != (len(rate), len(HaloGrowth._fields)):
        raise InputError(
            f"mah_parameters: has shape {growth.shape}; give the five numbers of each of {len(rate)} halos"
        )
    today = float(age_today_64(cosmology or Cosmology())) if today is None else float(today)
    size = len(time) + _padding(len(time))
    grid = history_fit.stellar_grid(time, size)

    def fit(rates, growth):
        return _stars_kernel()(grid, rates, growth, np.float32(today))

    found = _in_blocks(fit, [rate, growth], STARS_BLOCK, at_once, ends=(size, growth.shape[1]))
    return {**found, "sfh_fit_points": found["sfh_fit_points"].astype(np.int64)}


@cache
def _growth_kernel() -> Callable:
    keep_compiled_kernels()
    return jax.jit(growth_fit.fit_growth)


@cache
def _stars_kernel() -> Callable:
    keep_compiled_kernels()
    return jax.jit(history_fit.fit_star_formation)


def _checked(time: np.ndarray, values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and histories (n, T), or InputError."""
    time, values = np.asarray(time, np.float64), np.asarray(values)
    if time.ndim != 1 or not np.all(np.isfinite(time)) or np.any(np.diff(time) <= 0) or np.any(time <= 0):
        raise InputError("time: must be a row of ascending cosmic times [Gyr]; sort it and drop what is twice")
    if values.ndim != 2 or values.shape[1] != len(time) or len(time) == 0:
        raise InputError(f"{name}: has shape {values.shape}; give one row for each halo, of {len(time)} times")
    if values.dtype.kind != "f":
        raise InputError(f"{name}: is {values.dtype}; give floating-point numbers")
    return time, values


def _padding(n: int) -> int:
    return -n % TIMES


def _in_blocks(fit: Callable, arrays: list[np.ndarray], size: int, at_once: int | None, ends: tuple) -> dict:
    """Fits of rows, in blocks of one size; rows and times that are padding are NaN."""
    n = len(arrays[0])

    def one(start: int) -> Any:
        blocks = []
        for array, width in zip(arrays, ends):
            rows = array[start : start + size]
            block = np.full((size, width), np.nan, np.float32)
            block[: len(rows), : rows.shape[1]] = rows
            blocks.append(block)
        with jax.enable_x64(False):  # the same whatever precision the caller has switched on
            return jax.device_get(fit(*blocks))

    with ThreadPoolExecutor(at_once or cores()) as pool:
        # of no histories, one block of padding says what a fit looks like
        found = list(pool.map(one, range(0, max(n, 1), size)))
    return {name: np.concatenate([getattr(part, name) for part in found])[:n] for name in found[0]._fields}


@dataclass(frozen=True)
class FitSummary:
    """What `fit_histories` did."""

    path: str
    rows: int
    pieces: int
    fitted: int  # pieces of this run
    fitted_rows: int
    seconds: float
    peak_memory: float  # bytes, of the largest process

    def __str__(self) -> str:
        rate = f"{self.fitted_rows / self.seconds:,.0f} histories/s" if self.fitted else "nothing was left to do"
        return (
            f"{self.rows:,} histories in {self.pieces} pieces, {self.fitted} of them fitted now\n"
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
    progress: Callable[[int, int, int, int], None] | None = None,
) -> FitSummary:
    """Fit the growth of all halos of a source into a Zarr store, or finish a store that was begun.

    histories : a source of histories (`inputs.simulations.histories.Histories`), or a dataset, lazy or not, with
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
    start, path = time.perf_counter(), Path(path)
    if isinstance(histories, str | Path):
        histories = open_histories(histories)
    source = TabulatedHistories(histories) if isinstance(histories, xr.Dataset) else histories
    layout = plan_fits(source, lowest)
    if not (path / store.PLAN).exists():
        if not store.is_free(path):
            raise InputError(f"{path}: exists and is no store; choose another place or remove it")
        store.make_folder(path)
    with alone(path):
        if not (path / store.PLAN).exists():
            store.create(path, layout)
        begun = store.read_layout(path)
        if begun.hash != layout.hash:
            raise InputError(
                f"{path}: holds something else than fits of these histories; choose another place or remove it"
            )
        return _finish(source, path, begun, client, workers or cores(), progress, start)


def _digest(piece: Mapping[str, np.ndarray]) -> str:
    """What tells the histories of a piece from others of the same number: SHA-256 of ids and masses."""
    parts = (np.ascontiguousarray(piece[name]) for name in ("halo_id", MASSES))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def plan_fits(histories: Histories, lowest: float = -np.inf) -> Layout:
    """Layout of the store of the fits of a source; reads its first piece that has rows.

    Raises InputError for a source without histories, and for columns that are not in the schema.
    """
    counts = tuple(int(n) for n in histories.pieces)
    if not sum(counts):
        raise InputError("histories: there are none to fit")
    first = histories.read(next(i for i, n in enumerate(counts) if n))
    passed = sorted(set(first) - {MASSES, "halo_id"})
    unknown = [name for name in passed if name not in columns() or name in FITTED]
    if unknown:
        raise InputError(
            f"histories: column '{unknown[0]}' cannot be passed on; leave it out, or use a name of docs/columns.md"
        )
    arrays = tuple(_array(name) for name in ("halo_id", *FITTED, *passed))
    axes = dict.fromkeys(axis for array in arrays for axis in array.axes)
    lost = [axis for axis in axes if axis not in AXES]
    if lost:
        raise InputError(f"histories: a column with the axis '{lost[0]}' cannot be passed on; leave it out")
    cosmology = {name: float(np.asarray(value)) for name, value in histories.cosmology._asdict().items()}
    made_from = {
        "cosmology": cosmology,
        "time": [float(t) for t in histories.time],
        "lowest": None if np.isneginf(lowest) else float(lowest),
        "source": dict(histories.attributes),
        "first_piece": _digest(first),
    }
    size = min(max(counts), LARGEST_SHARD)
    return Layout(
        recipe=json.dumps(made_from, sort_keys=True),
        order=None,
        block=CHUNK,
        shard=CHUNK * -(-size // CHUNK),
        pixels=tuple(range(len(counts))),
        row_counts=counts,
        areas=(0.0,) * len(counts),
        arrays=arrays,
        axes={axis: AXES[axis] for axis in axes},
        attributes={
            "title": "Fits of halo growth",
            "row_dimension": "halo",
            **made_from,
            "age_today_gyr": float(age_today_64(histories.cosmology)),
            "versions": {"diffsky_factory": __version__, "jax": jax.__version__},
        },
    )


def _array(name: str) -> ArrayLayout:
    known = column(name)
    return ArrayLayout("halos", name, known.dtype, known.axes, known.attributes)


def _finish(histories, path: Path, layout: Layout, client, workers: int, progress, start: float) -> FitSummary:
    """Fit the pieces that are missing or damaged; for who holds the lock."""
    pieces, todo = len(layout.pixels), unfinished(path, layout)
    done, rows, peak = pieces - len(todo), layout.rows - sum(layout.row_counts[piece] for piece in todo), 0.0
    if progress:
        progress(done, pieces, rows, layout.rows)
    source = histories if client is None else client.scatter(histories, broadcast=True)
    at_once = max(cores() // min(workers, max(len(todo), 1)), 1) if client is None else 1
    for piece, memory in finished(fit_piece, todo, client, workers, source, str(path.absolute()), at_once):
        done, rows, peak = done + 1, rows + layout.row_counts[piece], max(peak, memory)
        if progress:
            progress(done, pieces, rows, layout.rows)
    if not store.is_complete(path):
        tables = {
            "index/pieces/row_start": layout.row_starts,
            "index/pieces/row_count": np.asarray(layout.row_counts, np.int64),
        }
        store.finalize(path, layout, tables, {})
    return FitSummary(
        path=str(path),
        rows=layout.rows,
        pieces=pieces,
        fitted=len(todo),
        fitted_rows=sum(layout.row_counts[piece] for piece in todo),
        seconds=time.perf_counter() - start,
        peak_memory=max(peak, peak_memory()),
    )


def fit_piece(histories: Histories, path: str, at_once: int, piece: int) -> tuple[int, float]:
    """Read, fit, write and commit one piece; returns its number and the process's peak memory [bytes]."""
    layout = store.read_layout(path)
    given = histories.read(piece)
    lowest = json.loads(layout.recipe)["lowest"]
    fits = fit_growth(
        histories.time,
        given[MASSES],
        cosmology=histories.cosmology,
        lowest=-np.inf if lowest is None else lowest,
        at_once=at_once,
    )
    found = {**given, **fits}
    _check_piece(layout, piece, found)
    store.write_tile(Path(path), layout, piece, found, {"rows": layout.row_counts[piece]})
    return piece, peak_memory()


def _check_piece(layout: Layout, piece: int, found: Mapping[str, np.ndarray]) -> None:
    """Raise InputError where a piece is not what was planned, or would be stored with other values than it has."""
    n = layout.row_counts[piece]
    for array in layout.arrays:
        values = found.get(array.name)
        if values is None or np.shape(values) != (n, *layout.tail(array)):
            shape = "none" if values is None else np.shape(values)
            raise InputError(
                f"histories: piece {piece}: '{array.name}' has shape {shape}, not {(n, *layout.tail(array))}"
            )
        if not np.can_cast(values.dtype, array.dtype, "same_kind"):
            raise InputError(f"histories: piece {piece}: '{array.name}' is {values.dtype}; give {array.dtype}")
    ids = found["halo_id"]
    if len(np.unique(ids)) != n:
        raise InputError(f"histories: piece {piece}: a halo_id occurs twice; give each history its own")
