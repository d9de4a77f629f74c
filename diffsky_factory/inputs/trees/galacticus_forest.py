"""Reader of merger trees in the HDF5 format of Galacticus, both versions of it.

Source: format of Galacticus (Benson 2012, New Astronomy 17, 175), versions 1 and 2. Files differ in the names of the
groups, in the spelling of `descendantIndex`, in byte order, and in whether they have positions and a box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.hdf5 import blocks, dataset, holds, is_dataset, opened
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.reader import Piece
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry, agreed, agreed_cosmology
from diffsky_factory.inputs.trees.forest import (
    NODES_PER_PIECE,
    PLACE_AND_MOTION,
    Forest,
    checked_forest,
    cosmic_time,
    distinct,
    in_box,
    log10_of,
    steps_of,
)
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "galacticus_forest"
GROUPS = {"forestHalos": "forestIndex", "haloTrees": "treeIndex"}  # nodes -> index, formats 2 and 1
DESCENDANT = ("descendantIndex", "descendentIndex")  # the first may be a mere reference to the second
MPC = 3.0857e22  # m; the files' own differ in the fifth digit, which is their rounding
MEASURED = {"nodeMass": "mass", "position": "length", "scaleRadius": "length", "velocity": "velocity"}
NEEDED = (*MEASURED, "nodeIndex", "hostIndex", *DESCENDANT, "expansionFactor", "redshift")
COMOVING = {"length": 1.0, "mass": 0.0, "velocity": 0.0}  # power of the scale factor in our units
SOLAR_MASS = 1.989e30  # kg; the files' own differ in the fourth digit and mean their solar mass
UNIT_ROUNDING = 1e-3  # relative, chosen: between that rounding and a wrong unit
COSMOLOGY = {
    "Om0": ("Omega0", "OmegaMatter"), "h": ("HubbleParam",), "Ob0": ("OmegaBaryon",), "sigma8": ("sigma_8",),
    "ns": ("powerSpectrumIndex",),
}  # fmt: skip


class Unit(NamedTuple):
    """value in our unit = value * scale * h^hubble * a^expansion."""

    scale: float
    hubble: float
    expansion: float


def recognises(path: Path) -> bool:
    """Whether a file is such an HDF5 file."""
    return any(holds(path, nodes, index, "units", "cosmology") for nodes, index in GROUPS.items())


@dataclass(frozen=True)
class GalacticusForest:
    """Merger trees of one simulation in the format of Galacticus: one file, or several with whole forests in each.

    Velocities are peculiar and physical, whatever the file declares: so they are in all known files, also where
    velocitiesIncludeHubbleFlow is set.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    def __post_init__(self):
        for path in self.files:
            with opened(path) as file:
                _check(file, path)
        _ = self.cosmology, self.box_size

    @cached_property
    def cosmology(self) -> Cosmology:
        """As in the first file; all must agree with it."""
        found: dict[str, float] = {}
        for path in self.files:
            with opened(path) as file:
                values = _cosmology(file, path)
            differs = [name for name in found if abs(found[name] - values.get(name, found[name])) > 1e-3]
            if differs:
                raise InputError(f"{path}: {differs[0]} is not that of {self.files[0]}; read them as two simulations")
            found = {**values, **found}
        return agreed_cosmology(self.entry, found, self.files[0])

    @cached_property
    def box_size(self) -> float | None:
        """Side [Mpc], of the first file or the entry."""
        path = self.files[0]
        with opened(path) as file:
            found = None
            if "simulation" in file and "boxSize" in file["simulation"].attrs:
                unit = _unit(file, "length", path)
                size = _number(file["simulation"].attrs["boxSize"])
                found = size * unit.scale * float(self.cosmology.h) ** unit.hubble
        if found is None and self.entry.box_size is None:
            return None
        return agreed("box size", self.entry.box_size, found, path)

    @cached_property
    def columns(self) -> Mapping[str, type]:
        """What all files have of place, motion and scale radius."""
        found = {**PLACE_AND_MOTION, "halo_scale_radius": np.float64}
        needed = {"position": "xyz", "velocity": ("vx", "vy", "vz"), "scaleRadius": ("halo_scale_radius",)}
        for path in self.files:
            with opened(path) as file:
                nodes, _ = _groups(file, path)
                for name, columns in needed.items():
                    if not is_dataset(nodes, name):
                        found = {known: kind for known, kind in found.items() if known not in columns}
        return found

    @property
    def attributes(self) -> dict[str, Any]:
        """Name, mass definition and box."""
        return {
            "name": self.entry.title or self.entry.name or self.files[0].stem,
            "mass_definition": self.entry.mass_definition or f"that of {_finder(self.files[0])}",
            "box_size": self.box_size,
        }

    @cached_property
    def scale_factor(self) -> np.ndarray:
        """(T,) those of the entry's `steps`; else all that nodes have, which reads one column of the files."""
        if self.entry.steps:
            return distinct(np.array(list(self.entry.steps.values())))
        found = [_scale_factors(path) for path in self.files]
        return distinct(np.concatenate(found))

    @cached_property
    def time(self) -> np.ndarray:
        """(T,) [Gyr]."""
        return cosmic_time(self.cosmology, self.scale_factor)

    def pieces(self) -> Sequence[Piece]:
        """Forests of a file, first and last by their number in its index, up to a million nodes together."""
        found = []
        for path in self.files:
            with opened(path) as file:
                _, index = _groups(file, path)
                sizes = dataset(index, "numberOfNodes")[:].astype(np.int64)
            found += [Piece(str(path), int(first), int(last)) for first, last in grouped(sizes, NODES_PER_PIECE)]
        return found

    def read(self, piece: Piece) -> Forest:
        """The forests of one piece."""
        path = Path(piece.file)
        with opened(path) as file:
            nodes, index = _groups(file, path)
            rows = _rows(index, piece, path)
            units = {of: _unit(file, of, path) for of in MEASURED.values() if f"{of}UnitsInSI" in file["units"].attrs}
            read = {name: dataset(nodes, name)[rows] for name in NEEDED if is_dataset(nodes, name)}
        a = _expansion(read)
        ours = {name: self._converted(read[name], name, units, a, path) for name in MEASURED if name in read}
        position = ours.get("position")
        forest = Forest(
            node_id=integers(read["nodeIndex"], "nodeIndex", path),
            descendant_id=_descendants(read, path),
            host_id=integers(read["hostIndex"], "hostIndex", path),
            step=steps_of(a, self.scale_factor, path),
            log10_mass=log10_of(ours["nodeMass"]),
            position=None if position is None else in_box(position, self.box_size, path),
            velocity=ours.get("velocity"),
            scale_radius=ours.get("scaleRadius"),
        )
        return checked_forest(forest, len(self.scale_factor), path)

    def _converted(self, values: np.ndarray, name: str, units: dict, a: np.ndarray, path: Path) -> np.ndarray:
        """Values of a dataset in our unit, lengths comoving."""
        of = MEASURED[name]
        if of not in units:
            raise InputError(f"{path}: has {name} and no {of}UnitsInSI among its units; restore it")
        unit = units[of]
        power = unit.expansion - COMOVING[of]
        factor = unit.scale * self.cosmology.h**unit.hubble * (a**power if power else 1.0)
        return (values.astype(np.float64).T * factor).T


