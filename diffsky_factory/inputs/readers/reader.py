"""What a reader of a simulation product is: halos piece by piece, in our units and frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field, field_validator, model_validator

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import Record
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import region

Geometry = Literal["lightcone", "box"]

REQUIRED = {
    "simulation_halo_id": np.int64,
    "simulation_host_halo_id": np.int64,
    **dict.fromkeys(("x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
}
"""Columns of every product: ids as in the simulation, a host's own for itself; Mpc comoving, on a light cone from the
observer, in a box from its corner; km/s peculiar, physical; dex(Msun), the largest mass so far where it is known."""


class SimulationEntry(Record):
    """An entry of `catalogs/simulations`: the format names the reader; what is stated here must agree with the files.

    files : names or patterns, relative to the folder of the entry or to one of DIFFSKY_FACTORY_DATA
    box_size [Mpc], particle_mass [Msun] : without h
    log10_mass_complete [dex(Msun)] : of the least massive hosts that are all there; measured where it is not stated
    footprint : parts of the sky that a light cone covers, without overlap, as a recipe writes a region; where it is not
        stated, and the files do not say it, pixels that hold halos
    steps : number of a snapshot in the simulation -> its scale factor
    columns : our name of a column -> the simulation's, where the reader is to take another than it would
    options : of the reader, by its documentation
    """

    name: str = ""
    title: str = ""
    status: str = "released"
    format: str
    files: tuple[str, ...] = ()
    cosmology: dict[str, float] = Field(default={})
    box_size: float | None = Field(default=None, gt=0.0)
    particle_mass: float | None = Field(default=None, gt=0.0)
    footprint: tuple[dict[str, Any], ...] = ()
    log10_mass_complete: float | None = Field(default=None, gt=5.0, lt=16.0)
    steps: dict[int, float] = Field(default={})
    mass_definition: str = ""
    columns: dict[str, Any] = Field(default={})
    reference: dict[str, str] = Field(default={})
    notes: str = ""
    options: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _known_cosmology(self) -> "SimulationEntry":
        unknown = sorted(set(self.cosmology) - set(Cosmology._fields))
        if unknown:
            raise ValueError(f"cosmology: no parameter {unknown[0]!r}; there are {', '.join(Cosmology._fields)}")
        return self

    @field_validator("footprint")
    @classmethod
    def _regions(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        try:
            _ = [region(part) for part in value]
        except InputError as error:
            raise ValueError(str(error)) from error
        return value


class Piece(NamedTuple):
    """A part of a product that is read at once, a million rows or so: a file, a range of its rows or bytes, a tree."""

    file: str
    first: int = 0  # row, byte, or tree, as the reader counts
    last: int = 0  # the one after


class Rows(NamedTuple):
    """What reading a piece gives."""

    columns: dict[str, np.ndarray]  # all of the reader's columns, one value (or vector) per halo
    dropped: dict[str, int]  # why -> how many rows of the piece were left out


class Reader(Protocol):
    """One product of a simulation, opened: headers are read, rows are not. Pieces may be read in any order, by anyone.

    Rows of a host and of its satellites may lie in different pieces. Opening or reading raises InputError naming the
    file, what is wrong with it and what to do.
    """

    @property
    def geometry(self) -> Geometry:
        """Whether it is a light cone or a box."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it reads."""

    @property
    def cosmology(self) -> Cosmology:
        """From the files where they have it, checked against the entry."""

    @property
    def columns(self) -> Mapping[str, type]:
        """Name and type of each column: REQUIRED, those of `schemas/columns` that it has besides."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it: name, mass_definition; box_size [Mpc], redshift of a box; more."""

    def pieces(self) -> Sequence[Piece]:
        """Its pieces; together they are the product, and none is empty of bytes."""

    def read(self, piece: Piece) -> Rows:
        """One piece, converted."""


def agreed_cosmology(entry: SimulationEntry, found: Mapping[str, float], source: object) -> Cosmology:
    """The cosmology of a product: as found in its files, completed from the entry, then from the defaults.

    Raises InputError, naming both values, where a parameter in the files differs from the entry's by more than 1e-3.
    """
    for name, value in entry.cosmology.items():
        if name in found and abs(found[name] - value) > 1e-3:
            raise InputError(
                f"{source}: has {name} = {found[name]:g}, the entry '{entry.name}' says {value:g}; "
                "correct the entry, or give it the files it is for"
            )
    return Cosmology(**{**Cosmology()._asdict(), **entry.cosmology, **found})


def agreed(name: str, stated: float | None, found: float | None, source: object, tolerance: float = 1e-3) -> float:
    """A number that the entry may state and the files may hold: box size, particle mass, redshift.

    Raises InputError where neither has it, or where they differ by more than a fraction.
    """
    if stated is None and found is None:
        raise InputError(f"{source}: does not say the {name}; give it in the entry of the simulation")
    if stated is not None and found is not None and abs(stated - found) > tolerance * abs(found):
        raise InputError(f"{source}: has {name} = {found:g}, its entry says {stated:g}; correct one of them")
    return float(found if found is not None else stated)
