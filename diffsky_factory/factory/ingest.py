"""Taking a simulation in: its files, whatever their format, into one store of halos ordered on the sky."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.simulations.gathering import MEMORY, Gathering, gathered_columns
from diffsky_factory.inputs.simulations.reader import Reader
from diffsky_factory.inputs.simulations.registry import open_reader
from diffsky_factory.outputs.halo_store import write_halos

ROWS_AT_ONCE = 2**19  # chosen: 50 MB or so of a product with ten columns
PIECES = "reader.json"


@dataclass(frozen=True)
class Ingested:
    """What was taken in."""

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
        without a redshift range stays a box
    Raises InputError naming the file and what is wrong with it; the store is complete or not there.
    """
    path, start = Path(path), time.perf_counter()
    if path.exists():
        raise InputError(f"{path}: exists; choose another place or remove it")
    reader = open_reader(simulation, **options)
    folder = _work_folder(path, reader)
    gathering = Gathering(reader, folder, memory)
    try:
        _read_all(gathering, progress)
        notes = gathering.link()
        batches = gathering.batches(ROWS_AT_ONCE)
        rows = write_halos(path, gathered_columns(reader), gathering.described(notes), batches)
    finally:
        gathering.close()
    shutil.rmtree(folder)
    return Ingested(str(path), rows, notes, time.perf_counter() - start)


def _read_all(gathering: Gathering, progress: Callable[[int, int, int], None] | None) -> None:
    pieces, done, rows = list(gathering.reader.pieces()), gathering.done, 0
    for number, piece in enumerate(pieces, 1):
        if piece not in done:
            rows += gathering.add(piece)
        if progress:
            progress(number, len(pieces), rows)


def _work_folder(path: Path, reader: Reader) -> Path:
    """Where the table is while pieces come in: that of an earlier run of the same reader, or a new one."""
    folder = path.with_name(path.name + ".ingesting")
    same = _fingerprint(reader)
    known = folder / PIECES
    if folder.exists() and (not known.exists() or known.read_text() != same):
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known.write_text(same)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check its permissions") from error
    return folder


def _fingerprint(reader: Reader) -> str:
    """What a run must share with an earlier one to go on where that stopped: files, and how they are read."""
    files = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in reader.files]
    return hashlib.sha256(
        json.dumps([files, reader.attributes, list(reader.columns)], default=str).encode()
    ).hexdigest()
