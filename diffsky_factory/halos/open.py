"""Simulations by name or path: the one door through which halos enter."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import note
from diffsky_factory.core.files_read import state as state_of
from diffsky_factory.core.user_files import user_path
from diffsky_factory.core.user_warnings import warn
from diffsky_factory.halos.completion.completed import NOTHING_MORE, CompletedHalos, Completion
from diffsky_factory.halos.cone.box_cone import BoxCone
from diffsky_factory.halos.cone.forest_cone import ForestCone
from diffsky_factory.halos.cone.replicas import UNSKEWED, Replicas, generic_rotation
from diffsky_factory.halos.gathered.gathering import Product
from diffsky_factory.halos.gathered.stored import (
    HaloTable,
    StoredBox,
    StoredHalos,
    TableInMemory,
    gather_in_memory,
)
from diffsky_factory.halos.synthetic.box import SyntheticBox, synthetic_box
from diffsky_factory.halos.synthetic.universe import Synthetic
from diffsky_factory.inputs.entries import read_entry
from diffsky_factory.inputs.readers.common.shells import check_shells
from diffsky_factory.inputs.readers.open import find_entry, open_snapshots
from diffsky_factory.inputs.readers.reader import Reader
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.trees.forest_box import ForestBox
from diffsky_factory.inputs.trees.formats import FORMATS
from diffsky_factory.inputs.trees.histories import ForestHistories
from diffsky_factory.outputs.halo_store import StoredTable, is_halo_store
from diffsky_factory.outputs.store import content_file
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.spaces import Space

NEAREST_SHOWN = 4  # chosen: snapshots that an error names
SAME_REDSHIFT = 5e-3  # of 1 + z, chosen: snapshots that nobody would tell apart
SURE_AREA = 0.01  # chosen: relative error of the area of an estimated footprint, up to which nobody is warned
LARGEST_IN_MEMORY = 5e8  # bytes of files, chosen: a few million halos, gathered in seconds


class Simulation(Protocol):
    """What the factory asks of any source of halos."""

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the simulation."""

    @property
    def space(self) -> Space:
        """The sky, or the box, that its halos are in."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Columns of `halos`."""

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest redshift of a host; of a box, its redshift twice."""

    @property
    def default_region(self) -> dict[str, Any]:
        """Part of the space that is meant where a recipe names none."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it should say of it."""

    def tiles(self, order: int, where: Any) -> np.ndarray:
        """Cells at an order that a region overlaps."""

    def extent(self, where: Any) -> float:
        """Area [deg^2], or volume [Mpc^3], of a region."""

    def count(self, order: int, tile: int, /, where: Any) -> int:
        """Exact rows of a tile."""

    def halos(self, order: int, tile: int, /, where: Any) -> dict[str, np.ndarray]:
        """Halos of a tile, arranged, with `host_row`."""


def open_simulation(
    name: str,
    *,
    redshift: tuple[float, float] | float | None = None,
    halo_mass_min: float | None = None,
    seed: int = 0,
    region: Mapping | None = None,
    completion: Completion = NOTHING_MORE,
    cosmology: str | Mapping[str, float] | None = None,
    box_size: float | None = None,
) -> Simulation:
    """A simulation by the name or path of its entry, by the path of a file of a known format, or of a store of halos.

    redshift : of a range, the light cone; a box is then put on the sky of an observer in its corner, repeated as far
        as the range asks, in the region alone. Of one number, the box at that redshift. Without it, what the files are
    completion : halos to add that the simulation does not resolve
    box_size : Mpc, comoving, of a box of the synthetic universe; that of files is in the files
    cosmology : of the synthetic universe, by the name of a simulation that has it or by parameters that differ from the
        entry's; halos follow it. Files have their own.
    Raises InputError for an unknown name, listing near matches; for a file that no reader knows; and for files that
    are too large to be read anew each time, which `ingest` puts into a store.
    """
    entry = find_entry(name)
    if entry is not None and entry.format == "synthetic":
        if completion.wanted:
            raise InputError(f"{name}: is complete, with satellites, to halo_mass_min; leave complete_to out")
        return _synthetic(entry, redshift, halo_mass_min, seed, cosmology, box_size)
    if box_size is not None:
        raise InputError(f"{name}: its files have a box; leave out box_size, which is for synthetic universes")
    if cosmology is not None:
        raise InputError(
            f"{name}: its files have a cosmology; leave out the recipe's, which is for synthetic universes"
        )
    table = halo_table(name, redshift=redshift, region=region)
    lowest = -np.inf if halo_mass_min is None else float(np.log10(halo_mass_min))
    if table.attributes["geometry"] == "box":
        return _box(table, name, redshift, completion, lowest)
    if isinstance(redshift, float):
        raise InputError(f"{name}: is a light cone, not a box; give a range of redshift, [low, high]")
    check_shells(name, table.attributes, redshift)
    _warn_of_estimate(name, table.attributes)
    if completion.wanted:
        return CompletedHalos(StoredHalos(table, name, redshift), completion._replace(seed=seed), lowest)
    return StoredHalos(table, name, redshift, lowest)


