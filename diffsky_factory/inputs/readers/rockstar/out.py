"""Reader of the halo lists of Rockstar: a box at one time.

Format: `out_<n>.list` of Rockstar (Behroozi et al. 2013, ApJ 762, 109). Positions comoving Mpc/h, velocities physical
peculiar km/s, masses Msun/h, radii comoving kpc/h.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import text_rows
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.snapshots import inside_box, redshift_of
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows
from diffsky_factory.inputs.readers.rockstar.header import (
    check_units,
    header_box,
    header_cosmology,
    number,
    positions_of,
)
from diffsky_factory.inputs.readers.simulation_entry import agreed

NAME = r"out_(\d+)\D*\.list"
FIRST = b"#ID DescID "
PHASE = ("X", "Y", "Z", "VX", "VY", "VZ")
MASS = r"M(vir|\d+[bc])"  # of the definition that Rockstar was told, behind the ids
BESIDES = {"halo_vmax": "Vmax", "halo_scale_radius": "Rs"}


@dataclass(frozen=True)
class RockstarOut(Reader):
    """Halos of one snapshot, with their mass at that time: Rockstar knows no history.

    Hosts are known only where `find_parents` has added the column PID. Without it the file is refused, unless the
    entry's option `hosts: all` says that each halo is to be a host: subhalos are then centrals of their own. PID is
    the smallest larger halo around; hosts of hosts are followed later.
    """

    format = "rockstar_out"
    title = "Rockstar"
    snapshot = "file"
    extra_columns = tuple(BESIDES)

    class Options(Reader.Options):
        """hosts : `all` where the file does not tell hosts from subhalos"""

        hosts: Literal["column", "all"] = "column"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file starts as a halo list of Rockstar does."""
        return text_rows.first_line(path).startswith(FIRST)

    @cached_property
    def _comments(self) -> tuple[list[str], int]:
        """Those above the rows, and where the rows begin."""
        if not self.recognises(self.path):
            raise InputError(f"{self.path}, line 1: not the names of a halo list of Rockstar, '#ID DescID ..'")
        comments, start = text_rows.read_comments(self.path)
        check_units(comments, self.path)
        return comments, start

    @property
    def usual_names(self) -> dict[str, str]:
        """The mass is that of the definition that Rockstar was told."""
        return {"log10_halo_mass": _mass(self._comments[0][0].split(), self.path), **BESIDES}

    @property
    def mass_definition(self) -> str:
        """By the name of its column."""
        return f"{self.names['log10_halo_mass']} of Rockstar, when the halo is seen"

    @property
    def file_cosmology(self) -> dict[str, float]:
        """Om0 and h."""
        return header_cosmology(self._comments[0], "Om", "Ol", "h", self.path)

    @property
    def file_box_size(self) -> float | None:
        """[Mpc]."""
        return header_box(self._comments[0], "Box size", self.cosmology.h)

    @property
    def redshift(self) -> float:
        """Of the scale factor; that of the entry's `steps`, if it has the number of the file, must agree."""
        match = re.fullmatch(NAME, self.path.name)
        stated = self.entry.steps.get(int(match[1])) if match else None
        return redshift_of(agreed("scale factor", stated, number(self._comments[0], "a"), self.path), self.path)

    @cached_property
    def particle_mass(self) -> float | None:
        """[Msun]; that of the entry where the file has none."""
        stated, found = self.entry.particle_mass, number(self._comments[0], "Particle mass")
        if found is None:
            return stated
        return agreed("particle mass [Msun]", stated, found / self.cosmology.h, self.path, tolerance=1e-2)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._table

    @cached_property
    def _table(self) -> text_rows.TextTable:
        """Which words of a row are what."""
        comments, start = self._comments
        columns = comments[0].split()
        ids = ["ID"] if self.options.hosts == "all" else ["ID", "PID"]
        if "PID" in ids and "pid" not in (name.lower() for name in columns):
            raise InputError(
                f"{self.path}: no column PID, so hosts and subhalos cannot be told apart; run find_parents of Rockstar "
                "on the file, or give the entry the option 'hosts: all' to take each halo as a host"
            )
        at = positions_of(columns, [*ids, *PHASE, *self.names.values()], self.path)
        words = {name: (position, np.int64 if name in ids else np.float64) for name, position in at.items()}
        return text_rows.text_table(self.path, start, len(columns), words)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of bytes."""
        return text_rows.pieces(self._table, self.rows_of_piece)

    def convert(self, piece: Piece) -> Rows:
        """Halos whose lines begin in a piece; those without mass, as Rockstar has unbound ones, are left out."""
        rows = text_rows.read_text(self._table, piece)
        values, names, h = rows.values, self.names, self.cosmology.h
        rows.refuse(values["ID"] < 0, "ID", "an id is not negative; copy the file again")
        parent = values.get("PID", np.full(len(values["ID"]), -1))
        position = inside_box({axis: values[axis] for axis in "XYZ"}, 1.0 / h, self.box_size, rows.refuse)
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


def _mass(names: list[str], path: Path) -> str:
    """The mass of the definition that Rockstar was told, which stands behind the ids."""
    mass = names[2] if len(names) > 2 else ""
    if not re.fullmatch(MASS, mass, re.IGNORECASE):
        raise InputError(
            f"{path}, line 1: the third column is {mass!r}, no mass such as Mvir or M200b; restore the header"
        )
    return mass
