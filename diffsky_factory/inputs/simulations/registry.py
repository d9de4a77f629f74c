"""Simulations by name or path: the one door through which halos enter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import Record, entry_names, near, read_entry
from diffsky_factory.inputs.simulations.synthetic import Synthetic
from diffsky_factory.inputs.simulations.universemachine_lightcone import (
    UniverseMachineLightcone,
    is_universemachine_lightcone,
)
from diffsky_factory.sky.cosmology import Cosmology


class SimulationEntry(Record):
    """An entry of `catalogs/simulations`: the format names the reader, which takes the options or the path."""

    name: str = ""
    title: str = ""
    status: str = "released"
    format: Literal["synthetic", "universemachine_lightcone"]
    path: str = ""
    cosmology: dict[str, float] = Field(default={})
    mass_definition: str = ""
    reference: dict[str, str] = Field(default={})
    notes: str = ""
    options: dict[str, Any] = Field(default={})


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
    """A simulation by the name of its entry, or a file of a known format by its path.

    Raises InputError for an unknown name, listing near matches, or a file that no reader knows.
    """
    if name in entry_names("simulations"):
        entry, _ = read_entry("simulations", name, SimulationEntry)
        return _open(entry, redshift, halo_mass_min, seed)
    path = Path(name)
    if not name or not path.exists():
        raise InputError(f"no simulation {name!r}, and no such file; {near(name, entry_names('simulations'))}")
    try:
        known = path.is_file() and is_universemachine_lightcone(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not known:
        raise InputError(f"{path}: no reader knows this file; it is no UniverseMachine light cone (text)")
    return _open(SimulationEntry(format="universemachine_lightcone", path=str(path)), redshift, halo_mass_min, seed)


def _open(entry: SimulationEntry, redshift, halo_mass_min, seed) -> Simulation:
    if entry.format == "synthetic":
        options = {"redshift_min": 0.01, **entry.options}
        if entry.cosmology:
            options.setdefault("cosmology", entry.cosmology)
        if redshift is not None:
            options["redshift_min"], options["redshift_max"] = max(redshift[0], options["redshift_min"]), redshift[1]
        if halo_mass_min is not None:
            options["log10_mass_min"] = float(np.log10(halo_mass_min))
        return Synthetic.from_options({**options, "seed": seed})
    if redshift is not None or halo_mass_min is not None:
        raise InputError(f"{entry.path}: a file is taken whole; leave out redshift and halo_mass_min")
    return UniverseMachineLightcone(entry.path)