def _warn_of_estimate(name: str, attributes: Mapping[str, Any]) -> None:
    """Warn where areas follow from a footprint that nobody stated."""
    error = attributes.get("footprint_error", 0.0)
    if error > SURE_AREA:
        warn(
            f"{name}: nobody states the footprint of this light cone; areas follow from pixels that hold its halos, "
            f"and are good to {error:.0%}. State it as `footprint` in the entry, as a recipe writes a region"
        )


def _box(
    table: HaloTable,
    name: str,
    redshift: tuple[float, float] | float | None,
    completion: Completion,
    lowest: float,
) -> StoredBox:
    """The halos of a box; raises InputError where something is asked of it that only a light cone has."""
    if completion.wanted:
        raise InputError(f"{name}: is a box, to which no halos can be added; leave complete_to and satellites out")
    if isinstance(redshift, tuple):
        raise InputError(
            f"{name}: is a box that was taken in, which has no place on the sky; leave redshift out, or make its light "
            f'cone: "diffsky-factory ingest SIMULATION --out cone.zarr --redshift {redshift[0]:g} {redshift[1]:g}"'
        )
    found = StoredBox(table, name, lowest)
    if redshift is not None:
        _check_near(name, redshift, [found.redshift])
    return found


def halo_table(
    name: str | Path, *, redshift: tuple[float, float] | float | None = None, region: Mapping | None = None
) -> StoredTable | TableInMemory:
    """All halos of a store, or of a product that is small enough to be read anew; arguments as in `open_reader`."""
    path = user_path(name)
    if path.is_dir() and is_halo_store(path):
        note(content_file(path))
        return StoredTable(path)
    readers = open_snapshots(name)
    note(*(file for reader in readers for file in reader.files))
    size = sum(file.stat().st_size for reader in readers for file in reader.files)
    if size > LARGEST_IN_MEMORY:
        raise InputError(
            f"{name}: has {size / 1e9:.1f} GB of files; put its halos into a store once, by "
            f'"diffsky-factory ingest {name} --out halos.zarr", and name that store instead'
        )
    files = [(str(file), state_of(file)) for reader in readers for file in reader.files]
    state = (*files, *(reader.entry.model_dump_json() for reader in readers))
    on_sky = isinstance(redshift, tuple) or readers[0].geometry == "lightcone"
    return _in_memory(str(name), redshift, json.dumps(region if on_sky else None), state)


@lru_cache(maxsize=4)
def _in_memory(name: str, redshift: tuple[float, float] | float | None, region: str, state: tuple) -> TableInMemory:
    """The halos of a small product: once per process, part of the sky and state of its files."""
    return gather_in_memory(open_reader(name, redshift=redshift, region=json.loads(region)))


def open_reader(
    name: str | Path,
    *,
    redshift: tuple[float, float] | float | None = None,
    region: Mapping | None = None,
    observer: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rotate: bool = True,
) -> Product:
    """The reader of a light cone, as it is or made of the snapshots of a box; of a box, where no range is given.

    redshift : a range, or one number: that of the snapshot which is meant
    redshift, region, observer [Mpc from the corner of the box], rotate : of a cone made of a box, see `Replicas`;
        rotate turns the sky against the axes of the box
    Raises InputError, naming them, where a light cone lacks shells that the range needs.
    """
    readers = open_snapshots(name)
    if readers[0].geometry == "lightcone":
        check_shells(name, readers[0].attributes, redshift)
        return readers[0]
    if redshift is None:
        if len(readers) > 1:
            raise InputError(
                f"{name}: has {len(readers)} snapshots; give the redshift of one, or a range for their light cone"
            )
        return readers[0]
    if isinstance(redshift, int | float):
        return _snapshot(name, readers, float(redshift))
    rotation = generic_rotation() if rotate else UNSKEWED
    size, cosmology = readers[0].attributes["box_size"], readers[0].cosmology
    sky = Replicas(
        size, cosmology, (redshift[0], redshift[1]), (observer[0], observer[1], observer[2]), region, rotation
    )
    return ForestCone(readers[0], sky) if isinstance(readers[0], ForestBox) else BoxCone(readers, sky)