def grouped(sizes: np.ndarray, most: int) -> list[tuple[int, int]]:
    """First and last of consecutive forests that have at most so many nodes together; one that has more is alone."""
    found, first, held = [], 0, 0
    for number, size in enumerate(sizes.tolist()):
        if held and held + size > most:
            found.append((first, number))
            first, held = number, 0
        held += size
    return [*found, (first, len(sizes))] if len(sizes) else found


def _check(file: Any, path: Path) -> None:
    """Raise InputError where the file lacks what it needs to be read."""
    nodes, index = _groups(file, path)
    n = len(dataset(nodes, "nodeIndex"))
    for name in ("hostIndex", "nodeMass", *(name for name in NEEDED if is_dataset(nodes, name))):
        dataset(nodes, name, n)
    if not any(is_dataset(nodes, name) for name in DESCENDANT):
        raise InputError(f"{path}: {nodes.name} has neither {' nor '.join(DESCENDANT)}; restore one of them")
    if not any(is_dataset(nodes, name) for name in ("redshift", "expansionFactor")):
        raise InputError(f"{path}: {nodes.name} has neither redshift nor expansionFactor; restore one of them")
    first, count = (dataset(index, name)[:].astype(np.int64) for name in ("firstNode", "numberOfNodes"))
    if len(first) and int((first + count).max()) > n:
        raise InputError(f"{path}: {index.name} counts {(first + count).max()} nodes, there are {n}; copy it again")
    _unit(file, "mass", path)


