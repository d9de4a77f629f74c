"""What OpenCosmo files hold: their datasets, and what the headers say of each.

Format: HDF5 with groups `data`, `index`, `header`, anywhere in a file; the nearest header above a dataset is its own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.common import hdf5
from diffsky_factory.inputs.readers.reader import Piece

if TYPE_CHECKING:
    import h5py

COSMOLOGY = {"h": "h", "omega_m": "Om0", "omega_b": "Ob0", "w_0": "w0", "w_a": "wa", "sigma_8": "sigma8", "n_s": "ns"}
CONVENTIONS = ("scalefree", "comoving", "physical")


class Dataset(NamedTuple):
    """One dataset of a file."""

    path: Path
    place: str  # of the group that owns `data`
    first: int  # number of its first row, counted over the datasets of the file that are read
    rows: int
    kind: str  # data_type of the header
    is_lightcone: bool
    redshift: float | None
    convention: str  # of units
    cosmology: dict[str, float]
    box_size: float | None  # Mpc/h
    z_range: tuple[float, float] | None


def datasets(path: Path, kinds: Mapping[str, str], wanted: str | None) -> list[Dataset]:
    """The datasets of a file whose data_type is among some kinds, or is the wanted one.

    kinds : data_type -> what it is read as; wanted : one of the latter
    Raises InputError where there is none, or where there are several kinds and none is wanted.
    """
    found, seen, first = [], set(), 0
    with hdf5.opened(path) as file:
        for owner in _owners(file):
            header = _header(owner)
            seen.add(_text(header["file"], "data_type"))
            if kinds.get(_text(header["file"], "data_type")) in ({wanted} if wanted else set(kinds.values())):
                found.append(_described(path, owner, header, kinds, first))
                first += found[-1].rows
    if not found:
        asked = wanted or ", ".join(kinds)
        raise InputError(f"{path}: no dataset of data_type {asked}; there are {', '.join(sorted(seen)) or 'none'}")
    several = sorted({dataset.kind for dataset in found})
    if len(several) > 1:
        raise InputError(
            f"{path}: has {' and '.join(several)}; name one under the option data_type of the entry, as one catalogue "
            "is of one kind"
        )
    return found


def data_types(path: Path) -> set[str]:
    """The data_type of each dataset of a file; raises InputError where it is no OpenCosmo file."""
    with hdf5.opened(path) as file:
        return {_text(_header(owner)["file"], "data_type") for owner in _owners(file)}


def pieces(dataset: Dataset, rows: int) -> list[Piece]:
    """Ranges of about so many rows, which end where cells of the finest level of the index end."""
    with hdf5.opened(dataset.path) as file:
        ends = _ends(dataset, file[dataset.place])
    found, row = [], 0
    while row < dataset.rows:
        within = ends[np.searchsorted(ends, row, "right") : np.searchsorted(ends, row + rows, "right")]
        stop = int(within[-1]) if len(within) else min(row + rows, dataset.rows)
        found.append(Piece(str(dataset.path), dataset.first + row, dataset.first + stop))
        row = stop
    return found


def _ends(dataset: Dataset, owner: "h5py.Group") -> np.ndarray:
    """Rows at which cells end, ascending; those of blocks where there is no index."""
    levels = [name for name in owner.get("index", {}) if name.startswith("level_")]
    if not levels:
        return np.array([dataset.rows])
    finest = owner["index"][max(levels, key=lambda name: int(name.removeprefix("level_")))]
    start, size = (hdf5.dataset(finest, name)[:].astype(np.int64) for name in ("start", "size"))
    if size.sum() != dataset.rows or np.any(start + size > dataset.rows):
        raise InputError(
            f"{dataset.path}: {finest.name} counts {size.sum()} rows, {owner['data'].name} has {dataset.rows}; "
            "is the file complete?"
        )
    return np.unique((start + size)[size > 0])


def _owners(group: "h5py.Group") -> Iterator["h5py.Group"]:
    """Groups that own a group `data`, in the order of their names."""
    import h5py

    if isinstance(group.get("data"), h5py.Group):
        yield group
    for name in sorted(group):
        if name not in ("data", "index", "header") and not name.startswith("data_"):
            child = group.get(name)
            if isinstance(child, h5py.Group):
                yield from _owners(child)


def _header(owner: "h5py.Group") -> "h5py.Group":
    """The nearest header above; raises InputError where there is none."""
    place = owner
    while "header" not in place and place.name != "/":
        place = place.parent
    if "header" not in place or "file" not in place["header"]:
        raise InputError(
            f"{owner.file.filename}: no group header/file above {owner['data'].name}; is it an OpenCosmo file?"
        )
    return place["header"]


def _described(path: Path, owner: "h5py.Group", header: "h5py.Group", kinds: Mapping[str, str], first: int) -> Dataset:
    data = hdf5.group(owner, "data")
    if not len(data):
        raise InputError(f"{path}: {data.name} has no columns")
    rows = len(hdf5.dataset(data, next(name for name in data)))
    file, parameters = header["file"].attrs, header.get("simulation/parameters")
    convention = _text(header["file"], "unit_convention") or "scalefree"
    if convention not in CONVENTIONS:
        raise InputError(f"{path}: unit_convention is {convention!r}; only {', '.join(CONVENTIONS)} can be read")
    z_range = header["lightcone"].attrs.get("z_range") if "lightcone" in header else None
    return Dataset(
        path=path,
        place=owner.name,
        first=first,
        rows=rows,
        kind=kinds[_text(header["file"], "data_type")],
        is_lightcone=bool(_number(file, "is_lightcone")),
        redshift=_number(file, "redshift"),
        convention=convention,
        cosmology=_cosmology(path, header),
        box_size=_number(parameters.attrs, "box_size") if parameters is not None else None,
        z_range=None if z_range is None else tuple(float(z) for z in z_range),
    )


def _cosmology(path: Path, header: "h5py.Group") -> dict[str, float]:
    place = header.get("simulation/cosmology")
    attributes = {} if place is None else place.attrs
    found = {ours: _number(attributes, theirs) for theirs, ours in COSMOLOGY.items()}
    if found["Om0"] is None or found["h"] is None:
        raise InputError(f"{path}: {header.name}/simulation/cosmology has no h and omega_m; get the original file")
    dark = _number(attributes, "omega_l")
    if dark is not None and abs(found["Om0"] + dark - 1.0) > 2e-3:  # chosen: radiation and neutrinos are 1e-3
        raise InputError(f"{path}: omega_m + omega_l = {found['Om0'] + dark:g}: only flat cosmologies can be read")
    return {name: value for name, value in found.items() if value is not None}


def _text(group: "h5py.Group", name: str) -> str:
    value = group.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(attributes: Mapping[str, Any], name: str) -> float | None:
    """A number among attributes; None where it is absent or the empty text that stands for none."""
    value = attributes.get(name)
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return None
    return float(value)
