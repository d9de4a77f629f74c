"""Reader of OpenCosmo files: halos of a box or a light cone, or galaxies of a diffsky light cone with their halos.

Format: the HDF5 layout of the OpenCosmo toolkit, https://opencosmo.readthedocs.io; units are texts at each column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.growth_check import check_growth
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.common.shells import FEWEST_HOSTS, Span, gaps
from diffsky_factory.inputs.readers.common.sky_checks import check_directions, check_distances
from diffsky_factory.inputs.readers.common.snapshots import inside_box
from diffsky_factory.inputs.readers.opencosmo import files as opencosmo_files
from diffsky_factory.inputs.readers.opencosmo.files import Dataset, data_types, datasets
from diffsky_factory.inputs.readers.opencosmo.units import Factor, factor
from diffsky_factory.inputs.readers.reader import Geometry, Piece, Reader, Rows
from diffsky_factory.inputs.readers.simulation_entry import agreed
from diffsky_factory.physics.halos.growth import HaloGrowth

HALOS, GALAXIES = "halo_properties", "synthetic_galaxies"
KINDS = {HALOS: HALOS, GALAXIES: GALAXIES, "diffsky_fits": GALAXIES}
USUAL = {
    HALOS: {
        "simulation_halo_id": "fof_halo_tag",
        **{axis: f"fof_halo_center_{axis}" for axis in "xyz"},
        **{f"v{axis}": f"fof_halo_com_v{axis}" for axis in "xyz"},
        "log10_halo_mass": "fof_halo_mass",
        "redshift": "redshift",
        "replica": "replication",
    },
    GALAXIES: {
        "simulation_halo_id": "gal_id",
        **{name: name for name in ("x", "y", "z", "vx", "vy", "vz")},
        "log10_halo_mass": "logmp_obs",
        "redshift": "redshift_true",
    },
}
SCALE_FACTOR = "fof_halo_center_a"  # where a light cone has no redshift
FIT = HaloGrowth._fields
DATASET = 40  # bits of a row, below the number of its dataset, in an id that is made where there is none


class Part(NamedTuple):
    """Rows of one dataset, open, that are read together."""

    dataset: Dataset
    number: int  # of the dataset, over all files
    data: Any  # h5py group
    start: int
    stop: int
    h: float

    def column(self, name: str) -> np.ndarray:
        """A column of the part, in its own unit."""
        return hdf5.dataset(self.data, name, self.dataset.rows)[self.start : self.stop]

    def unit(self, name: str, target: str) -> Factor:
        """What the unit of a column is in one of ours, without h; raises InputError where it has none."""
        text = self.data[name].attrs.get("unit", "")
        text, place = text.decode() if isinstance(text, bytes) else str(text), f"{self.dataset.path}, column {name}"
        if text in ("", "None"):
            raise InputError(f"{place}: has no unit; give it the attribute 'unit', such as {target!r}")
        return factor(text, target, self.h, place)

    def measured(self, name: str, target: str, redshift: np.ndarray | float = 0.0) -> np.ndarray:
        """A column in one of our units: lengths comoving, velocities physical; logarithms stay so."""
        values = self.column(name).astype(np.float64)
        unit = self.unit(name, target)
        self.refuse(~np.isfinite(values), name, values, "not finite; is the file damaged?")
        if unit.log10:
            return values + np.log10(unit.value)
        values = values * unit.value
        if target == "km / s" and unit.comoving:
            return values / (1.0 + redshift)
        if target == "Mpc" and self.dataset.convention == "physical" and not unit.comoving:
            return values * (1.0 + redshift)
        return values

    def refuse(self, bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
        """Raise an InputError for the first bad row."""
        hdf5.refuse(self.dataset.path, self.start, bad, name, values, problem)


@dataclass(frozen=True)
class OpenCosmo(Reader):
    """Halos or galaxies of OpenCosmo files; all files are of one kind, and of one snapshot where they show a box.

    halo_properties: each halo is a host; there are no subhalos. synthetic_galaxies (or diffsky_fits): halos, subhalos
    and their growth; hosts are rows of the same dataset. Their id is gal_id, or else number of the dataset and row.
    """

    format = "opencosmo"
    title = "OpenCosmo"

    class Options(Reader.Options):
        """data_type : which of the two is read, where a file has both"""

        data_type: Literal["halo_properties", "synthetic_galaxies"] | None = None

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is an OpenCosmo file with halos or galaxies in it."""
        try:
            return hdf5.is_hdf5(path) and bool(data_types(Path(path)) & set(KINDS))
        except InputError:
            return False

    @property
    def geometry(self) -> Geometry:
        """As the header says."""
        return "lightcone" if self._datasets[0].is_lightcone else "box"

    @property
    def usual_names(self) -> Mapping[str, str]:
        """Those of the kind that is read."""
        return USUAL[self._datasets[0].kind]

    @property
    def mass_definition(self) -> str:
        """By the name of its column."""
        return f"{self.names['log10_halo_mass']} of HACC"

    @property
    def file_cosmology(self) -> dict[str, float]:
        """That of the headers."""
        return self._datasets[0].cosmology

    @property
    def file_box_size(self) -> float | None:
        """[Mpc]."""
        size = self._datasets[0].box_size
        return None if size is None else size / self.cosmology.h

    @property
    def redshift(self) -> float | None:
        """Of the header of a box."""
        if self.geometry == "lightcone":
            return None
        return agreed("redshift", None, self._datasets[0].redshift, self.path)

    @cached_property
    def missing_shells(self) -> dict[str, tuple[float, float]]:
        """Gaps between the ranges of redshift of the headers, where all datasets have one."""
        return gaps(Span(f"{one.path}{one.place}", FEWEST_HOSTS, *one.z_range) for one in self._told)

    @property
    def _told(self) -> tuple[Dataset, ...]:
        """The datasets of a light cone, where the headers of all tell their redshifts; none, where one does not."""
        told = self.geometry == "lightcone" and all(one.z_range is not None for one in self._datasets)
        return self._datasets if told else ()

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """data_type; redshift_range of a light cone, where the headers tell it."""
        ranges = [one.z_range for one in self._told]
        told = {"redshift_range": (min(low for low, _ in ranges), max(high for _, high in ranges))} if ranges else {}
        return {"data_type": self._datasets[0].kind, **told}

    @cached_property
    def extra_columns(self) -> Sequence[str]:
        """redshift, replica, first host and fits of growth where the first file has them."""
        first, names = self._datasets[0], self.names
        with hdf5.opened(first.path) as file:
            there = set(hdf5.group(file[first.place], "data"))
        found: list[str] = []
        if first.is_lightcone and there & {names["redshift"], SCALE_FACTOR}:
            found.append("redshift")
        if first.is_lightcone and names.get("replica") in there:
            found.append("replica")
        if first.kind == GALAXIES and "secondary_top_host_idx" in there:
            found.append("simulation_penultimate_host_halo_id")
        if first.kind == GALAXIES and {*FIT, "has_diffmah_fit"} <= there:
            found += ["has_mah_fit", "fitted_mah_parameters"]
        return tuple(found)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows, counted over the datasets of each file."""
        size = self.rows_of_piece
        return [piece for dataset in self._datasets for piece in opencosmo_files.pieces(dataset, size)]

    def convert(self, piece: Piece) -> Rows:
        """Rows of a piece."""
        number, dataset = next(
            (number, dataset)
            for number, dataset in enumerate(self._datasets)
            if str(dataset.path) == piece.file and dataset.first <= piece.first < dataset.first + dataset.rows
        )
        with hdf5.opened(dataset.path) as file:
            data = hdf5.group(file[dataset.place], "data")
            part = Part(
                dataset, number, data, piece.first - dataset.first, piece.last - dataset.first, self.cosmology.h
            )
            columns, reasons = self._columns(part)
        return kept({name: columns[name] for name in self.columns}, reasons)

    def _columns(self, part: Part) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Our columns of all rows, and reasons to leave some out."""
        names = self.names
        redshift = self._redshift(part)
        mass, massless = _mass(part, names["log10_halo_mass"])
        columns = {**self._phase(part, redshift), "redshift": redshift, "log10_halo_mass": mass}
        reasons = {"without a mass": massless}
        ids = _ids(part, names["simulation_halo_id"])
        columns["simulation_halo_id"] = columns["simulation_host_halo_id"] = ids
        if part.dataset.kind == GALAXIES:
            host, known = _hosts(part, names["simulation_halo_id"], ids, "top_host_idx")
            central = part.column("central") == 1
            columns["simulation_host_halo_id"] = np.where(known, host, ids)
            reasons["satellites without a known host"] = ~known & ~central
            if "simulation_penultimate_host_halo_id" in self.columns:
                first, told = _hosts(part, names["simulation_halo_id"], ids, "secondary_top_host_idx")
                columns["simulation_penultimate_host_halo_id"] = np.where(told, first, np.where(known, host, ids))
        if "replica" in self.columns:
            columns["replica"] = integers(part.column(names["replica"]), names["replica"], part.dataset.path)
        if "has_mah_fit" in self.columns:
            fits, fitted = _growth(part)
            columns |= {"has_mah_fit": fitted, "fitted_mah_parameters": fits}
            if part.dataset.is_lightcone:
                some, remedy = fitted & ~massless, "is the mass column that of the fits, and are both without h?"
                check_growth(fits[some], mass[some], redshift[some], self.cosmology, part.dataset.path, remedy)
        return columns, reasons

    def _redshift(self, part: Part) -> np.ndarray | float:
        """Of each row of a light cone; of the snapshot of a box."""
        if not part.dataset.is_lightcone:
            return self.redshift
        name = self.names["redshift"]
        if name in part.data or SCALE_FACTOR not in part.data:
            redshift = part.column(name).astype(np.float64)
        else:
            redshift = 1.0 / part.column(SCALE_FACTOR).astype(np.float64) - 1.0
        part.refuse(~((redshift > 0.0) & (redshift < 20.0)), name, redshift, "it must be positive; drop the row")
        return redshift

    def _phase(self, part: Part, redshift: np.ndarray | float) -> dict[str, np.ndarray]:
        """Positions and velocities, checked against box, angles and redshifts."""
        names = self.names
        phase = {axis: part.measured(names[axis], "Mpc", redshift) for axis in "xyz"}
        phase |= {axis: part.measured(names[axis], "km / s", redshift) for axis in ("vx", "vy", "vz")}
        if not part.dataset.is_lightcone:
            position = {axis: phase[axis] for axis in "xyz"}

            def refuse(bad: np.ndarray, name: str, problem: str) -> None:
                part.refuse(bad, names[name], phase[name], f"[Mpc] {problem}")

            return phase | inside_box(position, 1.0, self.box_size, refuse)
        position = np.stack([phase[axis] for axis in "xyz"], axis=-1)
        part.refuse(~position.any(axis=-1), "x, y, z", position, "at the observer there is no direction; drop the row")
        check_distances(position, redshift, self.cosmology, part.dataset.path)
        if {"ra", "dec"} <= set(part.data):
            ra, dec = (part.measured(name, "deg") for name in ("ra", "dec"))
            if check_directions(position, ra, dec, part.dataset.path):
                raise InputError(
                    f"{part.dataset.path}: ra is turned by half a circle against the positions, as diffsky before "
                    "0.3.7 wrote it, whose velocities are comoving too; get a newer version of the mock"
                )
        return phase

    @cached_property
    def _datasets(self) -> tuple[Dataset, ...]:
        wanted = self.options.data_type
        found = [dataset for path in self.files for dataset in datasets(path, KINDS, wanted)]
        for one, other in pairwise(found):
            _refuse_difference(one, other)
        return tuple(found)


