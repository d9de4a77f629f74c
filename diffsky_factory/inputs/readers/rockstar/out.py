"""Reader of the halo lists of Rockstar: a box at one time.

Format: `out_<n>.list` of Rockstar (Behroozi et al. 2013, ApJ 762, 109). Positions comoving Mpc/h, velocities physical
peculiar km/s, masses Msun/h, radii comoving kpc/h.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.common.boxes import redshift_of, wrapped
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.stated import only_file, option, picked
from diffsky_factory.inputs.readers.reader import (
    REQUIRED,
    Geometry,
    Piece,
    Rows,
    SimulationEntry,
    agreed,
    agreed_cosmology,
)
from diffsky_factory.inputs.readers.rockstar import header as rockstar_header
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "rockstar_out"
NAME = r"out_(\d+)\D*\.list"
FIRST = b"#ID DescID "
PHASE = ("X", "Y", "Z", "VX", "VY", "VZ")
MASS = r"M(vir|\d+[bc])"  # of the definition that Rockstar was told, behind the ids
BESIDES = {"halo_vmax": "Vmax", "halo_scale_radius": "Rs"}


class Header(NamedTuple):
    """What the comments say."""

    cosmology: Cosmology
    box_size: float  # Mpc
    scale: float
    particle_mass: float | None  # Msun
    names: dict[str, str]  # our name -> the file's
    table: text_rows.TextTable


def recognises(path: str | Path) -> bool:
    """Whether a file starts as a halo list of Rockstar does."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(1000).startswith(FIRST)


@dataclass(frozen=True)
class RockstarOut:
    """Halos of one snapshot, with their mass at that time: Rockstar knows no history.

    Hosts are known only where `find_parents` has added the column PID. Without it the file is refused, unless the
    entry's option `hosts: all` says that each halo is to be a host: subhalos are then centrals of their own. PID is
    the smallest larger halo around; hosts of hosts are followed later.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry

    geometry: ClassVar[Geometry] = "box"

    def __post_init__(self) -> None:
        _ = self._header

    @property
    def cosmology(self) -> Cosmology:
        """Om0 and h of the file, the rest of the entry."""
        return self._header.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """REQUIRED, largest circular velocity and scale radius."""
        return {**REQUIRED, **dict.fromkeys(BESIDES, np.float64)}

    @property
    def attributes(self) -> dict[str, Any]:
        """box_size [Mpc] and redshift of the file; particle_mass [Msun] where it has one."""
        header = self._header
        stated = {} if header.particle_mass is None else {"particle_mass": header.particle_mass}
        return {
            "name": self.entry.name or "Rockstar",
            "mass_definition": self.entry.mass_definition
            or f"{header.names['log10_halo_mass']} of Rockstar, when the halo is seen",
            "box_size": header.box_size,
            "redshift": redshift_of(header.scale, self.files[0]),
            **stated,
        }

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes."""
        return text_rows.pieces(self._header.table)

    def read(self, piece: Piece) -> Rows:
        """Halos whose lines begin in a piece; those without mass, as Rockstar has unbound ones, are left out."""
        header = self._header
        rows = text_rows.read_text(header.table, piece)
        values, names, h = rows.values, header.names, header.cosmology.h
        rows.refuse(values["ID"] < 0, "ID", "an id is not negative; copy the file again")
        parent = values.get("PID", np.full(len(values["ID"]), -1))
        position = wrapped({axis: values[axis] for axis in "XYZ"}, 1.0 / h, header.box_size, rows.refuse)
        mass = values[names["log10_halo_mass"]]
        columns = {
            "simulation_halo_id": values["ID"],
            "simulation_host_halo_id": np.where(parent == -1, values["ID"], parent),
            **{axis.lower(): position[axis] for axis in "XYZ"},
            **{axis.lower(): values[axis] for axis in ("VX", "VY", "VZ")},
            "log10_halo_mass": log10(mass) - np.log10(h),
            "halo_vmax": values[names["halo_vmax"]],
            "halo_scale_radius": values[names["halo_scale_radius"]] / 1e3 / h,
        }
        return kept(columns, {"without a mass": mass <= 0.0})

    @cached_property
    def _header(self) -> Header:
        path, entry = only_file(self.files, self.entry, "a halo list is of one snapshot"), self.entry
        comments, start = text_rows.read_comments(path)
        if not recognises(path):
            raise InputError(f"{path}, line 1: not the names of a halo list of Rockstar, '#ID DescID ..'")
        rockstar_header.check_units(comments, path)
        found = rockstar_header.header_cosmology(comments, "Om", "Ol", "h", path)
        cosmology = agreed_cosmology(entry, found, path)
        box = agreed("box size", entry.box_size, rockstar_header.header_box(comments, "Box size", cosmology.h), path)
        particle = rockstar_header.number(comments, "Particle mass")
        if particle is not None:
            particle = agreed("particle mass", entry.particle_mass, particle / cosmology.h, path, tolerance=1e-2)
        columns = comments[0].split()
        names = picked(entry, {"log10_halo_mass": _mass(columns, path), **BESIDES})
        table = _table(path, entry, columns, names, start)
        return Header(cosmology, box, _scale(comments, entry, path), particle, names, table)


def _mass(names: list[str], path: Path) -> str:
    """The mass of the definition that Rockstar was told, which stands behind the ids."""
    mass = names[2] if len(names) > 2 else ""
    if not re.fullmatch(MASS, mass, re.IGNORECASE):
        raise InputError(
            f"{path}, line 1: the third column is {mass!r}, no mass such as Mvir or M200b; restore the header"
        )
    return mass


def _table(
    path: Path, entry: SimulationEntry, columns: list[str], names: dict[str, str], start: int
) -> text_rows.TextTable:
    """Which words of a row are what."""
    ids = ["ID"]
    if option(entry, "hosts", ["all"]) is None:
        if "pid" not in (name.lower() for name in columns):
            raise InputError(
                f"{path}: no column PID, so hosts and subhalos cannot be told apart; run find_parents of Rockstar on "
                "the file, or give the entry the option 'hosts: all' to take each halo as a host"
            )
        ids = ["ID", "PID"]
    at = rockstar_header.positions_of(columns, [*ids, *PHASE, *names.values()], path)
    words = {name: (position, np.int64 if name in ids else np.float64) for name, position in at.items()}
    return text_rows.text_table(path, start, len(columns), words)


def _scale(comments: list[str], entry: SimulationEntry, path: Path) -> float:
    """Scale factor of the comments; that of the entry's `steps`, if it has the number of the file, must agree."""
    scale = rockstar_header.number(comments, "a")
    match = re.fullmatch(NAME, path.name)
    stated = entry.steps.get(int(match[1])) if match else None
    return agreed("scale factor", stated, scale, path)
