"""Reader of UniverseMachine light cones in text form."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.simulations.arrange import Hosts, arrange, find_hosts
from diffsky_factory.inputs.simulations.universemachine_text import (
    Header,
    is_universemachine_lightcone,
    read_header,
    read_rows,
)
from diffsky_factory.sky import coordinates, tiles
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.regions import FullSky, Region, region

__all__ = ["UniverseMachineLightcone", "is_universemachine_lightcone"]

HOST_REACH = 10.0  # Mpc comoving, chosen: no satellite is farther from its host, no replica of a box nearer
COPY_STEP = 2**57  # chosen: above the ids of UniverseMachine (7e16), and 63 copies fit into int64
MOST_COPIES = 63
GRID = 512  # chosen: points per side to measure the part of the pencil inside a region, good to 1e-3

COLUMNS = {
    "halo_id": np.int64,
    "host_halo_id": np.int64,
    "simulation_halo_id": np.int64,
    "is_central": np.bool_,
    "host_in_catalog": np.bool_,
    **dict.fromkeys(("ra", "dec", "redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"), np.float64),
    "log10_halo_mass": np.float64,
    "universemachine_stellar_mass": np.float64,
    "universemachine_sfr": np.float64,
    "universemachine_observed_stellar_mass": np.float64,
    "universemachine_observed_sfr": np.float64,
}


class Content(NamedTuple):
    """All halos of a file, in the order of the order-29 pixel of their group."""

    header: Header
    columns: dict[str, np.ndarray]
    group_pixel: np.ndarray  # order 29, of the host, of the halo itself where the host is not in the file; ascending
    group_ra: np.ndarray
    group_dec: np.ndarray
    notes: dict[str, int]


@dataclass(frozen=True)
class UniverseMachineLightcone:
    """Halos of one text file of UniverseMachine's light-cone tool, with its galaxies as extra columns.

    Our frame is (x, y, z) = (X, -Y, Z) / h, in which the file's RA and Dec are the directions. redshift is Z(cosmo);
    redshift_obs follows from the velocity along the line of sight of each halo, where the file has the velocity along
    the axis of the cone. Masses are the largest of the main progenitor so far (MP; Bryan & Norman 1998 virial).

    path : of the text file
    sky_area : deg^2; only where the header has no command line to take it from
    """

    path: str
    sky_area: float | None = None

    @property
    def cosmology(self) -> Cosmology:
        """Flat, Om and h of the file."""
        return self._content.header.cosmology

    @property
    def redshift_range(self) -> tuple[float, float]:
        """Lowest and highest cosmological redshift in the file."""
        redshift = self._content.columns["redshift"]
        return float(redshift.min()), float(redshift.max())

    @property
    def default_region(self) -> dict[str, Any]:
        """The whole file."""
        return {"full_sky": True}

    @property
    def attributes(self) -> dict[str, Any]:
        """What a catalogue made from it says of it."""
        return {
            "name": "UniverseMachine light cone",
            "file": Path(self.path).name,
            "mass_definition": "largest virial mass so far of the main progenitor (Bryan & Norman 1998)",
            "rows": self.notes,
        }

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of each column of `halos`, host_row aside."""
        return dict(COLUMNS)

    @property
    def notes(self) -> dict[str, int]:
        """How many rows there are of each kind, and how many links had to be followed or are open."""
        return dict(self._content.notes)

    def tiles(self, order: int, where: Mapping | Region) -> np.ndarray:
        """Pixels at an order that hold halos of the file inside a region, ascending."""
        content = self._content
        inside = region(where).inside(content.group_ra, content.group_dec)
        return np.unique(tiles.coarser(content.group_pixel[inside], tiles.FINEST, order))

    def area(self, where: Mapping | Region) -> float:
        """Area [deg^2] of the part of a region that the light cone covers; to 1e-3 for a part of the cone.

        Raises InputError where neither the file nor sky_area tells the extent of the cone.
        """
        where, pencil = region(where), self._content.header.pencil
        if isinstance(where, FullSky) and self.sky_area is not None:
            return self.sky_area
        if pencil is None:
            raise InputError(
                f"{self.path}: the header has no '#Command line: lightcone <config> z_low z_high x_arcmin y_arcmin ..' "
                "to take the area from; give sky_area in deg^2 and ask for the full sky"
            )
        ra, dec = (0.5 * side / 60.0 for side in pencil)  # half sides, deg
        whole = 2.0 * ra * np.rad2deg(2.0 * np.sin(np.deg2rad(dec)))
        if isinstance(where, FullSky):
            return float(whole)
        middle = (np.arange(GRID) + 0.5) / GRID * 2.0 - 1.0
        at_ra, sine = np.meshgrid(ra * middle % 360.0, np.sin(np.deg2rad(dec)) * middle)
        return float(whole * where.inside(at_ra.ravel(), np.rad2deg(np.arcsin(sine)).ravel()).mean())

    def count(self, order: int, pixel: int, where: Mapping | Region | None = None) -> int:
        """Rows that `halos` has for the same arguments."""
        return len(self._rows(order, pixel, where))

    def halos(self, order: int, pixel: int, where: Mapping | Region | None = None) -> dict[str, np.ndarray]:
        """Halos whose host lies in a pixel, and in a region if one is given, arranged; columns as in `columns`.

        halo_id : unique; that of the simulation but for repeated copies, see `unique_ids`
        simulation_halo_id : as in the file
        host_in_catalog : False for satellites whose host lies outside the cone; they are groups by themselves
        ra, dec : deg; redshift, redshift_obs : 1; x, y, z : Mpc, comoving; vx, vy, vz : km/s, peculiar, physical
        log10_halo_mass : dex(Msun)
        universemachine_* : stellar masses [Msun] and star formation rates [Msun/yr] of the simulation
        host_row : row of the central in these arrays
        """
        rows = self._rows(order, pixel, where)
        return arrange({name: values[rows] for name, values in self._content.columns.items()})

    def _rows(self, order: int, pixel: int, where: Mapping | Region | None) -> np.ndarray:
        content, size = self._content, 4 ** (tiles.FINEST - order)
        first, last = np.searchsorted(content.group_pixel, [pixel * size, (pixel + 1) * size])
        rows = np.arange(first, last)
        if where is None:
            return rows
        return rows[region(where).inside(content.group_ra[rows], content.group_dec[rows])]

    @property
    def _content(self) -> Content:
        state = Path(self.path).stat()
        return _load(str(self.path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _load(path: str, modified: int, size: int) -> Content:
    """The content of a file: once per process and state of the file."""
    header = read_header(path)
    rows = read_rows(header)
    columns, hosts = _columns(header, rows)
    group_ra, group_dec = columns["ra"][hosts.row], columns["dec"][hosts.row]
    group_pixel = tiles.finest_pixel(group_ra, group_dec)
    order = np.argsort(group_pixel, kind="stable")
    satellite = ~columns["is_central"]
    notes = {
        "rows": len(rows["ID"]),
        "centrals": int(np.count_nonzero(~satellite)),
        "satellites": int(np.count_nonzero(satellite)),
        "nested hosts followed": int(np.count_nonzero(hosts.nested)),
        "hosts outside the file": int(np.count_nonzero(~hosts.found & ~hosts.nested)),
        "satellites without host": int(np.count_nonzero(~hosts.found)),
        "repeated ids": int(np.count_nonzero(columns["halo_id"] != columns["simulation_halo_id"])),
    }
    columns = {name: values[order] for name, values in columns.items()}
    return Content(header, columns, group_pixel[order], group_ra[order], group_dec[order], notes)


def _columns(header: Header, rows: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], Hosts]:
    """Our columns, in our units and frame, in the order of the file."""
    h = header.cosmology.h
    position = np.stack([rows["X"], -rows["Y"], rows["Z"]], axis=-1) / h
    velocity = np.stack([rows["VX"], -rows["VY"], rows["VZ"]], axis=-1)
    ra, dec, _ = coordinates.sky(position)
    is_central = rows["UPID"] == -1
    halo_id = unique_ids(rows["ID"], np.stack([rows["Z(cosmo)"], ra, dec]))
    hosts = find_hosts(halo_id, host_ids(rows["ID"], halo_id, rows["UPID"], position), is_central)
    speed = coordinates.line_of_sight_velocity(position, velocity)
    columns = {
        "halo_id": halo_id,
        "host_halo_id": hosts.halo_id,
        "simulation_halo_id": rows["ID"],
        "is_central": is_central,
        "host_in_catalog": hosts.found,
        "ra": ra,
        "dec": dec,
        "redshift": rows["Z(cosmo)"],
        "redshift_obs": coordinates.observed_redshift(rows["Z(cosmo)"], speed),
        **dict(zip("xyz", position.T, strict=True)),
        **dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)),
        "log10_halo_mass": np.log10(rows["MP"]),
        "universemachine_stellar_mass": rows["SM"],
        "universemachine_sfr": rows["SFR"],
        "universemachine_observed_stellar_mass": rows["obs_SM"],
        "universemachine_observed_sfr": rows["obs_SFR"],
    }
    return {name: np.ascontiguousarray(values) for name, values in columns.items()}, hosts


