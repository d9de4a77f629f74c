"""Files of AbacusSummit halos (ASDF): headers and what must hold of them, columns through abacusutils.

Format: https://abacussummit.readthedocs.io, data products; Maksimova et al. 2021, MNRAS 508, 4017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.reader import Piece, Reader
from diffsky_factory.inputs.readers.simulation_entry import agreed
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import hubble_ratio_64

PEEK = 100_000  # bytes: the header and the names of the columns take 20 000
BLOCK = b"\xd3BLK"  # mark of a column on disk
TOLERANCE = 1e-3  # relative, chosen: between numbers of a header that follow from each other
NEEDED = [
    "SimName", "BoxSize", "BoxSizeMpc", "ParticleMassHMsun", "ParticleMassMsun", "H0", "Omega_M", "Omega_DE", "w0",
    "wa", "Redshift", "VelZSpace_to_kms", "SODensityL1",
]  # fmt: skip


class AbacusFile(NamedTuple):
    """One file, opened: what its header says, without h."""

    path: Path
    header: dict[str, Any]
    rows: int

    @property
    def h(self) -> float:
        """Hubble constant over 100 km/s/Mpc."""
        return self.header["H0"] / 100.0

    @property
    def box_size(self) -> float:
        """Side of the box, Mpc comoving."""
        return self.header["BoxSize"] / self.h

    @property
    def particle_mass(self) -> float:
        """Msun."""
        return self.header["ParticleMassHMsun"] / self.h

    @property
    def redshift(self) -> float:
        """Of the time slice."""
        return self.header["Redshift"]


def has_names(path: Path, names: Sequence[str]) -> bool:
    """Whether a file is ASDF, and the text at its start has all of some names; false for what cannot be read."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(PEEK)
    except OSError:
        return False
    return start.startswith(b"#ASDF") and all(name.encode() + b":" in start for name in names)


@dataclass(frozen=True)
class AbacusReader(Reader):
    """A product in files of one simulation, which agree with each other."""

    stored: ClassVar[tuple[str, ...]] = ()
    """Columns that all files must have, by their names on disk."""

    @cached_property
    def opened(self) -> tuple[AbacusFile, ...]:
        """The headers of all files, in order of their names."""
        found = tuple(_open(path, self.stored) for path in sorted(self.files))
        first = found[0]
        for other in found[1:]:
            for name in ("SimName", "BoxSize", "ParticleMassHMsun", "H0", "Omega_M", "w0", "wa"):
                if other.header[name] != first.header[name]:
                    raise InputError(
                        f"{other.path}: {name} is {other.header[name]}, in {first.path} it is {first.header[name]}; "
                        "give files of one simulation"
                    )
        return found

    @property
    def path(self) -> Path:
        """The first file."""
        return self.opened[0].path

    @property
    def header(self) -> dict[str, Any]:
        """That of the first file."""
        return self.opened[0].header

    @property
    def title(self) -> str:
        """Name of the simulation."""
        return self.header["SimName"]

    @property
    def file_cosmology(self) -> dict[str, float]:
        """Flat, Om0, h, w0 and wa."""
        header = self.header
        return {"Om0": header["Omega_M"], "h": self.opened[0].h, "w0": header["w0"], "wa": header["wa"]}

    @property
    def file_box_size(self) -> float:
        """[Mpc]."""
        return self.opened[0].box_size

    @cached_property
    def particle_mass(self) -> float:
        """Msun."""
        return agreed("particle mass [Msun]", self.entry.particle_mass, self.opened[0].particle_mass, self.path)

    def pieces(self) -> Sequence[Piece]:
        """Ranges of rows of each file."""
        return [piece for file in self.opened for piece in self.ranges(file.path, 0, file.rows)]


def _open(path: Path, columns: tuple[str, ...]) -> AbacusFile:
    if not has_names(path, ()):
        raise InputError(f"{path}: not an ASDF file; copy it again")
    return _open_once(path, columns, _stamp(path))


