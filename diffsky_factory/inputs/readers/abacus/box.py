"""Reader of AbacusSummit boxes: CompaSO halos of one time slice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import StrictBool

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.abacus.files import AbacusFile, AbacusReader, has_names, read_unpacked
from diffsky_factory.inputs.readers.common.dropping import kept
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.common.nfw_radii import scale_radius
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows
from diffsky_factory.sky.boxes import wrapped

FIELDS = ("id", "N", "x_L2com", "v_L2com", "vcirc_max_L2com")
RADII = ("r25_L2com", "r98_L2com")
STORED = (*FIELDS, "r100_L2com", "r25_L2com_i16", "r98_L2com_i16")  # names on disk of the above
# chosen: 50 particles inside the smaller radius, whose ratio is then good to about 15 percent
SCALE_RADIUS_PARTICLES = 200


@dataclass(frozen=True)
class AbacusBox(AbacusReader):
    """Halos of one time slice of an AbacusSummit box, `<sim>/halos/z<z>/halo_info/halo_info_<nnn>.asdf`.

    Position and velocity are those of the largest subhalo of second level (`x_L2com`, `v_L2com`), as near to a galaxy
    as the product comes. There are no other subhalos: every halo is a host. The mass is the number of particles of the
    halo times their mass, at the time of the slice.
    """

    format = "abacus_box"
    snapshot = "folder"
    stored = STORED

    class Options(Reader.Options):
        """cleaned : numbers of particles from the `cleaning` folder beside the product; halos that it merged into
            others are dropped. False takes the halos as they were first found.
        scale_radius : adds halo_scale_radius, from the radii that hold 98 and 25 percent of the particles as of an NFW
            profile; NaN below 200 particles and where the ratio is that of no profile of concentration 1 to 100.
        """

        cleaned: StrictBool = True
        scale_radius: StrictBool = False

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file holds CompaSO halos of a box."""
        return has_names(path, ("ParticleMassHMsun", "x_L2com", "id")) and not has_names(path, ("pos_interp",))

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_slabs(self.opened)
        if self.options.cleaned:
            _check_cleaning(self.path)

    @property
    def redshift(self) -> float:
        """Of the time slice."""
        return self.opened[0].redshift

    @property
    def extra_columns(self) -> Sequence[str]:
        """halo_vmax, and halo_scale_radius where it is asked for."""
        return ("halo_vmax", "halo_scale_radius") if self.options.scale_radius else ("halo_vmax",)

    @property
    def mass_definition(self) -> str:
        """Of CompaSO, in words; the density threshold is that of the time slice."""
        return (
            "particles of the CompaSO halo of first level (L1), spherical overdensity of "
            f"{self.header['SODensityL1']:.4g} times the mean matter density at this redshift"
        )

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """density_threshold, over the mean matter density at this redshift; what it holds."""
        return {
            "density_threshold": self.header["SODensityL1"],
            "satellites": "none",
            "cleaned": self.options.cleaned,
        }

    def convert(self, piece: Piece) -> Rows:
        """Halos of a piece with at least one particle."""
        fields = (*FIELDS, *(RADII if self.options.scale_radius else ()))
        found = read_unpacked(piece, fields, self.options.cleaned)
        why = "merged into another halo by the cleaning" if self.options.cleaned else "no particles"
        found, dropped = kept(found, {why: found["N"] <= 0})
        ids, h = integers(found["id"], "id", piece.file), self.cosmology.h
        position = np.asarray(found["x_L2com"], np.float64) / h
        _check_positions(piece, position, self.box_size)
        columns = {
            "simulation_halo_id": ids,
            "simulation_host_halo_id": ids.copy(),
            **dict(zip("xyz", wrapped(position, self.box_size).T)),  # of a box that is centred on zero
            **dict(zip(("vx", "vy", "vz"), np.asarray(found["v_L2com"], np.float64).T)),
            "log10_halo_mass": np.log10(found["N"] * self.particle_mass),
            "halo_vmax": np.asarray(found["vcirc_max_L2com"], np.float64),
        }
        if self.options.scale_radius:
            columns["halo_scale_radius"] = _scale_radius(found, h)
        return Rows(columns, dropped)


def _check_positions(piece: Piece, position: np.ndarray, box_size: float) -> None:
    """Positions lie in the box, which is centred on zero; a little outside for a halo on its edge."""
    away = np.abs(position).max(axis=1, initial=0.0)
    if np.any(away > 0.51 * box_size):
        row = piece.first + int(np.argmax(away))
        raise InputError(
            f"{piece.file}: x_L2com of the halo at or after row {row} is {away.max():g} Mpc from the centre, of a box "
            f"of {box_size:g} Mpc; are the positions in units of the box, as on disk?"
        )


def _scale_radius(found: dict[str, np.ndarray], h: float) -> np.ndarray:
    """Mpc; NaN where too few particles tell."""
    radius = scale_radius(found["r25_L2com"] / h, found["r98_L2com"] / h, 0.25, 0.98)
    return np.where(found["N"] >= SCALE_RADIUS_PARTICLES, radius, np.nan)


def _check_slabs(files: Sequence[AbacusFile]) -> None:
    """One time slice, without a slab missing in between."""
    first = files[0]
    for file in files[1:]:
        if file.redshift != first.redshift:
            raise InputError(
                f"{file.path}: its redshift is {file.redshift:g}, that of {first.path} {first.redshift:g}; "
                "a box is one time slice: name the files of one"
            )
    numbers = [re.search(r"_(\d+)$", file.path.stem) for file in files]
    slabs = [int(number[1]) for number in numbers if number]
    missing = sorted(set(range(min(slabs, default=0), max(slabs, default=0))) - set(slabs))
    if missing:
        raise InputError(f"{first.path.parent}: slab {missing[0]:03d} is missing; download it")


def _check_cleaning(path: Path) -> None:
    """There is a folder of cleaning files where abacusutils looks for it."""
    if not any((folder / "cleaning").is_dir() for folder in path.absolute().parents):
        raise InputError(
            f"{path}: no folder `cleaning` beside the simulation; download it, or take the halos as first found "
            "with `options: {cleaned: false}` in the entry"
        )