def unique_ids(simulation_id: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Ids that tell the copies of a halo apart where the cone crosses the same part of the box again.

    id + k 2^57 for the k-th copy, k = 0, 1, .. in the order of redshift, ra, dec (`place`, (3, n)): so it does not
    depend on the order of the rows, and a halo that occurs once keeps its id.
    Raises InputError for more copies or larger ids than 63 bits hold.
    """
    order = np.lexsort((*place[::-1], simulation_id))
    ids = simulation_id[order]
    start = np.searchsorted(ids, ids, side="left")
    copy = np.arange(len(ids)) - start
    if copy.max() >= MOST_COPIES or (copy.any() and ids.max() >= COPY_STEP) or ids.min() < 0:
        raise InputError(
            f"halo ids from {ids.min()} to {ids.max()} with up to {copy.max() + 1} copies: ids must lie between 0 and "
            f"2^57 and have at most {MOST_COPIES} copies to be made unique; split the cone"
        )
    unique = np.empty_like(ids)
    unique[order] = ids + copy * COPY_STEP
    return unique


def host_ids(simulation_id: np.ndarray, halo_id: np.ndarray, parent: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Unique id of each row's host: of the nearest copy of `parent` (-1 for centrals, which host themselves).

    A host farther than 10 Mpc is another copy than the true one, which then is outside the file: its id is that of
    the next copy, which no row has. position : (n, 3), comoving Mpc.
    """
    order = np.argsort(simulation_id, kind="stable")
    ids = simulation_id[order]
    first = np.searchsorted(ids, parent, side="left")
    copies = np.searchsorted(ids, parent, side="right") - first
    nearest, found = np.full(len(ids), np.inf), np.full(len(ids), -1)
    for copy in range(copies.max(initial=0)):
        some = np.flatnonzero(copies > copy)
        candidate = order[first[some] + copy]
        apart = np.linalg.norm(position[candidate] - position[some], axis=-1)
        closer = apart < nearest[some]
        nearest[some[closer]], found[some[closer]] = apart[closer], candidate[closer]
    near = nearest < HOST_REACH
    absent = parent + copies * COPY_STEP
    return np.where(parent == -1, halo_id, np.where(near, halo_id[found], absent))