def _is_whole(path: Path) -> bool:
    """Whether a file reaches to the end of its last block, by the sizes in the heads of the blocks.

    Format: ASDF standard 1.5, "low-level file layout"; a head is a mark, its own size, and 48 bytes or more.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        at = file.read(PEEK * 10).find(BLOCK)
        while 0 < at < size:
            file.seek(at)
            head = file.read(22)
            if not head.startswith(BLOCK):
                return True  # the index of blocks, after the last one
            at += 6 + int.from_bytes(head[4:6], "big") + int.from_bytes(head[14:22], "big")
    return at == size


@lru_cache(maxsize=1024)
def _open_once(path: Path, columns: tuple[str, ...], _stamp: tuple[int, int]) -> AbacusFile:
    asdf = _package("asdf")
    if not _is_whole(path):
        raise InputError(f"{path}: ends before its last column does; copy it again")
    try:
        with asdf.open(path, lazy_load=True, memmap=False) as file:
            header = dict(file["header"])
            lengths = {name: int(file["data"][name].shape[0]) for name in columns if name in file["data"]}
    except Exception as error:  # whatever the library raises on a damaged file
        raise InputError(f"{path}: cannot be read ({_line(error)}); copy it again") from error
    _check_names(path, "the data have no column", columns, lengths)
    _check_names(path, "the header has no", NEEDED, header)
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: columns differ in length, {lengths}; copy the file again")
    _check_header(path, header)
    return AbacusFile(path, header, next(iter(lengths.values())))


def _check_names(path: Path, problem: str, wanted: Sequence[str], found: Any) -> None:
    absent = [name for name in wanted if name not in found]
    if absent:
        raise InputError(f"{path}: {problem} {', '.join(absent)}; give halo files as AbacusSummit publishes them")


def _check_header(path: Path, header: dict[str, Any]) -> None:
    """Refuse a header in which numbers with and without h, or units and cosmology, contradict each other."""
    h, z = header["H0"] / 100.0, header["Redshift"]
    dark = header["Omega_M"] + header["Omega_DE"]
    _agree(path, "Omega_M + Omega_DE, 1 as only flat universes are read", dark, 1.0)
    _agree(path, "BoxSizeMpc, BoxSize / h", header["BoxSizeMpc"], header["BoxSize"] / h)
    _agree(path, "ParticleMassMsun, ParticleMassHMsun / h", header["ParticleMassMsun"], header["ParticleMassHMsun"] / h)
    # a box length of Hubble flow: 100 km/s per Mpc/h, times E(z) a
    cosmology = Cosmology(Om0=header["Omega_M"], w0=header["w0"], wa=header["wa"], h=h)
    flow = 100.0 * float(hubble_ratio_64(cosmology, z)) / (1.0 + z) * header["BoxSize"]
    _agree(path, "VelZSpace_to_kms, 100 E(z) / (1 + z) BoxSize", header["VelZSpace_to_kms"], flow)


def _agree(path: Path, what: str, value: float, expected: float) -> None:
    if not abs(value - expected) <= TOLERANCE * abs(expected):
        name, rule = what.split(", ", 1)
        raise InputError(f"{path}: {name} = {value:g} in the header is not {rule} = {expected:g}; restore the header")


def read_unpacked(piece: Piece, fields: Sequence[str], cleaned: bool) -> dict[str, np.ndarray]:
    """Columns of a piece of a box, unpacked by abacusutils: lengths Mpc/h, velocities km/s, numbers of particles.

    Raises InputError naming the file, for one that is damaged, and the first row that is not finite. The file of the
    last piece is kept in memory, as the compressed columns of a file are read whole.
    """
    return _rows(piece, _unpacked(Path(piece.file), tuple(fields), cleaned, _stamp(Path(piece.file))))


def read_stored(piece: Piece, fields: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a piece as they are on disk; otherwise as `read_unpacked`."""
    return _rows(piece, _stored(Path(piece.file), tuple(fields), _stamp(Path(piece.file))))


def _rows(piece: Piece, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    columns = {name: values[piece.first : piece.last] for name, values in whole.items()}
    for name, values in columns.items():
        if not np.all(np.isfinite(values)):
            row = int(np.argwhere(~np.isfinite(values))[0][0]) + piece.first
            raise InputError(f"{piece.file}: {name} of row {row} is not finite; copy the file again")
    return columns


@lru_cache(maxsize=1)
def _unpacked(path: Path, fields: tuple[str, ...], cleaned: bool, _stamp: tuple[int, int]) -> dict[str, np.ndarray]:
    catalog = _package("abacusnbody.data.compaso_halo_catalog").CompaSOHaloCatalog
    try:
        halos = catalog(str(path), fields=list(fields), cleaned=cleaned).halos
    except Exception as error:  # whatever the library raises on a damaged file
        raise InputError(f"{path}: cannot be read ({_line(error)}); copy it and its cleaning file again") from error
    return {name: np.asarray(halos[name]) for name in halos.colnames}


@lru_cache(maxsize=1)
def _stored(path: Path, fields: tuple[str, ...], _stamp: tuple[int, int]) -> dict[str, np.ndarray]:
    asdf, _ = _package("asdf"), _package("abacusnbody.data.asdf")  # which asdf decompresses with
    try:
        with asdf.open(path, lazy_load=True, memmap=False) as file:
            return {name: np.array(file["data"][name]) for name in fields}
    except Exception as error:  # whatever the library raises on a damaged file
        raise InputError(f"{path}: cannot be read ({_line(error)}); copy it again") from error


def _stamp(path: Path) -> tuple[int, int]:
    """Changes with the file."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _package(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"AbacusSummit files are read with abacusutils, which is not here ({error}): "
            "pip install 'diffsky_factory[sims]'"
        ) from error
