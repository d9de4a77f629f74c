"""Reader of AbacusSummit halo light cones: CompaSO halos where they cross the past light cone of an observer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.abacus.files import (
    AbacusProduct,
    has_names,
    open_product,
    pieces_of,
    read_stored,
    signed,
)
from diffsky_factory.inputs.readers.reader import REQUIRED, Geometry, Piece, Rows, SimulationEntry
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import distance_table

FORMAT = "abacus_lightcone"
FIELDS = (
    "N_interp", "pos_interp", "pos_avg", "vel_interp", "vel_avg", "redshift_interp", "origin", "haloindex",
)  # fmt: skip
COPIES = 3  # of the box, along the light cone; `origin` counts on for halos that merge while they cross
DISTANCE_TOLERANCE = 1e-3  # relative, chosen: a wrong h or Omega_M shows at 1e-2
POSITION_TOLERANCE = 0.3  # Mpc/h, chosen: mean positions of particles are 0.1 from those of halos


def recognises(path: Path) -> bool:
    """Whether a file holds a halo light cone of AbacusSummit."""
    return has_names(path, ("ParticleMassHMsun", "LightConeOrigins", "pos_interp"))


@dataclass(frozen=True)
class AbacusLightcone:
    """Halos of the light cones of AbacusSummit, one file per time slice, `<sim>/z<z>/lc_halo_info.asdf`.

    Position and velocity are the means of a halo's particles where the product has them, interpolated between time
    slices elsewhere, as in abacusutils; the observer is the first of LightConeOrigins. Redshifts follow from
    the positions: those of the product agree with them to 1e-3 of the distance, or the file is refused. The catalogue
    is always a cleaned one, and has no satellites. Histories at few earlier slices (N_mainprog) are not read.

    replica is the copy of the box, 0 to 2. The id is the product's `haloindex`, unique over time slices.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry
    geometry: Geometry = "lightcone"

    @cached_property
    def _product(self) -> AbacusProduct:
        if self.entry.options:
            raise InputError(
                f"simulation '{self.entry.name}': no option {next(iter(self.entry.options))!r}; it has none"
            )
        product = open_product(self.files, self.entry, FIELDS)
        first = product.files[0]
        for file in product.files:
            origins = np.ravel(file.header.get("LightConeOrigins", []))
            if len(origins) < 3 or len(origins) % 3:
                raise InputError(f"{file.path}: no LightConeOrigins in the header; give the files of a halo light cone")
            if not np.array_equal(origins, np.ravel(first.header["LightConeOrigins"])):
                raise InputError(f"{file.path}: LightConeOrigins are not those of {first.path}; give files of one cone")
        return product

    @property
    def cosmology(self) -> Cosmology:
        """Flat, Om0, h, w0 and wa of the files."""
        return self._product.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column."""
        return {**REQUIRED, "replica": np.int64}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        header = self._product.files[0].header
        return {
            "name": self.entry.name or header["SimName"],
            "mass_definition": self.entry.mass_definition
            or "particles of the cleaned CompaSO halo of first level (L1), virial overdensity",
            "box_size": self._product.box_size,
            "particle_mass": self._product.particle_mass,
            "satellites": "none",
            "cleaned": True,
        }

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows of each file."""
        return pieces_of(self._product.files)

    def read(self, piece: Piece) -> Rows:
        """One piece: halos that have particles where they cross the light cone.

        x, y, z : Mpc, comoving, from the observer; vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun), of the number of particles interpolated to the crossing (N_interp)
        """
        product = self._product
        found = read_stored(piece, FIELDS)
        kept = found["N_interp"] > 0
        found = {name: values[kept] for name, values in found.items()}
        observer = np.ravel(product.files[0].header["LightConeOrigins"])[:3]
        position = (_mean_or_interpolated(found, "pos") - observer) / product.cosmology.h
        _check_distances(piece, product.cosmology, position, found["redshift_interp"].astype(np.float64))
        ids = signed(piece.file, found["haloindex"])
        columns = {"simulation_halo_id": ids, "simulation_host_halo_id": ids.copy()}
        columns |= dict(zip("xyz", position.T, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), _mean_or_interpolated(found, "vel").T, strict=True))
        columns["log10_halo_mass"] = np.log10(found["N_interp"] * product.particle_mass)
        columns["replica"] = found["origin"].astype(np.int64) % COPIES
        dropped = {"no particles at the crossing": int(np.sum(~kept))} if not kept.all() else {}
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