def _groups(file: Any, path: Path) -> tuple[Any, Any]:
    for nodes, index in GROUPS.items():
        if nodes in file and index in file:
            return file[nodes], file[index]
    raise InputError(f"{path}: has no groups {' or '.join(GROUPS)} with their index; it is no file of merger trees")


def _rows(index: Any, piece: Piece, path: Path) -> slice | np.ndarray:
    """Rows of the nodes of the forests of a piece: a range, where they follow each other."""
    chosen = slice(piece.first, piece.last)
    first, count = (dataset(index, name)[chosen].astype(np.int64) for name in ("firstNode", "numberOfNodes"))
    if (first[1:] == first[:-1] + count[:-1]).all():
        return slice(int(first[0]), int(first[-1] + count[-1]))
    return np.sort(np.concatenate([np.arange(start, start + n) for start, n in zip(first, count)]))


def _number(attribute: Any) -> float:
    return float(np.ravel(attribute)[0])


def _unit(file: Any, of: str, path: Path) -> Unit:
    """The unit of a length, mass or velocity; raises InputError where it is missing or not a multiple of ours."""
    attributes = file["units"].attrs if "units" in file else {}
    missing = [name for name in (f"{of}UnitsInSI", f"{of}HubbleExponent") if name not in attributes]
    if missing:
        raise InputError(f"{path}: its units have no {missing[0]}; restore it from the original")
    ours = {"length": MPC, "mass": SOLAR_MASS, "velocity": 1e3}[of]
    scale = _number(attributes[f"{of}UnitsInSI"]) / ours
    power = float(np.round(np.log10(scale))) if scale > 0.0 else np.nan
    if not abs(scale / 10.0**power - 1.0) < UNIT_ROUNDING:
        raise InputError(f"{path}: {of}UnitsInSI is {scale * ours:g}, no power of ten of {ours:g}; correct the unit")
    expansion = _number(attributes.get(f"{of}ScaleFactorExponent", 1.0 if of == "length" else 0.0))
    return Unit(10.0**power, _number(attributes[f"{of}HubbleExponent"]), expansion)


def _cosmology(file: Any, path: Path) -> dict[str, float]:
    """Parameters the file has; a spectral index or amplitude of 0 stands for none."""
    attributes = file["cosmology"].attrs if "cosmology" in file else {}
    found = {
        ours: next((_number(attributes[name]) for name in names if name in attributes), 0.0)
        for ours, names in COSMOLOGY.items()
    }
    found = {name: value for name, value in found.items() if value > 0.0}
    missing = [name for name in ("Om0", "h") if name not in found]
    if missing:
        raise InputError(f"{path}: its cosmology has no {' or '.join(COSMOLOGY[missing[0]])}; restore it")
    if found["h"] > 2.0:
        raise InputError(f"{path}: HubbleParam is {found['h']:g}, in units of 100 km/s/Mpc; divide it by 100")
    dark = _number(attributes["OmegaLambda"]) if "OmegaLambda" in attributes else 1.0 - found["Om0"]
    if abs(found["Om0"] + dark - 1.0) > 1e-3:
        raise InputError(f"{path}: matter and dark energy sum to {found['Om0'] + dark:g}: only flat ones can be read")
    return found


def _finder(path: Path) -> str:
    """Name of the halo finder, as the file has it."""
    with opened(path) as file:
        attributes = file["groupFinder"].attrs if "groupFinder" in file else {}
        name = attributes.get("code", attributes.get("groupFinderCode", b"the halo finder"))
    return name.decode() if isinstance(name, bytes) else str(name)


def _expansion(read: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) scale factor of the nodes."""
    if "expansionFactor" in read:
        return read["expansionFactor"].astype(np.float64)
    return 1.0 / (1.0 + read["redshift"].astype(np.float64))


def _scale_factors(path: Path) -> np.ndarray:
    """Scale factors that nodes of a file have."""
    with opened(path) as file:
        nodes, _ = _groups(file, path)
        name = "expansionFactor" if is_dataset(nodes, "expansionFactor") else "redshift"
        values = dataset(nodes, name)
        found = [distinct(_expansion({name: values[rows]})) for rows in blocks(len(values), NODES_PER_PIECE)]
    return distinct(np.concatenate(found)) if found else np.zeros(0)


def _descendants(read: dict[str, np.ndarray], path: Path) -> np.ndarray:
    name = next(name for name in DESCENDANT if name in read)
    return integers(read[name], name, path)
