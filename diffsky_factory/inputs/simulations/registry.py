"""Simulations by name or path: the one door through which halos enter."""

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import checked, entry_names, near, read_entry, read_yaml
from diffsky_factory.inputs.simulations.reader import Reader, SimulationEntry
from diffsky_factory.inputs.simulations.stored import StoredHalos, gather_in_memory, is_halo_store, open_halo_store
from diffsky_factory.inputs.simulations.synthetic import Synthetic
from diffsky_factory.sky.cosmology import Cosmology

READERS = {
    "universemachine_lightcone": "universemachine_cone:UniverseMachineCone",
}
"""Format -> module in this package and class of its reader. A module says, by `recognises`, which files are its."""

DATA_PATH = "DIFFSKY_FACTORY_DATA"
"""Environment variable: folders in which the files of simulations are looked for."""

LARGEST_IN_MEMORY = 5e8  # bytes of files, chosen: a few million halos, gathered in seconds


class Simulation(Protocol):
    """What the factory asks of any source of halos."""

    cosmology: Cosmology

    @property
    def columns(self) -> Mapping[str, Any]:
        """Columns of `halos`."""

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host."""

    @property
    def default_region(self) -> dict[str, Any] | None:
        """Part of the sky that is meant where a recipe names none."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it should say of it."""

    def tiles(self, order: int, where: Mapping | None) -> np.ndarray:
        """Pixels that a region overlaps."""

    def area(self, where: Mapping | None) -> float:
        """Area of a region [deg^2]."""

    def count(self, order: int, pixel: int, where: Mapping | None) -> int:
        """Exact rows of a tile."""

    def halos(self, order: int, pixel: int, where: Mapping | None) -> dict[str, np.ndarray]:
        """Halos of a tile, arranged, with `host_row`."""


def open_simulation(
    name: str,
    *,
    redshift: tuple[float, float] | None = None,
    halo_mass_min: float | None = None,
    seed: int = 0,
) -> Simulation:
    """A simulation by the name or path of its entry, by the path of a file of a known format, or of a store of halos.

    Raises InputError for an unknown name, listing near matches; for a file that no reader knows; and for files that
    are too large to be read anew each time, which `ingest` puts into a store.
    """
    if Path(name).is_dir() and is_halo_store(Path(name)):
        table = open_halo_store(Path(name))
    else:
        entry = find_entry(name)
        if entry is not None and entry.format == "synthetic":
            return _synthetic(entry, redshift, halo_mass_min, seed)
        reader = open_reader(name)
        size = sum(file.stat().st_size for file in reader.files)
        if size > LARGEST_IN_MEMORY:
            raise InputError(
                f"{name}: has {size / 1e9:.1f} GB of files; put its halos into a store once, by "
                f'"diffsky-factory ingest {name} --out halos.zarr", and name that store instead'
            )
        table = _in_memory(reader, tuple((str(file), file.stat().st_mtime_ns) for file in reader.files))
    if table.attributes["geometry"] != "lightcone":
        raise InputError(
            f"{name}: holds a box, which has no place on the sky; make a light cone of it first: "
            f'"diffsky-factory ingest {name} --out cone.zarr --redshift 0 0.1"'
        )
    lowest = -np.inf if halo_mass_min is None else float(np.log10(halo_mass_min))
    return StoredHalos(table, name, redshift, lowest)


@lru_cache(maxsize=4)
def _in_memory(reader: Reader, state: tuple):
    """The halos of a small product: once per process and state of its files."""
    return gather_in_memory(reader)


def find_entry(name: str | Path) -> SimulationEntry | None:
    """The entry of a name, or in a yaml file; None for any other path."""
    if str(name) in entry_names("simulations"):
        return read_entry("simulations", str(name), SimulationEntry)[0].model_copy(update={"name": str(name)})
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return checked(SimulationEntry, {"name": path.stem, **read_yaml(path)}, path)
    return None


def open_reader(name: str | Path) -> Reader:
    """The reader of a simulation's files, by name or path of its entry, or by path of a file of a known format.

    Files of an entry are looked for beside it where it is a file of the user's, and in the folders of
    DIFFSKY_FACTORY_DATA, in a folder of the simulation's name or without one.
    Raises InputError for an unknown name, missing files, or a file that no reader knows.
    """
    entry, path = find_entry(name), Path(name)
    if entry is not None:
        if entry.format not in READERS:
            raise InputError(
                f"simulation '{entry.name}', format: no reader of {entry.format!r}; {near(entry.format, READERS)}"
            )
        return _reader(entry.format)(_files(entry, path), entry)
    if not str(name) or not path.exists():
        raise InputError(
            f"no simulation {str(name)!r}, and no such file; {near(str(name), entry_names('simulations'))}"
        )
    for format_ in READERS:
        if import_module(_module(format_)).recognises(path):
            return _reader(format_)((path,), SimulationEntry(name=path.stem, format=format_))
    raise InputError(
        f"{path}: no reader knows this file; the formats are {', '.join(READERS)}. For a plain table, write an entry "
        "that names its columns (docs/how-to/open-a-simulation.md)"
    )


def _files(entry: SimulationEntry, path: Path) -> tuple[Path, ...]:
    """Files of an entry, sorted within each of its patterns."""
    folders = [path.parent] if path.suffix in (".yaml", ".yml") else []
    for folder in filter(None, os.environ.get(DATA_PATH, "").split(os.pathsep)):
        folders += [Path(folder) / entry.name, Path(folder)]
    for folder in folders:
        found = [file for pattern in entry.files for file in sorted(folder.glob(pattern))]
        if found:
            return tuple(found)
    raise InputError(
        f"simulation '{entry.name}': no files {', '.join(entry.files)} in "
        f"{', '.join(map(str, folders)) or 'any folder'}; name the folder that holds them in {DATA_PATH}"
    )


def _module(format_: str) -> str:
    return f"{__package__}.{READERS[format_].partition(':')[0]}"


def _reader(format_: str):
    return getattr(import_module(_module(format_)), READERS[format_].partition(":")[2])


def _synthetic(entry: SimulationEntry, redshift, halo_mass_min, seed) -> Synthetic:
    options = {"redshift_min": 0.01, **entry.options}
    if entry.cosmology:
        options.setdefault("cosmology", entry.cosmology)
    if redshift is not None:
        options["redshift_min"], options["redshift_max"] = max(redshift[0], options["redshift_min"]), redshift[1]
    if halo_mass_min is not None:
        options["log10_mass_min"] = float(np.log10(halo_mass_min))
    return Synthetic.from_options({**options, "seed": seed})
