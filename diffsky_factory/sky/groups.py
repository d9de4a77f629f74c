"""The order of halos within a tile: host groups together, sorted so that cuts in redshift and position prune."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import boxes, tiles

# Chosen: a block of a store then spans a narrow range of redshift, so that a cut in redshift skips whole blocks,
# while a shell still holds enough halos of a tile to be ordered on the sky.
SHELL_WIDTH = 0.05  # in ln(1 + z)
REACH = 10.0  # Mpc comoving, chosen: no satellite is farther from its host
MASS_RANGE = 5.0, 17.0  # dex(Msun); the bounds of the mass model
OF_GROUPS = ("halo_id", "host_halo_id", "is_central", "redshift", "log10_halo_mass")
REQUIRED = (*OF_GROUPS, "ra", "dec")


class Hosts(NamedTuple):
    """Where each row's host is, with chains of hosts followed to the top."""

    row: np.ndarray  # (n,) int64: row of the central; the own row for centrals and where it is not in the catalogue
    halo_id: np.ndarray  # (n,) int64: id of the host at the top, also where it is not in the catalogue
    found: np.ndarray  # (n,) bool: the host is in the catalogue
    nested: np.ndarray  # (n,) bool: the host as given is itself a satellite in the catalogue


def find_hosts(halo_id: np.ndarray, host_halo_id: np.ndarray, is_central: np.ndarray) -> Hosts:
    """Follow each satellite's host, and the host's host, to a central or out of the catalogue.

    Raises InputError, naming the row, where a chain closes on itself.
    """
    n = len(halo_id)
    own = np.arange(n, dtype=np.int64)
    if n == 0:
        return Hosts(own, own.copy(), np.zeros(0, bool), np.zeros(0, bool))
    parent = _rows_of(halo_id, host_halo_id)
    has_parent = (halo_id[parent] == host_halo_id) & ~is_central
    parent = np.where(has_parent, parent, own)
    top = last_of_chain(parent)
    closed = (parent[top] != top) | (~is_central & (host_halo_id == halo_id))
    _refuse(closed, "host_halo_id", host_halo_id, "its chain of hosts returns to itself", "mend the links")
    there = is_central[top]
    return Hosts(
        row=np.where(there, top, own),
        halo_id=np.where(there, halo_id[top], host_halo_id[top]),
        found=there,
        nested=has_parent & ~is_central[parent],
    )


def last_of_chain(row: np.ndarray) -> np.ndarray:
    """The row at which the links row, row[row], ... of each row end; any row of the circle where they never do."""
    for _ in range(len(row).bit_length() + 1):  # each pass doubles the length of the chain that is followed
        before, row = row, row[row]
        if np.array_equal(before, row):
            break
    return row


