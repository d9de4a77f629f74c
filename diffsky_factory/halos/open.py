"""Simulations by name or path: the one door through which halos enter."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import note
from diffsky_factory.halos.completion.completed import NOTHING_MORE, CompletedHalos, Completion
from diffsky_factory.halos.cone.box_cone import BoxCone
from diffsky_factory.halos.cone.forest_cone import ForestCone
from diffsky_factory.halos.cone.replicas import UNSKEWED, Replicas, generic_rotation
from diffsky_factory.halos.gathered.stored import (
    StoredHalos,
    TableInMemory,
    gather_in_memory,
)
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.inputs.entries import read_entry
from diffsky_factory.inputs.readers.open import find_entry, open_snapshots
from diffsky_factory.inputs.readers.reader import Reader, SimulationEntry
from diffsky_factory.inputs.trees.forest_box import ForestBox
from diffsky_factory.inputs.trees.formats import FORMATS
from diffsky_factory.inputs.trees.histories import ForestHistories
from diffsky_factory.outputs.halo_store import StoredTable, is_halo_store
from diffsky_factory.outputs.store import PLAN
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import Region

LARGEST_IN_MEMORY = 5e8  # bytes of files, chosen: a few million halos, gathered in seconds


class Simulation(Protocol):
    """What the factory asks of any source of halos."""

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the simulation."""

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

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels that a region overlaps."""

    def area(self, where: Mapping | Region) -> float:
        """Area of a region [deg^2]."""

    def count(self, order: int, pixel: int, where: Mapping | Region | None) -> int:
        """Exact rows of a tile."""

    def halos(self, order: int, pixel: int, where: Mapping | Region | None) -> dict[str, np.ndarray]:
        """Halos of a tile, arranged, with `host_row`."""


def open_simulation(
    name: str,
    *,
    redshift: tuple[float, float] | None = None,
    halo_mass_min: float | None = None,
    seed: int = 0,
    region: Mapping | None = None,
    completion: Completion = NOTHING_MORE,
    cosmology: str | Mapping[str, float] | None = None,
) -> Simulation:
    """A simulation by the name or path of its entry, by the path of a file of a known format, or of a store of halos.

    A box is put on the sky of an observer in its corner, repeated as far as the redshift asks, in the region alone.
    completion : halos to add that the simulation does not resolve
    cosmology : of the synthetic universe, by the name of a simulation that has it or by parameters that differ from the
        entry's; halos follow it. Files have their own.
    Raises InputError for an unknown name, listing near matches; for a file that no reader knows; and for files that
    are too large to be read anew each time, which `ingest` puts into a store.
    """
    entry = find_entry(name)
    if entry is not None and entry.format == "synthetic":
        if completion.wanted:
            raise InputError(f"{name}: is complete, with satellites, to halo_mass_min; leave complete_to out")
        return _synthetic(entry, redshift, halo_mass_min, seed, cosmology)
    if cosmology is not None:
        raise InputError(
            f"{name}: its files have a cosmology; leave out the recipe's, which is for synthetic universes"
        )
    table = halo_table(name, redshift=redshift, region=region)
    if table.attributes["geometry"] != "lightcone":
        raise InputError(
            f"{name}: holds a box, which has no place on the sky; make a light cone of it first: "
            f'"diffsky-factory ingest SIMULATION --out cone.zarr --redshift 0 0.1"'
        )
    lowest = -np.inf if halo_mass_min is None else float(np.log10(halo_mass_min))
    if completion.wanted:
        return CompletedHalos(StoredHalos(table, name, redshift), completion._replace(seed=seed), lowest)
    return StoredHalos(table, name, redshift, lowest)


def halo_table(
    name: str | Path, *, redshift: tuple[float, float] | None = None, region: Mapping | None = None
) -> StoredTable | TableInMemory:
    """All halos of a store, or of a product that is small enough to be read anew; arguments as in `open_reader`."""
    if Path(name).is_dir() and is_halo_store(Path(name)):
        note(Path(name) / PLAN)
        return StoredTable(Path(name))
    readers = open_snapshots(name)
    note(*(file for reader in readers for file in reader.files))
    size = sum(file.stat().st_size for reader in readers for file in reader.files)
    if size > LARGEST_IN_MEMORY:
        raise InputError(
            f"{name}: has {size / 1e9:.1f} GB of files; put its halos into a store once, by "
            f'"diffsky-factory ingest {name} --out halos.zarr", and name that store instead'
        )
    state = tuple((str(file), file.stat().st_mtime_ns) for reader in readers for file in reader.files)
    return _in_memory(str(name), redshift, json.dumps(region), state)


@lru_cache(maxsize=4)
def _in_memory(name: str, redshift: tuple[float, float] | None, region: str, state: tuple) -> TableInMemory:
    """The halos of a small product: once per process, part of the sky and state of its files."""
    return gather_in_memory(open_reader(name, redshift=redshift, region=json.loads(region)))


def open_reader(
    name: str | Path,
    *,
    redshift: tuple[float, float] | None = None,
    region: Mapping | None = None,
    observer: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rotate: bool = True,
) -> Reader:
    """The reader of a light cone, as it is or made of the snapshots of a box; of a box where no redshift is given.

    redshift, region, observer [Mpc from the corner of the box], rotate : of a cone made of a box, see `Replicas`;
        rotate turns the sky against the axes of the box
    """
    readers = open_snapshots(name)
    if readers[0].geometry == "lightcone":
        return readers[0]
    if redshift is None:
        if len(readers) > 1:
            raise InputError(
                f"{name}: has {len(readers)} snapshots; give a redshift range to make a light cone of them"
            )
        return readers[0]
    rotation = generic_rotation() if rotate else UNSKEWED
    size, cosmology = readers[0].attributes["box_size"], readers[0].cosmology
    sky = Replicas(
        size, cosmology, (redshift[0], redshift[1]), (observer[0], observer[1], observer[2]), region, rotation
    )
    return ForestCone(readers[0], sky) if isinstance(readers[0], ForestBox) else BoxCone(readers, sky)


def is_box(name: str | Path) -> bool:
    """Whether a name or path is that of a periodic box, stored or as its files are."""
    path = Path(name)
    if is_halo_store(path):
        return StoredTable(path).attributes["geometry"] == "box"
    entry = find_entry(name)
    if entry is None and not path.exists():
        return False
    if entry is not None and entry.format == "synthetic":
        return False
    return open_snapshots(name)[0].geometry == "box"


def open_histories(name: str | Path) -> ForestHistories:
    """Histories of all objects of merger trees, those that have merged too, by name or path as in `open_reader`."""
    (found, *_) = open_snapshots(name)
    if not isinstance(found, ForestBox):
        raise InputError(
            f"{name}: holds no merger trees, so no histories; the formats that do are {', '.join(FORMATS)}"
        )
    return ForestHistories(found.forests, ended=True)


def _synthetic(entry: SimulationEntry, redshift, halo_mass_min, seed, cosmology) -> Synthetic:
    options = {"redshift_min": 0.01, **entry.options}
    if entry.cosmology:
        options.setdefault("cosmology", entry.cosmology)
    if cosmology is not None:
        options["cosmology"] = {**options.get("cosmology", {}), **_parameters(cosmology)}
        if options.get("mass_function", "smdpl") == "smdpl":
            options["mass_function"] = "smdpl_scaled"  # the published fit is of one cosmology
    if redshift is not None:
        options["redshift_min"], options["redshift_max"] = max(redshift[0], options["redshift_min"]), redshift[1]
    if halo_mass_min is not None:
        options["log10_mass_min"] = float(np.log10(halo_mass_min))
    if "seed" in options:
        raise InputError(f"simulation '{entry.name}', options.seed: leave it out; recipes have seed and halo_seed")
    return Synthetic.from_options({**options, "seed": seed})


def _parameters(cosmology: str | Mapping[str, float]) -> dict[str, float]:
    """Parameters of a cosmology, as they are or of the simulation that is named."""
    if not isinstance(cosmology, str):
        return dict(cosmology)
    entry, _ = read_entry("simulations", cosmology, SimulationEntry)
    if not entry.cosmology:
        raise InputError(f"simulation '{cosmology}' states no cosmology; give the parameters")
    return dict(entry.cosmology)
