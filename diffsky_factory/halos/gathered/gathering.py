"""The halos of a product gathered from its pieces: linked to their hosts and put in order, in bounded memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffsky_factory.core.counters import GOLDEN, mixed
from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common.shells import MISSING, Span, gaps
from diffsky_factory.inputs.readers.reader import REQUIRED, Geometry, Piece, Reader, Rows
from diffsky_factory.sky import boxes, coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology, comoving_distance_64
from diffsky_factory.sky.distance_table import CubicTable, redshift_table
from diffsky_factory.sky.groups import REACH
from diffsky_factory.sky.occupied import closed, covered, error_of_area, fine_enough
from diffsky_factory.sky.regions import Region, region

LONGEST_CHAIN = 64  # hosts in a chain, chosen: each pass doubles how far it is followed, so only a circle is longer
PACKED_ID, PACKED_REPLICA = 2**36, 2**25  # chosen: what fits beside each other below 2^61
REPLICAS_OF_A_SNAPSHOT = 2**18  # chosen: 64 copies of a box along each axis
PACKED, HASHED = 2**62, 2**61  # chosen: where ids of copies begin, of either kind
ABSENT = -1  # the replica of hosts that are not in the product
REDSHIFT_TOLERANCE = 2e-3  # chosen: of (1 + z), between a file's redshift and the distance by its cosmology
MEMORY = "2GB"  # chosen: beyond it the table is on disk


def replica_ids(simulation_id: np.ndarray, replica: np.ndarray) -> np.ndarray:
    """Ids (n,) int64 that tell the copies of a halo in replicas of a box apart; the same whatever else is read.

    The first replica (0) keeps the simulation's ids; others have 2^62 + replica 2^36 + id. Where an id or a replica is
    too large for that, 61 bits of a hash of both, which `Gathering.link` checks to be unique.
    """
    ids, replica = np.asarray(simulation_id, np.int64), np.asarray(replica, np.int64)
    packed = PACKED + replica * PACKED_ID + ids
    word = mixed((ids.view(np.uint64) ^ mixed(replica.view(np.uint64) + GOLDEN)) + GOLDEN)
    hashed = HASHED + (word >> np.uint64(3)).astype(np.int64)
    kept = (replica == 0) & (ids >= 0) & (ids < HASHED)
    fits = (replica > 0) & (replica < PACKED_REPLICA) & (ids >= 0) & (ids < PACKED_ID)
    return np.where(kept, ids, np.where(fits, packed, hashed))


class Product(Protocol):
    """What is gathered: what a reader opens, or a light cone that is made of such."""

    @property
    def geometry(self) -> Geometry:
        """Whether positions are those of a box, or of the sky around an observer."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read."""

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology of the simulation."""

    @property
    def columns(self) -> Mapping[str, type]:
        """Name and type of each column."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What it says of itself."""

    def pieces(self) -> Sequence[Piece]:
        """Its pieces; together they are the product."""

    def read(self, piece: Piece) -> Rows:
        """One piece, converted."""


def gathered_columns(reader: Product) -> dict[str, type]:
    """Name and type of each column that gathering the halos of a reader gives."""
    of_links = {"halo_id": np.int64, "host_halo_id": np.int64, "is_central": np.bool_, "host_in_catalog": np.bool_}
    given = {name: kind for name, kind in reader.columns.items() if name not in NOT_KEPT}
    if "simulation_penultimate_host_halo_id" in reader.columns:
        of_links["penultimate_host_halo_id"] = np.int64
    of_sky = dict.fromkeys(("ra", "dec", "redshift", "redshift_obs"), np.float64)
    return {**of_links, **(of_sky if reader.geometry == "lightcone" else {}), **given}


NOT_KEPT = ("simulation_host_halo_id", "simulation_penultimate_host_halo_id")


def database(reader: Product) -> Any:
    """The module of the database in which halos are gathered; raises InputError where it is not installed."""
    try:
        import duckdb
    except ImportError as error:
        raise InputError(
            f"{reader.files[0]}: pip install 'diffsky_factory[ingest]' to gather its halos ({error})"
        ) from error
    return duckdb