def _rows_of(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row that has each wanted id; some row where there is none."""
    order = np.argsort(ids, kind="stable")
    return order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]


def arrange(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The halos of one tile, checked and in order, with the rows of their hosts.

    Groups lie together, the central first, then its satellites by id. Groups are ordered by the redshift shell of
    the central, its order-29 pixel and its id, so the order depends on nothing but the halos themselves.

    columns : name -> (n,) array; all of REQUIRED; a central's host_halo_id is its own. A satellite whose host is
        not in the catalogue needs a bool column host_in_catalog with False there, and is a group by itself.
        penultimate_host_halo_id (int64), if given, is the halo in which a satellite was first one.
    Returns the same columns sorted; host_halo_id is that of the host at the top of a chain; host_row (int64) is the
    row of the central, the own row for centrals and for satellites without host; penultimate_host_row, where its id is
    given, is a row of the same group.
    Raises InputError, naming the column, its first bad row and what to do.
    """
    _check(columns, REQUIRED)
    redshift = columns["redshift"]
    _refuse(redshift <= 0.0, "redshift", redshift, "it is not positive", "drop halos at the observer")

    def keys(heads: np.ndarray) -> tuple:
        pixel = tiles.finest_pixel(columns["ra"][heads], columns["dec"][heads])
        return pixel, redshift_shell(redshift[heads])

    return _arranged(columns, keys)


def arrange_in_box(columns: dict[str, np.ndarray], size: float) -> dict[str, np.ndarray]:
    """The same for halos of a cell of a periodic box of a size [Mpc]: groups by the finest cell of the central, and id.

    columns : as of `arrange`, with x, y, z [Mpc] in place of ra and dec
    """
    _check(columns, (*OF_GROUPS, *boxes.AXES))
    position = np.stack([columns[axis] for axis in boxes.AXES], axis=-1)
    _refuse(
        boxes.outside(position, size),
        "x",
        columns["x"],
        f"outside the box of {size:g} Mpc, or y or z is",
        "bring it into the box",
    )
    return _arranged(columns, lambda heads: (boxes.finest_cell(position[heads], size),))


def _arranged(columns: dict[str, np.ndarray], keys: Callable[[np.ndarray], tuple]) -> dict[str, np.ndarray]:
    """Halos in the order of keys (the last one first) of their heads, and of ids."""
    halo_id, central = columns["halo_id"], columns["is_central"]
    hosts = find_hosts(halo_id, columns["host_halo_id"], central)
    expected = columns.get("host_in_catalog", True)
    _refuse(
        ~hosts.found & expected,
        "host_halo_id",
        columns["host_halo_id"],
        "there is no such halo",
        "add it, or mark the row with host_in_catalog = False",
    )
    order = _order(halo_id, hosts, keys)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    columns = {**columns, "host_halo_id": hosts.halo_id}
    if "host_in_catalog" in columns:
        columns["host_in_catalog"] = hosts.found
    rows = host_rows(columns, hosts)
    arranged = {name: values[order] for name, values in columns.items()}
    return {**arranged, **{name: place[values[order]] for name, values in rows.items()}}


def host_rows(columns: dict[str, np.ndarray], hosts: Hosts) -> dict[str, np.ndarray]:
    """The columns of row numbers that follow from ids of hosts: host_row, and where its id is given that of the first.

    Raises InputError where the id of a first host leads out of the group.
    """
    rows = {"host_row": hosts.row}
    if "penultimate_host_halo_id" in columns:
        rows["penultimate_host_row"] = _penultimate(columns, hosts)
    return rows


def _penultimate(columns: dict[str, np.ndarray], hosts: Hosts) -> np.ndarray:
    """Row of the halo in which each was first a satellite; raises InputError where it is not in the same group."""
    name, remedy = "penultimate_host_halo_id", "give the id of the host at the top, or its own where it has none"
    wanted = columns[name]
    row = _rows_of(columns["halo_id"], wanted)
    inside = (columns["halo_id"][row] == wanted) & (hosts.row[row] == hosts.row)
    _refuse(~inside, name, wanted, "there is no such halo in its group", remedy)
    _refuse(last_of_chain(row) != hosts.row, name, wanted, "the chain of hosts does not end at the top", remedy)
    return row


def redshift_shell(redshift: np.ndarray) -> np.ndarray:
    """Number of the shell, int16: the first by which groups are ordered."""
    return np.floor(np.log1p(redshift) / SHELL_WIDTH).astype(np.int16)


def _order(halo_id: np.ndarray, hosts: Hosts, keys: Callable[[np.ndarray], tuple]) -> np.ndarray:
    """Rows in the order of the tile."""
    heads = np.flatnonzero(hosts.row == np.arange(len(halo_id)))
    rank = np.empty(len(halo_id), np.int64)
    rank[heads[np.lexsort((halo_id[heads], *keys(heads)))]] = np.arange(len(heads))
    is_member = hosts.row != np.arange(len(halo_id))
    return np.lexsort((halo_id, 2 * rank[hosts.row] + is_member))


def _check(columns: dict[str, np.ndarray], required: tuple[str, ...]) -> None:
    absent = [name for name in required if name not in columns]
    if absent:
        raise InputError(f"the halos have no column {', '.join(absent)}: all of {', '.join(required)} are needed")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns differ in length: {lengths}; give one value per halo in each")
    check_finite(columns)
    halo_id, mass = columns["halo_id"], columns["log10_halo_mass"]
    for name in ("halo_id", "host_halo_id", "penultimate_host_halo_id"):
        if name in columns and columns[name].dtype != np.int64:
            raise InputError(f"column '{name}' is {columns[name].dtype}: ids are int64, parsed as integers")
    if columns["is_central"].dtype != bool:
        raise InputError(f"column 'is_central' is {columns['is_central'].dtype}: give booleans")
    _refuse(_repeated(halo_id), "halo_id", halo_id, "another row has it too", "make ids unique, also over replicas")
    stray = columns["is_central"] & (columns["host_halo_id"] != halo_id)
    _refuse(stray, "host_halo_id", columns["host_halo_id"], "the row is a central", "give it its own halo_id")
    outside = (mass <= MASS_RANGE[0]) | (mass >= MASS_RANGE[1])
    _refuse(outside, "log10_halo_mass", mass, f"outside {MASS_RANGE} dex(Msun)", "is it log10, in Msun without h?")


def check_finite(columns: dict[str, np.ndarray]) -> None:
    """Refuse the first number that is not finite, with its column and row."""
    for name, values in columns.items():
        if np.issubdtype(values.dtype, np.floating):
            _refuse(~np.isfinite(values), name, values, "it is not finite", "drop the row or give it a value")


def _repeated(ids: np.ndarray) -> np.ndarray:
    """Whether an id occurs in an earlier row too, bool."""
    order = np.argsort(ids, kind="stable")
    again = np.zeros(len(ids), bool)
    again[order[1:]] = ids[order[1:]] == ids[order[:-1]]
    return again


def _refuse(bad: np.ndarray, column: str, values: np.ndarray, problem: str, remedy: str) -> None:
    """Raise an InputError for the first bad row, if there is one."""
    if np.any(bad):
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"column '{column}', row {row}: {values[row]}: {problem}; {remedy}")
