"""Reader of plain tables of halos, columns and units of which the entry tells: Parquet, HDF5, FITS, Zarr, CSV, ECSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field

from diffsky_factory.core.columns import Column
from diffsky_factory.core.columns import columns as all_columns
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.inputs.readers.common.dropping import kept
from diffsky_factory.inputs.readers.reader import REQUIRED, Geometry, Piece, Reader, Rows
from diffsky_factory.inputs.readers.table.files import TableFile, guarded, open_table
from diffsky_factory.inputs.readers.table.units import TableColumn, conversion, converted, table_columns
from diffsky_factory.sky import coordinates
from diffsky_factory.sky.boxes import wrapped
from diffsky_factory.sky.distance_table import distance_table, redshift_table

ID, HOST = "simulation_halo_id", "simulation_host_halo_id"
SKY = ("ra", "dec", "redshift")
PLACE = ("x", "y", "z")
VELOCITY = ("vx", "vy", "vz")
MADE_LATER = {"halo_id", "host_halo_id", "galaxy_id", "is_central", "host_in_catalog", "redshift_obs"}
DISTANCE_TOLERANCE = 1e-3  # relative, chosen: a wrong h or Om0 shows at 1e-2
REDSHIFT_MAX = 20.0  # of the distance table


@dataclass(frozen=True)
class HaloTable(Reader):
    """Halos of plain tables, by their suffix `.parquet .hdf5 .fits .zarr .csv .ecsv .txt .dat`, with
    `.gz` where FITS or a text is packed; several are read as one.

    `columns` of the entry maps our names to {column, unit, log10}, or to a name where the file says the unit. Needed
    are x, y, z, or for a light cone ra, dec and the cosmological redshift in their place; vx, vy, vz;
    log10_halo_mass; simulation_host_halo_id, unless `hosts: all`. Without simulation_halo_id, the number of the row
    is the id. Any other column of `schemas/columns` may follow. `cosmology` of the entry must have Om0 and h, as a
    table has none. What the columns of a plain table are, only an entry tells, so it recognises no file.
    """

    format = "table"
    folders = True

    class Options(Reader.Options):
        """geometry : whether positions are of a periodic box or, from the observer, of a light cone
        velocities : physical peculiar ones, or comoving ones, which are physical over the scale factor
        redshift : of a box
        hosts : `all` where the table has no satellites and no column of hosts
        no_host : value in the column of hosts that marks a host
        missing : whether a row with a missing value is refused or dropped
        group : of HDF5 and Zarr, in which columns lie; of FITS, the number of the extension
        """

        geometry: Geometry
        velocities: Literal["physical", "comoving"]
        redshift: float | None = Field(default=None, ge=0.0)
        hosts: Literal["column", "all"] = "column"
        no_host: int = -1
        missing: Literal["refuse", "drop"] = "refuse"
        group: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self._factors

    @cached_property
    def options(self) -> Options:
        """Those of the entry; a box needs its size and redshift."""
        options = super().options
        if options.geometry == "box" and (options.redshift is None or self.entry.box_size is None):
            raise InputError(f"{self._name}: a box needs box_size [Mpc] and, among the options, its redshift")
        return options

    @cached_property
    def names(self) -> dict[str, TableColumn]:
        """Our columns -> theirs, complete."""
        wanted = table_columns(self.entry.columns, self._name)
        known = [name for name, column in all_columns().items() if name not in MADE_LATER and not column.row_number]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise InputError(f"{self._name}, columns: no column {unknown[0]!r} to give; {near(unknown[0], known)}")
        self._check_complete(wanted)
        return wanted

    def _check_complete(self, wanted: Mapping[str, Any]) -> None:
        options, by_sky = self.options, "ra" in wanted or "dec" in wanted
        if by_sky and (options.geometry == "box" or set(PLACE) & set(wanted)):
            raise InputError(f"{self._name}, columns: give x, y, z, or for a light cone ra, dec, redshift, not both")
        needed = [*(SKY if by_sky else PLACE), *VELOCITY, "log10_halo_mass"]
        if options.hosts == "column":
            needed.append(HOST)
        absent = [name for name in needed if name not in wanted]
        if absent == [HOST]:
            raise InputError(f"{self._name}, columns: no {HOST}; name it, or say `hosts: all` among the options")
        if absent:
            raise InputError(f"{self._name}, columns: no {', '.join(absent)}; name the columns of the table")
        if options.hosts == "all" and HOST in wanted:
            raise InputError(f"{self._name}: the option `hosts: all` contradicts the column {HOST}; drop one")
        if ID not in wanted and HOST in wanted and len(self.files) > 1:
            raise InputError(f"{self._name}, columns: hosts in several files need a column {ID}; name it")

    @cached_property
    def _tables(self) -> dict[str, TableFile]:
        """File -> opened, in order of name."""
        used = [column.column for column in self.names.values()]
        return {str(path): open_table(path, used, self.options.group) for path in sorted(self.files)}

    @property
    def _name(self) -> str:
        return f"simulation '{self.entry.name}'"

    @property
    def geometry(self) -> Geometry:
        """As the option says."""
        return self.options.geometry

    @property
    def redshift(self) -> float | None:
        """Of a box, as the option says."""
        return self.options.redshift if self.geometry == "box" else None

    @property
    def extra_columns(self) -> Sequence[str]:
        """What the entry names besides."""
        made = ("ra", "dec", "redshift") if self.geometry == "box" else ("ra", "dec")
        return [name for name in self.names if name not in (*REQUIRED, *made)]

    @property
    def extra_attributes(self) -> dict[str, Any]:
        """Whether there are satellites."""
        return {"satellites": "none"} if self.options.hosts == "all" else {}

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows of each file, of bytes of a text."""
        return [
            Piece(name, first, min(first + table.piece, table.size))
            for name, table in self._tables.items()
            for first in range(0, table.size, table.piece)
        ]

    @cached_property
    def _factors(self) -> dict[str, dict[str, tuple[float, bool]]]:
        """File -> our column -> what to multiply by, and whether theirs is a logarithm."""
        return {
            name: {
                ours: conversion(
                    all_columns()[ours], theirs, table.units[table.stored(theirs.column)[0]], self.cosmology.h, name
                )
                for ours, theirs in self.names.items()
            }
            for name, table in self._tables.items()
        }

    def convert(self, piece: Piece) -> Rows:
        """One piece, in the units of `schemas/columns`."""
        table, wanted = self._tables[piece.file], self.names
        names = sorted({column.column for column in wanted.values()})
        raw = guarded(table.path, lambda: table.read(piece.first, piece.last, names))
        raw = {ours: raw[theirs.column] for ours, theirs in wanted.items()}
        missing = self._missing(piece, raw)
        whole, dropped = kept(raw, {"missing value": missing})
        found = {ours: self._converted(piece, ours, np.asarray(values)) for ours, values in whole.items()}
        if ID not in found:
            found[ID] = self._first_row(piece) + np.flatnonzero(~missing).astype(np.int64)
        host = found.get(HOST, found[ID])
        found[HOST] = np.where(host == self.options.no_host, found[ID], host) if HOST in wanted else host.copy()
        found |= self._positions(piece, found)
        if self.options.velocities == "comoving":
            scale_factor = 1.0 / (1.0 + self._redshift(found))
            found |= {name: found[name] * scale_factor for name in VELOCITY}
        return Rows({name: found[name] for name in self.columns}, dropped)

    def _first_row(self, piece: Piece) -> int:
        """Number of the first row of a piece, counted through all files."""
        files = list(self._tables)
        earlier = sum(self._tables[name].rows for name in files[: files.index(piece.file)])
        return earlier + self._tables[piece.file].row(piece.first)

    def _missing(self, piece: Piece, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which rows lack a value; raises InputError for the first that does, unless they are to be dropped."""
        found = np.zeros(len(next(iter(raw.values()))), bool)
        for name, values in raw.items():
            bad = np.ma.getmaskarray(values) if values.dtype.kind != "f" else ~np.isfinite(np.ma.filled(values, np.nan))
            bad = bad.any(axis=tuple(range(1, bad.ndim)))
            if bad.any() and self.options.missing == "refuse":
                raise InputError(
                    f"{piece.file}: {self.names[name].column!r} has no value in row {int(np.argmax(bad))} after "
                    f"{piece.first}; mend it, or leave such rows out with the option `missing: drop`"
                )
            found |= bad
        return found

    def _converted(self, piece: Piece, ours: str, values: np.ndarray) -> np.ndarray:
        """In our unit and type; raises InputError where the type or the range is not that of the column."""
        column, theirs = all_columns()[ours], self.names[ours].column
        _check_type(piece, column, theirs, values)
        found = converted(column, values, *self._factors[piece.file][ours])
        if column.dtype == "int64":
            return found.astype(np.int64)
        if column.dtype == "bool":
            return found.astype(bool)
        low, high = column.range
        if ours == "ra":
            low, high = -180.0, 360.0
        elif ours in PLACE and self.options.geometry == "box":
            low, high = -self.entry.box_size, 1.01 * self.entry.box_size
        bad = ~((found >= low) & (found <= high))
        if np.any(bad):
            value = values[tuple(np.argwhere(bad)[0])]
            raise InputError(
                f"{piece.file}: {theirs!r} = {value:g}: {ours} would be outside [{low:g}, {high:g}] {column.unit}; "
                "are its unit and log10 right in the entry?"
            )
        return found

    def _positions(self, piece: Piece, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """x, y, z [Mpc]: in the box, or from the observer."""
        if self.options.geometry == "box":
            return {name: wrapped(found[name], self.entry.box_size) for name in PLACE}
        if "redshift" not in found:
            return {}
        distance = distance_table(self.cosmology, REDSHIFT_MAX)(np.log1p(found["redshift"]))
        if "ra" in found:
            position = coordinates.cartesian(found["ra"], found["dec"], distance)
            return dict(zip(PLACE, position.T, strict=True))
        radius = np.sqrt(sum(found[name] ** 2 for name in PLACE))
        off = np.abs(radius - distance) > DISTANCE_TOLERANCE * distance
        if np.any(off):
            row = int(np.argmax(off))
            raise InputError(
                f"{piece.file}: redshift {found['redshift'][row]:g} is at {distance[row]:g} Mpc in the cosmology of "
                f"the entry, x, y, z at {radius[row]:g} Mpc; is it the cosmological one, are units and cosmology right?"
            )
        return {}

    def _redshift(self, found: Mapping[str, np.ndarray]) -> np.ndarray | float:
        """Of the box, or of each halo."""
        if self.options.geometry == "box":
            return float(self.options.redshift)
        if "redshift" in found:
            return found["redshift"]
        radius = np.sqrt(sum(found[name] ** 2 for name in PLACE))
        return redshift_table(self.cosmology, REDSHIFT_MAX)(radius)


def _check_type(piece: Piece, column: Column, theirs: str, values: np.ndarray) -> None:
    """Ids are integers on disk; other numbers are numbers, with as many axes as the column has."""
    if values.ndim != 1 + len(column.axes):
        raise InputError(
            f"{piece.file}: {theirs!r} has {values.ndim} axes, {column.name} has {1 + len(column.axes)}; a component "
            f"of a vector is named '{theirs}[0]'"
        )
    if values.dtype.kind not in "iufb" or (column.dtype == "int64" and values.dtype.kind not in "iu"):
        what = "integers of 64 bits; as floats, ids lose their digits" if column.dtype == "int64" else "numbers"
        raise InputError(f"{piece.file}: {theirs!r} holds {values.dtype}, {column.name} needs {what}")
    if column.dtype == "int64" and len(values) and int(values.max()) >= 2**63:
        raise InputError(f"{piece.file}: {theirs!r} = {int(values.max())} does not fit into 63 bits; number them anew")
