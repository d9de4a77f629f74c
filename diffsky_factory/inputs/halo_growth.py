"""Parameters of the populations of halo histories, for halos that come without one."""

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field

from diffsky_factory.core.constants import Key
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import kept_while_unchanged
from diffsky_factory.core.types import vector
from diffsky_factory.core.user_files import user_path
from diffsky_factory.inputs.entries import Record, Reference, checked, entry_path, read_yaml
from diffsky_factory.physics.halos.mixture import GrowthMixtureParameters
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters

SCHEMA: Final = "diffsky-factory/halo-growth-mixture/1"
DEFAULT = "diffhalos_mixture"
SIZE = 6  # coordinates of a history
LOWER = np.tril_indices(SIZE)
NUMBERS = 1 + SIZE + len(LOWER[0])  # of a component: ln weight, mean, lower factor row by row


class GrowthMixtureEntry(Record):
    """An entry of `catalogs/halo_growth`: a fitted mixture, where it comes from and how good it is."""

    schema_: Literal["diffsky-factory/halo-growth-mixture/1"] = Field(default=SCHEMA, alias="schema")
    title: str
    references: list[Reference]
    fitted: str  # date
    draws: int  # histories of each kind it was fitted to
    components: int
    quality: dict[str, list[float]]  # of satellites, centrals
    notes: str = ""
    satellites: list[list[float]]
    centrals: list[list[float]]


def load_growth_mixture(name_or_path: str | Path = DEFAULT) -> GrowthMixtureParameters:
    """A mixture by the name of an entry of `catalogs/halo_growth`, or by path of a yaml file.

    Raises InputError naming the file where a component has not 28 finite numbers or a factor that is none.
    """
    name = str(name_or_path)
    path = user_path(name) if name.endswith((".yaml", ".yml")) else entry_path("halo_growth", name)
    return _load(path)


@kept_while_unchanged(8)
def _load(path: Path) -> GrowthMixtureParameters:
    entry = checked(GrowthMixtureEntry, read_yaml(path), path)
    for kind, rows in (("satellites", entry.satellites), ("centrals", entry.centrals)):
        if len(rows) != entry.components or any(len(row) != NUMBERS for row in rows):
            raise InputError(f"{path}, {kind}: {entry.components} components of {NUMBERS} numbers are wanted")
    numbers = np.array([entry.satellites, entry.centrals])
    factor = np.zeros((*numbers.shape[:2], SIZE, SIZE))
    factor[..., LOWER[0], LOWER[1]] = numbers[..., 1 + SIZE :]
    if not np.isfinite(numbers).all() or not np.all(np.diagonal(factor, axis1=-2, axis2=-1) > 0.0):
        raise InputError(f"{path}: finite numbers, and factors of positive diagonal, are wanted")
    return GrowthMixtureParameters(vector(numbers[..., 0]), vector(numbers[..., 1 : 1 + SIZE]), vector(factor))


def halo_growth_parameters() -> dict[Key, Any]:
    """Parameters of every stage that draws histories of halos, by class."""
    return {DiffmahPopParameters: DiffmahPopParameters(), GrowthMixtureParameters: load_growth_mixture()}