class Gathering:
    """One table of all rows of a product, in a database that is in memory, or on disk and then survives a kill.

    Usage: `add` each piece that is not in `done`, then `link`, then `batches`.
    """

    def __init__(self, reader: Product, folder: Path | None = None, memory: str = MEMORY) -> None:
        absent = sorted(set(REQUIRED) - set(reader.columns))
        if absent:
            raise InputError(f"{reader.files[0]}: its reader gives no {', '.join(absent)}")
        self.reader = reader
        self._connection = database(reader).connect(str(folder / "halos.duckdb") if folder else ":memory:")
        self._run("SET enable_progress_bar = false")
        self._run(f"SET memory_limit = '{memory}'")
        self._run("CREATE TABLE IF NOT EXISTS pieces (file TEXT, first BIGINT, last BIGINT, rows BIGINT, dropped TEXT)")
        self._run("CREATE TABLE IF NOT EXISTS spans (file TEXT, hosts BIGINT, low DOUBLE, high DOUBLE)")

    def close(self) -> None:
        self._connection.close()

    @property
    def done(self) -> set[Piece]:
        """Pieces that are in the table."""
        return {Piece(*row) for row in self._run("SELECT file, first, last FROM pieces").fetchall()}

    def add(self, piece: Piece) -> int:
        """Read a piece into the table, all of it or nothing; its number of rows.

        Raises InputError, naming the file, the column and the row, for a value that cannot be.
        """
        import pandas as pd

        rows = self.reader.read(piece)
        columns = self._placed(rows.columns, piece)
        frame = pd.DataFrame(dict(_flat(columns)), copy=False)
        self._connection.register("frame", frame)
        self._run("BEGIN")
        self._run("CREATE TABLE IF NOT EXISTS halos AS SELECT * FROM frame LIMIT 0")
        self._run("INSERT INTO halos BY NAME SELECT * FROM frame")
        self._run("INSERT INTO pieces VALUES (?, ?, ?, ?, ?)", [*piece, len(frame), json.dumps(dict(rows.dropped))])
        of_hosts = columns["redshift"][columns["is_central"]] if self.reader.geometry == "lightcone" else np.empty(0)
        if len(of_hosts):
            ends = float(of_hosts.min()), float(of_hosts.max())
            self._run("INSERT INTO spans VALUES (?, ?, ?, ?)", [piece.file, len(of_hosts), *ends])
        self._run("COMMIT")
        self._connection.unregister("frame")
        return len(frame)

    def _placed(self, given: Mapping[str, np.ndarray], piece: Piece) -> dict[str, np.ndarray]:
        """A piece's columns, checked, with ids of their own, sky coordinates, and the cell that each lies in."""
        wanted = self.reader.columns
        if set(given) != set(wanted):
            raise InputError(
                f"{piece.file}: columns {sorted(set(given) ^ set(wanted))} are given or promised, not both"
            )
        columns: dict[str, np.ndarray] = {name: np.ascontiguousarray(given[name], wanted[name]) for name in wanted}
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise InputError(f"{piece.file}: the columns differ in length: {sorted(lengths)}; the file is damaged")
        for name, values in columns.items():
            if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
                row = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0])
                raise InputError(f"{piece.file}, row {row} from {piece.first}: '{name}' is {values[row]}; drop the row")
        ids = columns["simulation_halo_id"]
        copy = columns.get("replica", np.int64(0)) + REPLICAS_OF_A_SNAPSHOT * columns.get("snapshot", np.int64(0))
        columns["halo_id"] = replica_ids(ids, np.broadcast_to(copy, ids.shape))
        columns["is_central"] = columns["simulation_host_halo_id"] == ids
        position = np.stack([columns[axis] for axis in "xyz"], axis=-1)
        if self.reader.geometry == "box":
            return {**columns, "own_cell": self._cell(position, piece)}
        return {**columns, **self._on_the_sky(columns, position, piece)}

    def _cell(self, position: np.ndarray, piece: Piece) -> np.ndarray:
        size = self.reader.attributes["box_size"]
        outside = ~((position >= 0.0) & (position <= size)).all(axis=-1)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise InputError(
                f"{piece.file}, row {row} from {piece.first}: position {position[row]} lies outside the box of "
                f"{size:g} Mpc; is the unit, or the box size, right?"
            )
        return boxes.finest_cell(position, size)

    @cached_property
    def _redshift_at(self) -> CubicTable:
        """Redshift as a function of comoving distance [Mpc]."""
        return redshift_table(self.reader.cosmology, self.reader.attributes.get("redshift_max", 20.0))

    def _on_the_sky(
        self, columns: Mapping[str, np.ndarray], position: np.ndarray, piece: Piece
    ) -> dict[str, np.ndarray]:
        """ra, dec, redshift, redshift_obs, and the order-29 pixel; the file's redshift is kept where it has one."""
        if not len(position):
            return {
                **dict.fromkeys(("ra", "dec", "redshift", "redshift_obs"), np.empty(0)),
                "own_cell": np.empty(0, int),
                "is_inside": np.empty(0, bool),
            }
        ra, dec, radius = coordinates.sky(position)
        redshift = columns.get("redshift", self._redshift_at(radius))
        expected = comoving_distance_64(self.reader.cosmology, redshift)
        off = np.abs(expected - radius) > REDSHIFT_TOLERANCE * np.maximum(radius, 3000.0)
        if off.any():
            row = int(np.flatnonzero(off)[0])
            raise InputError(
                f"{piece.file}, row {row} from {piece.first}: redshift {redshift[row]:.5f} is at "
                f"{expected[row]:.2f} Mpc by the cosmology, its position at {radius[row]:.2f} Mpc; "
                "is the unit, or the cosmology, right?"
            )
        velocity = np.stack([columns[f"v{axis}"] for axis in "xyz"], axis=-1)
        speed = coordinates.line_of_sight_velocity(position, velocity)
        self._check_footprint(columns["is_central"], ra, dec, radius, piece)
        return {
            **{"ra": ra, "dec": dec, "redshift": redshift},
            "redshift_obs": coordinates.observed_redshift(redshift, speed),
            "own_cell": tiles.finest_pixel(ra, dec),
            "is_inside": self._inside(ra, dec, redshift),
        }

    @cached_property
    def _footprint(self) -> list[Region]:
        """Parts of the sky that an entry states."""
        return [region(part) for part in self.reader.entry.footprint] if isinstance(self.reader, Reader) else []

    def _check_footprint(
        self, is_host: np.ndarray, ra: np.ndarray, dec: np.ndarray, distance: np.ndarray, piece: Piece
    ) -> None:
        """Raise InputError for a host outside of the footprint that an entry states: areas would be wrong."""
        if not self._footprint:
            return
        outside = np.flatnonzero(is_host & ~covered(ra, dec, distance, self._footprint))
        if len(outside):
            row = outside[0]
            raise InputError(
                f"{piece.file}, row {row} from {piece.first}: the host at ra {ra[row]:.6g}, dec {dec[row]:.6g} is "
                f"outside of the footprint that the entry states ({len(outside)} in this piece); correct one of them"
            )

    def _inside(self, ra: np.ndarray, dec: np.ndarray, redshift: np.ndarray) -> np.ndarray:
        """Whether hosts at these places belong to the product, where its reader reads a margin around it too."""
        cut = self.reader.attributes.get("cut")
        if not cut:
            return np.ones(len(ra), bool)
        low, high = cut["redshift"]
        return (redshift >= low) & (redshift <= high) & region(cut["region"]).inside(ra, dec)

    def link(self) -> dict[str, int]:
        """Find each satellite's host on top; how many rows there are of each kind, and what was left out and why.

        Where a box is repeated, the host is the nearest copy of the halo that the simulation names, within 10 Mpc.
        Raises InputError for ids that are not unique, and for chains of hosts that return to themselves.
        """
        twice = self._run("SELECT halo_id, count(*) n FROM halos GROUP BY halo_id HAVING n > 1 LIMIT 1").fetchone()
        if twice:
            raise InputError(
                f"{self.reader.files[0]}: halo {twice[0]} is there {twice[1]} times; are its files overlapping, "
                "or several snapshots? give the files of one"
            )
        same = "AND h.snapshot = s.snapshot" if "snapshot" in self.reader.columns else ""
        near = "AND (h.x-s.x)^2 + (h.y-s.y)^2 + (h.z-s.z)^2 < " + str(REACH**2)
        self._run(f"""
            CREATE OR REPLACE TABLE links AS
            SELECT s.halo_id, arg_min(h.halo_id, (h.x-s.x)^2 + (h.y-s.y)^2 + (h.z-s.z)^2) AS parent
            FROM halos s JOIN halos h ON h.simulation_halo_id = s.simulation_host_halo_id
            WHERE NOT s.is_central {same} {near if "replica" in self.reader.columns else ""} GROUP BY s.halo_id""")
        nested = "SELECT count(*) FROM links JOIN halos h ON h.halo_id = parent WHERE NOT h.is_central"
        followed = self._number(nested)
        for _ in range(LONGEST_CHAIN):
            further = "UPDATE links SET parent = o.parent FROM links o WHERE links.parent = o.halo_id"
            if not self._run(further).fetchone()[0]:
                break
        else:
            circle = self._run("SELECT l.halo_id FROM links l JOIN links o ON l.parent = o.halo_id LIMIT 1").fetchone()[
                0
            ]
            raise InputError(f"{self.reader.files[0]}: the chain of hosts of halo {circle} returns to itself")
        self._make_groups()
        if "cut" in self.reader.attributes:
            self._run("DELETE FROM halos WHERE halo_id IN (SELECT halo_id FROM groups WHERE NOT is_inside)")
            self._run("DELETE FROM groups WHERE NOT is_inside")
        rows, centrals = self._run("SELECT count(*), coalesce(sum(is_central::INT), 0) FROM halos").fetchone()
        if not centrals:
            raise InputError(f"{self.reader.files[0]}: no host halo is left of it; is its range, or its region, right?")
        notes = {"rows": rows, "centrals": int(centrals), "satellites": rows - int(centrals)}
        notes["nested hosts followed"] = followed
        notes["satellites without host"] = self._number("SELECT count(*) FROM groups WHERE NOT host_in_catalog")
        for (text,) in self._run("SELECT dropped FROM pieces ORDER BY file, first").fetchall():
            for why, number in json.loads(text).items():
                notes[f"left out: {why}"] = notes.get(f"left out: {why}", 0) + number
        return notes

    def _make_groups(self) -> None:
        """The host on top of each halo, whether it is there, and the cell in which the group lies, that of its host."""
        on_sky = ", CASE WHEN t.is_central THEN t.is_inside ELSE s.is_inside END AS is_inside"
        self._run(f"""
            CREATE OR REPLACE TABLE groups AS
            SELECT s.halo_id, s.is_central OR coalesce(t.is_central, false) AS host_in_catalog,
                CASE WHEN t.is_central THEN t.halo_id ELSE s.halo_id END AS host_halo_id,
                coalesce(t.simulation_host_halo_id, s.simulation_host_halo_id) AS simulation_top_id,
                CASE WHEN t.is_central THEN t.own_cell ELSE s.own_cell END AS group_cell
                {on_sky if self.reader.geometry == "lightcone" else ""}
            FROM halos s LEFT JOIN links l ON l.halo_id = s.halo_id LEFT JOIN halos t ON t.halo_id = l.parent""")
        if self._has_penultimate:
            self._run("""
                CREATE OR REPLACE TABLE first_hosts AS SELECT h.halo_id, h.simulation_halo_id, g.host_halo_id
                FROM halos h JOIN groups g ON g.halo_id = h.halo_id WHERE g.host_in_catalog""")

    def described(self, notes: Mapping[str, int]) -> dict[str, Any]:
        """What a table says of itself: the reader's words, geometry, cosmology, numbers of rows, and its extent.

        missing_shells : of a light cone, shells that its files lack, see `shells`
        footprint : of a light cone, regions without overlap: those of the entry or the files; or else pixels that hold
            groups and those between them, of an order that follows the density
        footprint_error : where it was estimated so, relative error of its area
        """
        reader = self.reader
        attributes = {
            **_stated(reader),
            **{name: value for name, value in reader.attributes.items() if name != "cut"},
            "geometry": reader.geometry,
            "cosmology": {name: float(value) for name, value in reader.cosmology._asdict().items()},
            "rows": dict(notes),
        }
        if reader.geometry == "lightcone":
            of_hosts = "SELECT min(redshift), max(redshift) FROM halos WHERE is_central"
            found = [float(z) for z in self._run(of_hosts).fetchone()]
            attributes["redshift_range"] = list(reader.attributes.get("cut", {}).get("redshift", found))
            missing = self._missing_shells()
            if missing:
                attributes[MISSING] = {what: list(span) for what, span in missing.items()}
            told = reader.footprint if isinstance(reader, Reader) else None
            if told is not None:
                attributes.setdefault("footprint", [dict(part) for part in told])
            if "footprint" not in attributes:
                attributes |= self._estimated_footprint()
        return attributes

    def _missing_shells(self) -> dict[str, tuple[float, float]]:
        """Those that a reader knows of, and others that show between its files, unless its entry says that they may."""
        reader = self.reader
        if not isinstance(reader, Reader) or reader.entry.gaps:
            return {}
        known = dict(reader.missing_shells)
        found = gaps(Span(*row) for row in self._run("SELECT * FROM spans ORDER BY ALL").fetchall())
        return known | {
            what: (low, high)
            for what, (low, high) in found.items()
            if not any(low < last and high > first for first, last in known.values())
        }

    def _estimated_footprint(self) -> dict[str, Any]:
        """The finest pixels that groups fill, and the error of their area."""
        heads = "FROM groups WHERE host_halo_id = halo_id"
        number, order = self._number(f"SELECT count(*) {heads}"), 0

        def occupied(order: int) -> str:
            return f"SELECT DISTINCT group_cell >> {2 * (tiles.FINEST - order)} AS pixel {heads}"

        while order < tiles.FINEST and fine_enough(
            number, self._number(f"SELECT count(*) FROM ({occupied(order + 1)})")
        ):
            order += 1
        pixels = closed(self._run(occupied(order)).fetchnumpy()["pixel"], order)
        return {
            "footprint": [{"pixels": pixels.tolist(), "order": order}],
            "footprint_error": error_of_area(pixels, order),
        }

    def batches(self, rows: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """The cell of the group of each halo, and its columns, in the order of the cells, some rows at a time."""
        first = join = ""
        if self._has_penultimate:
            first = "coalesce(f.halo_id, -1) AS penultimate_host_halo_id,"
            join = """LEFT JOIN first_hosts f ON f.simulation_halo_id = h.simulation_penultimate_host_halo_id
                AND f.host_halo_id = g.host_halo_id"""
        result = self._run(f"""
            SELECT h.*, {first} g.host_in_catalog, g.host_halo_id, g.simulation_top_id, g.group_cell
            FROM halos h JOIN groups g ON g.halo_id = h.halo_id {join}
            ORDER BY g.group_cell, g.host_halo_id, h.is_central DESC, h.halo_id""")
        vectors = max(1, rows // 2048)  # of rows, as the database counts
        while len(frame := result.fetch_df_chunk(vectors)):
            yield frame["group_cell"].to_numpy(), self._columns(frame)

    @property
    def _has_penultimate(self) -> bool:
        return "simulation_penultimate_host_halo_id" in self.reader.columns

    def _columns(self, frame) -> dict[str, np.ndarray]:
        """The columns that are kept, of some rows of the table."""
        found = frame["host_in_catalog"].to_numpy(bool)
        absent = replica_ids(frame["simulation_top_id"].to_numpy(np.int64), np.full(len(frame), ABSENT))
        host = np.where(found, frame["host_halo_id"].to_numpy(np.int64), absent)
        columns: dict[str, Any] = {"host_halo_id": host, "host_in_catalog": found}
        if self._has_penultimate:
            own = frame["halo_id"].to_numpy(np.int64)
            at_top = np.where(found, host, own)
            first = frame["penultimate_host_halo_id"].to_numpy(np.int64)  # -1 where that halo is not in the group
            columns["penultimate_host_halo_id"] = np.where(found & (first >= 0) & (first != own), first, at_top)
        for name, kind in gathered_columns(self.reader).items():
            if name not in columns:
                columns[name] = _unflat(frame, name, kind)
        return columns

    def _number(self, query: str) -> int:
        return int(self._run(query).fetchone()[0])

    def _run(self, query: str, values: list | None = None):
        return self._connection.execute(query, values) if values else self._connection.execute(query)


def _stated(reader: Product) -> dict[str, Any]:
    """What the entry of a reader, or of its first snapshot, says of the resolution; of a light cone, its footprint."""
    first = getattr(reader, "snapshots", (getattr(reader, "box", reader),))[0]
    entry = getattr(first, "entry", None)
    given = {name: getattr(entry, name, None) for name in ("particle_mass", "log10_mass_complete")}
    known: dict[str, Any] = {name: float(value) for name, value in given.items() if value is not None}
    covered = getattr(entry, "footprint", ())
    return {**known, "footprint": [dict(part) for part in covered]} if covered else known


def _flat(columns: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Columns with one value per row: those with more are taken apart."""
    for name, values in columns.items():
        if values.ndim == 1:
            yield name, values
        else:
            yield from ((f"{name}[{i}]", np.ascontiguousarray(values[:, i])) for i in range(values.shape[1]))


def _unflat(frame, name: str, kind: type) -> np.ndarray:
    if name in frame:
        return frame[name].to_numpy(kind)
    parts = [frame[f"{name}[{i}]"].to_numpy(kind) for i in range(len(frame.columns)) if f"{name}[{i}]" in frame]
    return np.stack(parts, axis=-1)
