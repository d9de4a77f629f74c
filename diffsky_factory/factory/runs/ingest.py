"""Taking a simulation in: its files, whatever their format, into one store of halos ordered on the sky."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.columns import column
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import note, noting, state
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.made_from import INPUTS, check_inputs, inputs_of
from diffsky_factory.factory.runs.job import Job, Tables, Tile, run
from diffsky_factory.factory.runs.stores import status
from diffsky_factory.factory.runs.tasks import alone
from diffsky_factory.halos.gathered.gathering import MEMORY, Gathering, Product, database, gathered_columns
from diffsky_factory.halos.open import open_reader
from diffsky_factory.inputs.readers.common.shells import MISSING, check_shells
from diffsky_factory.inputs.readers.reader import Reader
from diffsky_factory.outputs import store
from diffsky_factory.outputs.halo_store import GROUP_CELL, PIECE, cell_index, is_halo_store, plan_halos
from diffsky_factory.outputs.layout import Part

PIECES = "reader.json"


@dataclass(frozen=True)
class Ingested:
    """Result of `ingest`; print it."""

    path: str
    rows: int
    notes: dict[str, int]
    seconds: float

    def __str__(self) -> str:
        lines = [f"{self.rows:,} halos in {self.seconds:.1f} s; the store is {self.path}"]
        lines += [f"  {what}: {number:,}" for what, number in self.notes.items() if number and what != "rows"]
        lines += ["name it as the simulation of a recipe, or look at it:"]
        return "\n".join([*lines, f"    halos = dff.open_catalog({self.path!r})"])


def ingest(
    simulation: str | Path,
    path: str | Path,
    *,
    memory: str = MEMORY,
    progress: Callable[[int, int, int], None] | None = None,
    **options: Any,
) -> Ingested:
    """Read a simulation piece by piece into a store of halos, with hosts linked, ordered by their place.

    simulation : name of an entry of `catalogs/simulations`, path of such an entry, or of a file of a known format
    path       : of the store; a run that was killed goes on with the pieces that it had not read
    memory     : what the table may hold of it at once; the rest is on disk beside the store until it is complete
    progress   : called as progress(pieces done, pieces, rows so far)
    options    : for the light cone of a box: redshift, region, observer, rotate, as `open_reader` takes them; a box
        without a redshift range stays a box. A light cone that lacks shells is taken in where the range does not need
        them, and is then refused by what does
    A store of the same simulation that is there is finished, or mended where it is damaged.
    Raises InputError naming the file and what is wrong with it; the store is complete or not there.
    """
    path, start = user_path(path), time.perf_counter()
    if path.exists() and not (is_halo_store(path) or store.is_free(path)):
        raise InputError(f"{path}: exists, and is no store of halos; choose another place or remove it")
    with noting() as files:
        reader = open_reader(simulation, **options)
        note(*reader.files)
    database(reader)  # refused before anything is written
    _check_options(simulation, reader, options)
    inputs = inputs_of(files)
    made_from = _made_from(reader, inputs)
    folder = path.with_name(path.name + ".ingesting")
    if is_halo_store(path):
        _check_same(path, store.read_part(path), made_from, inputs)
        found = status(path, verify=True)
        if found.state == "complete" and not found.damaged:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed as it had just finished
            return Ingested(str(path), found.rows, {}, time.perf_counter() - start)
    _make_folder(folder)
    with alone(folder):
        _clear_of_others(folder, made_from)
        gathering = Gathering(reader, folder, memory)
        try:
            _read_all(gathering, progress)
            notes = gathering.link()
            check_inputs({INPUTS: inputs}, inputs_of({file: state(file) for file in files}))
            said = {**gathering.described(notes), INPUTS: inputs}
            check_shells(simulation, said, options.get("redshift"))
            planned = plan_halos(made_from, notes["rows"], gathered_columns(reader), said)
            _write(path, planned, gathering, progress)
        finally:
            gathering.close()
        shutil.rmtree(folder)
    return Ingested(str(path), planned.rows.total, notes, time.perf_counter() - start)


class InOrder:
    """Rows of a table that is read once, from its first row to its last, in ranges that ascend."""

    def __init__(self, gathering: Gathering) -> None:
        self._batches = gathering.batches(PIECE)
        self._first = 0  # row of the table at which the batches in hand begin
        self._held: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        """The columns of a range of rows, the cells of their groups among them."""
        while self._first + sum(len(cells) for cells, _ in self._held) < last:
            self._held.append(next(self._batches))
            while len(self._held) > 1 and self._first + len(self._held[0][0]) <= first:
                self._first += len(self._held.pop(0)[0])
        part = slice(first - self._first, last - self._first)
        cells = np.concatenate([cells for cells, _ in self._held])[part]
        names = self._held[0][1]
        return {GROUP_CELL: cells, **{name: np.concatenate([b[name] for _, b in self._held])[part] for name in names}}


def compute_piece(source: InOrder, part: Part, piece: int) -> Tile:
    """The rows of a piece, in the types of the schema."""
    first = int(part.rows.starts[piece])
    found = source.rows(first, first + part.rows.counts[piece])
    return Tile({name: values.astype(column(name).dtype) for name, values in found.items()})


def _write(path: Path, planned: Part, gathering: Gathering, progress: Callable | None) -> None:
    """The table as a store, piece after piece; those that an earlier run committed are left."""

    def check(found: Part) -> None:
        if found.hash != planned.hash:
            raise InputError(f"{path}: holds other halos, or the same read otherwise; remove it and ingest again")

    def complete(path: Path, part: Part) -> Tables:
        return Tables(cell_index(path, part))

    job = Job(path, planned, compute_piece, (InOrder(gathering),), complete=complete, check=check)
    run(job, workers=1, progress=progress)


def _check_options(simulation: str | Path, reader: Product, options: Mapping[str, Any]) -> None:
    """Raise InputError where a light cone is to be cut, which is taken in as it is."""
    if not isinstance(reader, Reader) or reader.geometry != "lightcone":
        return
    given = [name for name, value in options.items() if value is not None]
    if MISSING in reader.attributes or reader.entry.gaps:
        given = [name for name in given if name != "redshift"]  # it says which shells are needed
    if given:
        raise InputError(
            f"{simulation}: is a light cone, taken in whole; leave out {', '.join(given)}, and cut what is made"
        )


def _check_same(path: Path, found: Part, made_from: str, inputs: Mapping[str, str]) -> None:
    """Raise InputError where a store is of other halos."""
    if found.made_from != made_from:
        check_inputs(found.attributes, inputs)
        raise InputError(f"{path}: holds other halos; choose another place or remove it")


def _read_all(gathering: Gathering, progress: Callable[[int, int, int], None] | None) -> None:
    pieces, done, rows = list(gathering.reader.pieces()), gathering.done, 0
    for number, piece in enumerate(pieces, 1):
        if piece not in done:
            rows += gathering.add(piece)
        if progress:
            progress(number, len(pieces), rows)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check its permissions") from error


def _clear_of_others(folder: Path, made_from: str) -> None:
    """Keep what an earlier run of the same halos left in the folder, and nothing else; for who holds its lock."""
    known = folder / PIECES
    if known.exists() and known.read_text() == made_from:
        return
    for file in folder.iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.name != store.LOCK:
            file.unlink()
    known.write_text(made_from)


def _made_from(reader: Product, inputs: Mapping[str, str]) -> str:
    """What a run must share with an earlier one to go on where that stopped: files, versions, and how they are read."""
    how = [
        sorted((Path(name).name, content) for name, content in inputs.items()),
        reader.attributes,
        list(reader.columns),
    ]
    return hashlib.sha256(json.dumps(how, default=str).encode()).hexdigest()
