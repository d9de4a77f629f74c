"""Reader of AbacusSummit halo light cones: CompaSO halos where they cross the past light cone of an observer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.abacus.files import AbacusReader, has_names, read_stored
from diffsky_factory.inputs.readers.common.dropping import kept
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.reader import Piece, Rows
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import distance_table

FIELDS = (
    "N_interp", "pos_interp", "pos_avg", "vel_interp", "vel_avg", "redshift_interp", "origin", "haloindex",
)  # fmt: skip
COPIES = 3  # of the box, along the light cone; `origin` counts on for halos that merge while they cross
DISTANCE_TOLERANCE = 1e-3  # relative, chosen: a wrong h or Omega_M shows at 1e-2
POSITION_TOLERANCE = 0.3  # Mpc/h, chosen: mean positions of particles are 0.1 from those of halos


@dataclass(frozen=True)
class AbacusLightcone(AbacusReader):
    """Halos of the light cones of AbacusSummit, one file per time slice, `<sim>/z<z>/lc_halo_info.asdf`.

    Position and velocity are the means of a halo's particles where the product has them, interpolated between time
    slices elsewhere, as in abacusutils; the observer is the first of LightConeOrigins. Redshifts follow from
    the positions: those of the product agree with them to 1e-3 of the distance, or the file is refused. The catalogue
    is always a cleaned one, and has no satellites. Histories at few earlier slices (N_mainprog) are not read.

    replica is the copy of the box, 0 to 2. The id is the product's `haloindex`, unique over time slices. The mass is
    that of the number of particles interpolated to the crossing (N_interp).
    """

    format = "abacus_lightcone"
    geometry = "lightcone"
    stored = FIELDS
    extra_columns = ("replica",)
    mass_definition = "particles of the cleaned CompaSO halo of first level (L1), virial overdensity"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file holds a halo light cone of AbacusSummit."""
        return has_names(path, ("ParticleMassHMsun", "LightConeOrigins", "pos_interp"))

    def __post_init__(self) -> None:
        super().__post_init__()
        for file in self.opened:
            origins = np.ravel(file.header.get("LightConeOrigins", []))
            if len(origins) < 3 or len(origins) % 3:
                raise InputError(f"{file.path}: no LightConeOrigins in the header; give the files of a halo light cone")
            if not np.array_equal(origins, np.ravel(self.header["LightConeOrigins"])):
                raise InputError(f"{file.path}: LightConeOrigins are not those of {self.path}; give files of one cone")

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """What it holds."""
        return {"satellites": "none", "cleaned": True}

    def convert(self, piece: Piece) -> Rows:
        """Halos of a piece that have particles where they cross the light cone."""
        found = read_stored(piece, FIELDS)
        found, dropped = kept(found, {"no particles at the crossing": found["N_interp"] <= 0})
        observer = np.ravel(self.header["LightConeOrigins"])[:3]
        position = (_mean_or_interpolated(found, "pos") - observer) / self.cosmology.h
        _check_distances(piece, self.cosmology, position, found["redshift_interp"].astype(np.float64))
        ids = integers(found["haloindex"], "haloindex", piece.file)
        columns = {
            "simulation_halo_id": ids,
            "simulation_host_halo_id": ids.copy(),
            **dict(zip("xyz", position.T)),
            **dict(zip(("vx", "vy", "vz"), _mean_or_interpolated(found, "vel").T)),
            "log10_halo_mass": np.log10(found["N_interp"] * self.particle_mass),
            "replica": found["origin"].astype(np.int64) % COPIES,
        }
        return Rows(columns, dropped)


def _mean_or_interpolated(found: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Position or velocity, (n, 3) float64: of the particles, and interpolated where their mean position is zero."""
    has_mean = found["pos_avg"].any(axis=1, keepdims=True)
    return np.where(has_mean, found[f"{name}_avg"], found[f"{name}_interp"]).astype(np.float64)


def _check_distances(piece: Piece, cosmology: Cosmology, position: np.ndarray, redshift: np.ndarray) -> None:
    """Positions (n, 3) Mpc, from the observer, have the distances of the redshifts."""
    if len(redshift) == 0:
        return
    radius = np.linalg.norm(position, axis=1)
    expected = distance_table(cosmology, float(max(redshift.max(), 0.0)) + 0.1)(np.log1p(np.maximum(redshift, 0.0)))
    off = np.abs(radius - expected) - DISTANCE_TOLERANCE * expected - POSITION_TOLERANCE / cosmology.h
    if np.any(off > 0.0):
        row = int(np.argmax(off))
        raise InputError(
            f"{piece.file}: a halo of redshift_interp {redshift[row]:g} at or after row {piece.first + row} is "
            f"{radius[row]:g} Mpc from the observer, its redshift in the cosmology of the header is at "
            f"{expected[row]:g} Mpc; are pos_interp Mpc/h, and is the header that of this file?"
        )
