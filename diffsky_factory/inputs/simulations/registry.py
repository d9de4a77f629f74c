"""Simulations by name or path: the one door through which halos enter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import entry_names, entry_path, near, read_yaml
from diffsky_factory.inputs.simulations.synthetic import Synthetic
from diffsky_factory.inputs.simulations.universemachine_lightcone import (
    UniverseMachineLightcone,
    is_universemachine_lightcone,
)
from diffsky_factory.sky.cosmology import Cosmology


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
    def parameters(self) -> dict[type, Any]:
        """Parameters by class that the halos' own model needs, such as that of their histories."""

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
        entry = read_yaml(entry_path("simulations", name))
        return _open(entry.get("format"), entry, redshift, halo_mass_min, seed)
    path = Path(name)
    if not path.exists():
        raise InputError(f"no simulation {name!r}, and no such file; {near(name, entry_names('simulations'))}")
    if is_universemachine_lightcone(path):
        return _open("universemachine_lightcone", {"path": str(path)}, redshift, halo_mass_min, seed)
    raise InputError(f"{path}: no reader knows this file; it is no UniverseMachine light cone (text)")


def _open(kind, entry, redshift, halo_mass_min, seed) -> Simulation:
    if kind == "synthetic":
        options = dict(entry.get("options", {}))
        if redshift is not None:
            options["redshift_min"], options["redshift_max"] = max(redshift[0], options["redshift_min"]), redshift[1]
        if halo_mass_min is not None:
            options["log10_mass_min"] = float(np.log10(halo_mass_min))
        return Synthetic.from_options({**options, "seed": seed})
    if kind == "universemachine_lightcone":
        if redshift is not None or halo_mass_min is not None:
            raise InputError(f"{entry['path']}: a file is taken whole; leave out redshift and halo_mass_min")
        return UniverseMachineLightcone(entry["path"])
    raise InputError(f"no reader of format {kind!r}; {near(str(kind), ['synthetic', 'universemachine_lightcone'])}")