def _snapshot(name: str | Path, readers: Sequence[Reader], redshift: float) -> Reader:
    """The snapshot at a redshift; raises InputError, with those that there are, where none is near."""
    if len(readers) == 1 and isinstance(readers[0], ForestBox):
        forest = readers[0]
        _check_near(name, redshift, (1.0 / forest.forests.scale_factor - 1.0).tolist())
        options = {**{key: value for key, value in forest.entry.options.items() if key != "step"}, "redshift": redshift}
        return ForestBox(forest.files, forest.entry.model_copy(update={"options": options}))
    there = [float(reader.attributes["redshift"]) for reader in readers]
    return readers[_check_near(name, redshift, there)]


def _check_near(name: str | Path, redshift: float, there: Sequence[float]) -> int:
    """Number of the snapshot at a redshift, to SAME_REDSHIFT of 1 + z; raises InputError where there is none."""
    off = np.abs(np.asarray(there) - redshift)
    nearest = int(off.argmin())
    if off[nearest] > SAME_REDSHIFT * (1.0 + redshift):
        nearest_few = sorted(sorted(there, key=lambda z: abs(z - redshift))[:NEAREST_SHOWN])
        few = ", ".join(f"{z:.4g}" for z in nearest_few)
        raise InputError(f"{name}: has no snapshot at redshift {redshift:g}; the nearest are at {few}")
    return nearest


def open_histories(name: str | Path) -> ForestHistories:
    """Histories of all objects of merger trees, those that have merged too, by name or path as in `open_reader`."""
    (found, *_) = open_snapshots(name)
    note(*found.files)
    if not isinstance(found, ForestBox):
        raise InputError(
            f"{name}: holds no merger trees, so no histories; the formats that do are {', '.join(FORMATS)}"
        )
    return ForestHistories(found.forests, ended=True)


def _synthetic(entry: SimulationEntry, redshift, halo_mass_min, seed, cosmology, box_size) -> Synthetic | SyntheticBox:
    options = {"redshift_min": 0.01, **entry.options}
    if entry.cosmology:
        options.setdefault("cosmology", entry.cosmology)
    if cosmology is not None:
        options["cosmology"] = {**options.get("cosmology", {}), **_parameters(cosmology)}
        if options.get("mass_function", "smdpl") == "smdpl":
            options["mass_function"] = "smdpl_scaled"  # the published fit is of one cosmology
    in_a_box = isinstance(redshift, int | float)
    if in_a_box == (box_size is None):
        what = "a box has one redshift: give redshift as a number" if box_size else "give box_size [Mpc] of the box"
        raise InputError(f"{entry.name}: {what}")
    if isinstance(redshift, tuple):
        options["redshift_min"], options["redshift_max"] = max(redshift[0], options["redshift_min"]), redshift[1]
    if halo_mass_min is not None:
        options["log10_mass_min"] = float(np.log10(halo_mass_min))
    if "seed" in options:
        raise InputError(f"simulation '{entry.name}', options.seed: leave it out; recipes have seed and halo_seed")
    universe = Synthetic.from_options({**options, "seed": seed})
    return synthetic_box(universe, box_size, float(redshift)) if in_a_box else universe


def _parameters(cosmology: str | Mapping[str, float]) -> dict[str, float]:
    """Parameters of a cosmology, as they are or of the simulation that is named."""
    if not isinstance(cosmology, str):
        return dict(cosmology)
    entry, _ = read_entry("simulations", cosmology, SimulationEntry)
    if not entry.cosmology:
        raise InputError(f"simulation '{cosmology}' states no cosmology; give the parameters")
    return dict(entry.cosmology)
