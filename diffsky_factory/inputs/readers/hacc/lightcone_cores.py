"""Reader of light cones of HACC cores: halos and subhalos, also disrupted ones, with fits of their growth.

Format: files of `patches`; groups `data` (one row per core) and `index` (one per host halo). Positions comoving
Mpc/h around the observer, velocities comoving km/s, masses Msun/h.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.common.dropping import kept, log10
from diffsky_factory.inputs.readers.common.growth_check import check_growth
from diffsky_factory.inputs.readers.common.ids import integers
from diffsky_factory.inputs.readers.common.sky_checks import check_directions, check_distances
from diffsky_factory.inputs.readers.hacc.patches import CORES, Patch, decomposition, patches, regions_of, turned
from diffsky_factory.inputs.readers.reader import Piece, Reader, Rows
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.halos.growth_fit import LARGEST_RMS
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.regions import region

FIT = HaloGrowth._fields
QUALITY = ("loss", "n_points_per_fit")
FEWEST_POINTS = 4  # a history of so many points or fewer says nothing of five numbers
LOOKED_AT = 4096  # cores, chosen: of a patch, to see on which side of the sky it lies
REPLICATION = 41  # bits of the halo's tag in index/unique_id, below the number of the copy of the box


class Part(NamedTuple):
    """Rows of one file, open, that are read together."""

    path: Path
    data: Any  # h5py group
    beside: Any  # h5py file, or None
    start: int
    stop: int
    copy: np.ndarray | None  # (rows,) number of the copy of the box

    def column(self, name: str) -> np.ndarray:
        """A column of the part, of the file itself or of the one beside it."""
        elsewhere = name not in self.data and self.beside is not None and name in self.beside
        home = self.beside if elsewhere else self.data
        return hdf5.dataset(home, name, len(self.data["core_tag"]))[self.start : self.stop]

    def refuse(self, bad: np.ndarray, name: str, values: np.ndarray, problem: str) -> None:
        """Raise an InputError for the first bad row."""
        hdf5.refuse(self.path, self.start, bad, name, values, problem)


@dataclass(frozen=True)
class HaccLightconeCores(Reader):
    """Cores on a light cone. The entry must give Om0 and h; the footprint is of the decomposition, where it is there.

    Hosts are given as rows of the file and become ids; a host that was lost keeps its id. A core that no history was
    found for in the core forest, or whose velocity was not, is left out. Cores repeat with the box: `replica`.
    """

    format = "hacc_lightcone_cores"
    title = "HACC light cone"
    geometry = "lightcone"
    usual_names = MappingProxyType({"log10_halo_mass": "mp_obs"})
    mass_definition = "largest friends-of-friends mass so far of the core"

    class Options(Reader.Options):
        """mah_fits : the unit that the fits of growth were made in, by default that of the masses of the files. It is
        checked: at the time of observation the fits must give the mass of the core.
        """

        mah_fits: Literal["Msun/h", "Msun"] = "Msun/h"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a file is called as light cones of cores are, and is HDF5."""
        return re.fullmatch(CORES, Path(path).name) is not None and hdf5.is_hdf5(path)

    @property
    def path(self) -> Path:
        """The first patch."""
        return self._patches[0].path

    @cached_property
    def extra_columns(self) -> Sequence[str]:
        """The copy of the box and the first host where the first file has them; redshift, fits of growth."""
        patch = self._patches[0]
        with hdf5.opened(patch.path) as file:
            data = hdf5.group(file, "data")
            first_host = ("simulation_penultimate_host_halo_id",) if "secondary_top_host_idx" in data else ()
            copy = ("replica",) if "index/unique_id" in file else ()
            absent = [name for name in (*FIT, self.names["log10_halo_mass"]) if name not in data]
        if absent and patch.beside is None:
            raise InputError(
                f"{patch.path}: no column {absent[0]}, and no {patch.path.stem}.diffsky_data.hdf5 beside it that would "
                "have it; put it there"
            )
        return (*first_host, *copy, "redshift", "has_mah_fit", "fitted_mah_parameters")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._decomposition

    @cached_property
    def _decomposition(self) -> dict[int, dict] | None:
        """Number of each patch that is there -> the patch as it is told; None without a decomposition."""
        table, numbers = decomposition(self.files), sorted({patch.number for patch in self._patches})
        return None if table is None else dict(zip(numbers, regions_of(table, numbers), strict=True))

    @cached_property
    def missing_shells(self) -> dict[str, tuple[float, float]]:
        """Steps of the entry without files, the last one aside, at which the last shell ends."""
        steps = sorted(self.entry.steps)
        there = {patch.step: patch for patch in self._patches}
        unknown = sorted(set(there) - set(steps))
        if steps and unknown:
            raise InputError(
                f"{there[unknown[0]].path}: step {unknown[0]} is not among the steps of the entry "
                f"'{self.entry.name}'; give it all of them with their scale factors, or leave `steps` out"
            )
        scale = [self.entry.steps[step] for step in steps]
        if any(not 0.0 < one < other for one, other in pairwise(scale)):
            raise InputError(f"entry '{self.entry.name}', steps: scale factors {scale} are to ascend with the steps")
        redshift = {step: 1.0 / self.entry.steps[step] - 1.0 for step in steps}
        return {
            f"step {step}, lc_cores-{step}.*.hdf5": (redshift[later], redshift[step])
            for step, later in pairwise(steps)
            if step not in there
        }

    @cached_property
    def footprint(self) -> list[dict] | None:
        """The patches where their cores are: an older decomposition is turned by half a circle, as phi is."""
        found = self._decomposition
        if found is None:
            return None
        for patch in self._patches:
            as_told, opposite = (
                _share_inside(patch.path, side) for side in (found[patch.number], turned(found[patch.number]))
            )
            if as_told != opposite:
                return list(found.values()) if as_told > opposite else [turned(one) for one in found.values()]
        return list(found.values())

    def pieces(self) -> Sequence[Piece]:
        """Ranges of host halos of the files, or of rows where a file has no index."""
        found = []
        for patch in self._patches:
            with hdf5.opened(patch.path) as file:
                rows = len(hdf5.dataset(hdf5.group(file, "data"), "core_tag"))
                units = len(hdf5.dataset(file["index"], "offset")) if "index" in file else rows
            parts = max(1, -(-rows // self.rows_of_piece))
            borders = [units * part // parts for part in range(parts + 1)]
            found += [Piece(str(patch.path), first, last) for first, last in pairwise(borders) if last > first]
        return found

    def convert(self, piece: Piece) -> Rows:
        """Cores of a range of host halos."""
        patch = next(patch for patch in self._patches if str(patch.path) == piece.file)
        with ExitStack() as stack:
            file = stack.enter_context(hdf5.opened(patch.path))
            beside = stack.enter_context(hdf5.opened(patch.beside)) if patch.beside else None
            part = _part(patch.path, file, beside, piece)
            return kept(*self._columns(part))

    def _columns(self, part: Part) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Our columns of all rows, and reasons to leave some out."""
        tag = integers(part.column("core_tag"), "core_tag", part.path)
        part.refuse(tag < 0, "core_tag", tag, "an id is not negative; is it a core of the simulation?")
        host, lost = _top_hosts(part, tag)
        mass = part.column(self.names["log10_halo_mass"])
        phase, still = self._phase(part)
        growth, fitted = self._growth(part, mass, phase["redshift"])
        columns = {
            "simulation_halo_id": tag,
            "simulation_host_halo_id": host,
            **phase,
            "log10_halo_mass": log10(mass) - np.log10(self.cosmology.h),
            "has_mah_fit": fitted,
            "fitted_mah_parameters": growth,
        }
        if "replica" in self.columns:
            columns["replica"] = _copies(part)
        if "simulation_penultimate_host_halo_id" in self.columns:
            first, known = _tags(part, "secondary_top_host_idx", tag)
            columns["simulation_penultimate_host_halo_id"] = np.where(known, first, host)
        reasons = {
            "not matched in the core forest": _unmatched(part, mass),
            "without a velocity": still,
            "satellites without a known host": lost,
        }
        return columns, reasons

    def _phase(self, part: Part) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Positions [Mpc], velocities [km/s physical], redshift; and which velocities were not found."""
        scale = part.column("scale_factor").astype(np.float64)
        part.refuse(~((scale > 0.0) & (scale <= 1.0)), "scale_factor", scale, "it must lie between 0 and 1")
        position = np.stack([part.column(axis).astype(np.float64) for axis in "xyz"], axis=-1) / self.cosmology.h
        velocity = np.stack([part.column(axis).astype(np.float64) for axis in ("vx", "vy", "vz")], axis=-1)
        for name, values in (("x, y, z", position), ("vx, vy, vz", velocity)):
            part.refuse(~np.isfinite(values).all(axis=-1), name, values, "not finite; is the file damaged?")
        part.refuse(~position.any(axis=-1), "x, y, z", position, "a core at the observer has no direction; drop it")
        redshift = 1.0 / scale - 1.0
        if len(scale):
            # positions are what counts; a phi that is turned by half a circle against them is known of older files
            ra, dec = np.rad2deg(part.column("phi")), 90.0 - np.rad2deg(part.column("theta"))
            check_directions(position, ra.astype(np.float64), dec.astype(np.float64), part.path)
            check_distances(position, redshift, self.cosmology, part.path)
        still = ~velocity.any(axis=-1)
        velocity *= scale[:, None]
        names = ("x", "y", "z", "vx", "vy", "vz")
        return {**dict(zip(names, [*position.T, *velocity.T], strict=True)), "redshift": redshift}, still

    def _growth(self, part: Part, mass: np.ndarray, redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fits of growth, (n, 5), the defaults where there is none; and whether there is one."""
        fits = np.stack([part.column(name).astype(np.float64) for name in FIT], axis=-1)
        loss, points = (part.column(name) for name in QUALITY)
        fitted = (points > FEWEST_POINTS) & (loss > 0.0) & (loss < LARGEST_RMS**2) & (fits[:, 0] > 0.0)
        part.refuse(fitted & ~np.isfinite(fits).all(axis=-1), "fit", fits, "not finite; is the file damaged?")
        if self.options.mah_fits == "Msun/h":
            fits[:, 0] -= np.log10(self.cosmology.h)
        some = fitted & (mass > 0.0)
        seen = np.log10(mass[some].astype(np.float64) / self.cosmology.h)
        remedy = "give the entry the option mah_fits, Msun/h or Msun, that they were made in"
        check_growth(fits[some], seen, redshift[some], self.cosmology, part.path, remedy)
        fits[~fitted] = HaloGrowth()
        return fits, fitted

    @cached_property
    def _patches(self) -> tuple[Patch, ...]:
        return patches(self.files)


def _part(path: Path, file, beside, piece: Piece) -> Part:
    """The rows of a piece; raises InputError where the index does not tile the rows."""
    data = hdf5.group(file, "data")
    rows = len(hdf5.dataset(data, "core_tag"))
    if "index" not in file:
        return Part(path, data, beside, piece.first, piece.last, None)
    index = hdf5.group(file, "index")
    halos = len(hdf5.dataset(index, "offset"))
    chosen = slice(piece.first, piece.last)
    offset, count = (
        integers(hdf5.dataset(index, name, halos)[chosen], f"index/{name}", path) for name in ("offset", "count")
    )
    start, stop = int(offset[0]), int(offset[-1] + count[-1])
    whole = (piece.first > 0 or start == 0) and (piece.last < halos or stop == rows)
    if not whole or stop > rows or np.any(offset[1:] != offset[:-1] + count[:-1]):
        raise InputError(
            f"{path}: index/offset and index/count do not follow each other from row 0 to row {rows} of data "
            f"(halos {piece.first} to {piece.last}: rows {start} to {stop}); is the file complete?"
        )
    copy = None
    if "unique_id" in index:
        unique = hdf5.dataset(index, "unique_id", halos)[chosen].astype(np.uint64)
        copy = np.repeat((unique >> np.uint64(REPLICATION)).astype(np.int64), count)
    return Part(path, data, beside, start, stop, copy)


def _share_inside(path: Path, patch: dict) -> float:
    """Share of the first cores of a file whose positions lie in a patch; 0 where there are none."""
    with hdf5.opened(path) as file:
        data = hdf5.group(file, "data")
        rows = len(hdf5.dataset(data, "core_tag"))
        seen = [hdf5.dataset(data, axis, rows)[:LOOKED_AT].astype(np.float64) for axis in "xyz"]
    position = np.stack(seen, axis=-1)
    position = position[position.any(axis=-1) & np.isfinite(position).all(axis=-1)]
    ra, dec, _ = coordinates.sky(position)
    return float(region(patch).inside(ra, dec).mean()) if len(position) else 0.0


def _copies(part: Part) -> np.ndarray:
    if part.copy is None:
        raise InputError(f"{part.path}: no index/unique_id, which the first file has; are all of one product?")
    return part.copy


def _tags(part: Part, name: str, tag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tags of cores that are given by their row in the file, and whether they are given."""
    row = integers(part.column(name), name, part.path)
    total = len(part.data["core_tag"])
    part.refuse(
        (row < -1) | (row >= total), name, row, f"neither -1 nor one of the {total} rows; is the file complete?"
    )
    found, near_by = np.full(len(row), -1, np.int64), (row >= part.start) & (row < part.stop)
    found[near_by] = tag[row[near_by] - part.start]
    far = (row >= 0) & ~near_by
    if far.any():
        found[far] = hdf5.values_at(part.data["core_tag"], row[far])
    return found, row >= 0


def _top_hosts(part: Part, tag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Id of the host at the top, the own for hosts; and where none is known, of a satellite."""
    host, known = _tags(part, "top_host_idx", tag)
    told = np.full(len(tag), -1)
    if "top_host_tag" in part.data:
        told = integers(part.column("top_host_tag"), "top_host_tag", part.path)
        wrong = known & (told > 0) & (told != host)
        part.refuse(
            wrong, "top_host_tag", told, "not the core in row top_host_idx; are the rows those of the original?"
        )
    central = part.column("central") == 1
    host = np.where(known, host, np.where(central, tag, np.where(told > 0, told, tag)))
    return host, ~known & ~central & (told <= 0)


def _unmatched(part: Part, mass: np.ndarray) -> np.ndarray:
    """Cores without a mass, or that are not exactly one core of the core forest."""
    if part.beside is not None and "n_cf_match" in part.beside:
        return ~(mass > 0.0) | (part.column("n_cf_match") != 1)
    return ~(mass > 0.0)
