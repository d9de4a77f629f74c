"""Reader of AbacusSummit boxes: CompaSO halos of one time slice."""

import re
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
    read_unpacked,
    signed,
)
from diffsky_factory.inputs.readers.common.nfw_radii import scale_radius
from diffsky_factory.inputs.readers.common.wrapping import into_box
from diffsky_factory.inputs.readers.reader import REQUIRED, Geometry, Piece, Rows, SimulationEntry
from diffsky_factory.sky.cosmology import Cosmology

FORMAT = "abacus_box"
OPTIONS = {"cleaned": True, "scale_radius": False}
FIELDS = ("id", "N", "x_L2com", "v_L2com", "vcirc_max_L2com")
RADII = ("r25_L2com", "r98_L2com")
STORED = (*FIELDS, "r100_L2com", "r25_L2com_i16", "r98_L2com_i16")  # names on disk of the above
# chosen: 50 particles inside the smaller radius, whose ratio is then good to about 15 percent
SCALE_RADIUS_PARTICLES = 200


def recognises(path: Path) -> bool:
    """Whether a file holds CompaSO halos of a box."""
    return has_names(path, ("ParticleMassHMsun", "x_L2com", "id")) and not has_names(path, ("pos_interp",))


@dataclass(frozen=True)
class AbacusBox:
    """Halos of one time slice of an AbacusSummit box, `<sim>/halos/z<z>/halo_info/halo_info_<nnn>.asdf`.

    Position and velocity are those of the largest subhalo of second level (`x_L2com`, `v_L2com`), as near to a galaxy
    as the product comes. There are no other subhalos: every halo is a host. The mass is the number of particles of the
    halo times their mass, at the time of the slice.

    Options of the entry
        cleaned (true): numbers of particles from the `cleaning` folder beside the product; halos that it merged into
            others are dropped. False takes the halos as they were first found.
        scale_radius (false): adds halo_scale_radius, from the radii that hold 98 and 25 percent of the particles as
            of an NFW profile; NaN below 200 particles and where the ratio is that of no profile of concentration 1
            to 100.
    """

    files: tuple[Path, ...]
    entry: SimulationEntry
    geometry: Geometry = "box"

    @cached_property
    def _product(self) -> AbacusProduct:
        unknown = sorted(set(self.entry.options) - set(OPTIONS))
        if unknown:
            raise InputError(f"simulation '{self.entry.name}': no option {unknown[0]!r}; known: {', '.join(OPTIONS)}")
        product = open_product(self.files, self.entry, STORED)
        _check_slabs(product)
        if self._option("cleaned"):
            _check_cleaning(product)
        return product

    @property
    def cosmology(self) -> Cosmology:
        """Flat, Om0, h, w0 and wa of the files."""
        return self._product.cosmology

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column."""
        radius = {"halo_scale_radius": np.float64} if self._option("scale_radius") else {}
        return {**REQUIRED, "halo_vmax": np.float64, **radius}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        product = self._product
        header = product.files[0].header
        return {
            "name": self.entry.name or header["SimName"],
            "mass_definition": self.entry.mass_definition or mass_definition(header),
            "box_size": product.box_size,
            "redshift": product.files[0].redshift,
            "particle_mass": product.particle_mass,
            "density_threshold": header["SODensityL1"],  # over the mean matter density at this redshift
            "satellites": "none",
            "cleaned": self._option("cleaned"),
        }

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows of each slab."""
        return pieces_of(self._product.files)

    def read(self, piece: Piece) -> Rows:
        """One piece: halos with at least one particle.

        simulation_halo_id : unique in the slice; simulation_host_halo_id : the same
        x, y, z : Mpc, comoving, [0, box_size); vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun); halo_vmax : km/s; halo_scale_radius : Mpc, comoving
        """
        product, radii = self._product, self._option("scale_radius")
        fields = (*FIELDS, *(RADII if radii else ()))
        found = read_unpacked(piece, fields, self._option("cleaned"))
        particles = found["N"]
        kept = particles > 0
        found = {name: values[kept] for name, values in found.items()}
        columns = self._columns(piece, found)
        if radii:
            columns["halo_scale_radius"] = _scale_radius(found, product.cosmology.h)
        why = "merged into another halo by the cleaning" if self._option("cleaned") else "no particles"
        return Rows(columns, {why: int(np.sum(~kept))} if not kept.all() else {})

    def _columns(self, piece: Piece, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        product = self._product
        ids = signed(piece.file, found["id"])
        position = np.asarray(found["x_L2com"], np.float64) / product.cosmology.h
        _check_positions(piece, position, product.box_size)
        columns = {"simulation_halo_id": ids, "simulation_host_halo_id": ids.copy()}
        columns |= dict(zip("xyz", into_box(position, product.box_size).T, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), np.asarray(found["v_L2com"], np.float64).T, strict=True))
        columns["log10_halo_mass"] = np.log10(found["N"] * product.particle_mass)
        columns["halo_vmax"] = np.asarray(found["vcirc_max_L2com"], np.float64)
        return columns

    def _option(self, name: str) -> bool:
        value = self.entry.options.get(name, OPTIONS[name])
        if not isinstance(value, bool):
            raise InputError(f"simulation '{self.entry.name}': option {name} is {value!r}; give true or false")
        return value


def mass_definition(header: dict[str, Any]) -> str:
    """Of CompaSO, in words; the density threshold is that of the time slice."""
    return (
        "particles of the CompaSO halo of first level (L1), spherical overdensity of "
        f"{header['SODensityL1']:.4g} times the mean matter density at this redshift"
    )


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


def _check_slabs(product: AbacusProduct) -> None:
    """One time slice, without a slab missing in between."""
    first = product.files[0]
    for file in product.files[1:]:
        if file.redshift != first.redshift:
            raise InputError(
                f"{file.path}: its redshift is {file.redshift:g}, that of {first.path} {first.redshift:g}; "
                "a box is one time slice: name the files of one"
            )
    numbers = [re.search(r"_(\d+)$", file.path.stem) for file in product.files]
    slabs = [int(number[1]) for number in numbers if number]
    missing = sorted(set(range(min(slabs, default=0), max(slabs, default=0))) - set(slabs))
    if missing:
        raise InputError(f"{first.path.parent}: slab {missing[0]:03d} is missing; download it")


def _check_cleaning(product: AbacusProduct) -> None:
    """There is a folder of cleaning files where abacusutils looks for it."""
    path = product.files[0].path.absolute()
    if not any((folder / "cleaning").is_dir() for folder in path.parents):
        raise InputError(
            f"{path}: no folder `cleaning` beside the simulation; download it, or take the halos as first found "
            "with `options: {cleaned: false}` in the entry"
        )
