"""Tabulated histories of halos, piece by piece: what a fit asks of any source of them, and one in memory or lazy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr
from dask.base import tokenize

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.cosmology_check import checked_cosmology

MASSES = "log10_halo_mass_history"


class Histories(Protocol):
    """What a fit asks of any source of histories; it is sent to the workers of a cluster, so let it be small."""

    @property
    def cosmology(self) -> Cosmology:
        """The cosmology in which times are ages."""

    @property
    def time(self) -> np.ndarray:
        """Times of the histories (T,) [Gyr], ascending, the same for all; ages in the cosmology."""

    @property
    def pieces(self) -> tuple[int, ...]:
        """Exact number of histories of each piece; a piece is read and fitted at once."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What a store of fits should say of the source, such as files and their checksums; goes into JSON."""

    def read(self, piece: int) -> dict[str, np.ndarray]:
        """The histories of one piece, by its number.

        halo_id                 : (n,) int64
        log10_halo_mass_history : (n, T) dex(solMass), no h, NaN where the halo has no mass
        Other columns of the schema pass through; they must be the same in all pieces.
        """


@dataclass(frozen=True)
class TabulatedHistories:
    """Histories of an xarray dataset, which may be lazy: a piece is computed when it is read.

    dataset : `log10_halo_mass_history` (halo, time), `halo_id` (halo), the coordinate `time` [Gyr], columns to pass on
    Raises InputError where one of them is missing, or where masses are no logarithms.
    """

    dataset: xr.Dataset
    cosmology: Cosmology = Cosmology()  # noqa: RUF009  immutable
    rows_per_piece: int = 65536
    attributes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked_cosmology(self.cosmology, "histories")
        missing = [name for name in (MASSES, "halo_id", "time") if name not in self.dataset.variables]
        if missing:
            raise InputError(f"histories: the dataset has no '{missing[0]}'; rename or add it")
        found = self.dataset[MASSES].dims
        if set(found) != {"halo", "time"}:
            raise InputError(f"histories: {MASSES} has dimensions {found}; they must be 'halo' and 'time'")
        if self.rows_per_piece < 1:
            raise InputError(f"histories: rows_per_piece is {self.rows_per_piece}; give a positive number")

    @property
    def content(self) -> str:
        """A digest of what is in memory; nothing is known of what is lazy."""
        held = {str(name): one.data for name, one in self.dataset.variables.items() if isinstance(one.data, np.ndarray)}
        return tokenize(sorted(held.items()))

    @property
    def time(self) -> np.ndarray:
        """Times of the histories (T,) [Gyr]."""
        return np.asarray(self.dataset["time"], np.float64)

    @property
    def pieces(self) -> tuple[int, ...]:
        """Number of histories of each piece: rows_per_piece, and what is left in the last one."""
        n, size = self.dataset.sizes["halo"], self.rows_per_piece
        return tuple(min(size, n - start) for start in range(0, n, size))

    def read(self, piece: int) -> dict[str, np.ndarray]:
        """The histories of one piece, and the columns of one number a halo that come with them."""
        start = piece * self.rows_per_piece
        part = self.dataset.isel(halo=slice(start, start + self.rows_per_piece))
        names = [name for name, variable in part.variables.items() if variable.dims[:1] == ("halo",) and name != MASSES]
        return {
            MASSES: np.asarray(part[MASSES].transpose("halo", "time")),
            **{str(name): np.asarray(part[name]) for name in names},
        }


def histories_from_arrays(
    time: np.ndarray,
    halo_id: np.ndarray,
    log10_halo_mass_history: np.ndarray,
    *,
    cosmology: Cosmology = Cosmology(),  # noqa: B008  immutable
    columns: Mapping[str, np.ndarray] | None = None,
    rows_per_piece: int = 65536,
) -> TabulatedHistories:
    """Histories of arrays: time (T,) [Gyr], halo_id (n,), log10 masses (n, T) [dex(Msun)], and columns (n,) to pass on.

    Raises InputError where shapes do not fit.
    """
    variables = {"halo_id": ("halo", halo_id), MASSES: (("halo", "time"), log10_halo_mass_history)}
    variables |= {name: ("halo", values) for name, values in (columns or {}).items()}
    try:
        dataset = xr.Dataset(variables, {"time": time})
    except ValueError as error:
        raise InputError(f"histories: arrays do not fit each other ({error})") from error
    return TabulatedHistories(dataset, cosmology, rows_per_piece)