def _refuse_difference(one: Dataset, other: Dataset) -> None:
    """Raise an InputError where two datasets cannot be of one product."""
    same = ["kind", "is_lightcone", "cosmology", "box_size"] + ([] if one.is_lightcone else ["redshift"])
    for name in same:
        if getattr(one, name) != getattr(other, name):
            raise InputError(
                f"{other.path}{other.place}: has {name} {getattr(other, name)}, {one.path}{one.place} has "
                f"{getattr(one, name)}; give the entry files of one product, and of one snapshot of a box"
            )


def _mass(part: Part, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mass [dex(Msun)] and whether there is none, as where a spherical overdensity was not found."""
    values = part.measured(name, "solMass")
    return values if part.unit(name, "solMass").log10 else log10(values), values <= 0.0


def _ids(part: Part, name: str) -> np.ndarray:
    """Id of each row: that of the file, or made of the number of the dataset and the row."""
    if name not in part.data and part.dataset.kind == GALAXIES:
        return (part.number << DATASET) | np.arange(part.start, part.stop, dtype=np.int64)
    ids = integers(part.column(name), name, part.dataset.path)
    part.refuse(ids < 0, name, ids, "an id is not negative; name another column in the entry's 'columns'")
    return ids


def _hosts(part: Part, id_name: str, ids: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the halos that are given by their row in the dataset, and whether they are given."""
    row = integers(part.column(name), name, part.dataset.path)
    rows = part.dataset.rows
    part.refuse((row < -1) | (row >= rows), name, row, f"neither -1 nor one of the {rows} rows; is the file complete?")
    known, here = row >= 0, (row >= part.start) & (row < part.stop)
    found = np.full(len(row), -1, np.int64)
    found[here] = ids[row[here] - part.start]
    far = known & ~here
    if far.any():
        made = id_name not in part.data
        found[far] = (part.number << DATASET) | row[far] if made else hdf5.values_at(part.data[id_name], row[far])
    return found, known


def _growth(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Fits of growth, (n, 5), the defaults where there is none; and whether there is one."""
    fits = np.stack([part.column(name).astype(np.float64) for name in FIT], axis=-1)
    fitted = part.column("has_diffmah_fit").astype(bool)
    part.refuse(fitted & ~np.isfinite(fits).all(axis=-1), "logm0, ..", fits, "not finite; is the file damaged?")
    fits[~fitted] = HaloGrowth()
    return fits, fitted
