"""Columns computed from what a store of galaxies keeps, in the very program that would have built them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from diffsky_factory.core.constants import Key, held, key_of, kind_of
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import kept_while_unchanged
from diffsky_factory.core.imports import imported
from diffsky_factory.core.parameters import is_named_tuple
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.scopes import split
from diffsky_factory.factory.assembly import Assembly
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.recipe import load_recipe, recipe_from_text
from diffsky_factory.halos.open import Simulation
from diffsky_factory.outputs import store
from diffsky_factory.outputs.layout import Part, ranges
from diffsky_factory.outputs.reading import column_names, read_column
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import find_hosts, host_rows
from diffsky_factory.sky.spaces import space_of


@dataclass(frozen=True)
class Request:
    """What is to be computed.

    columns : names; those that stages of a scope write are `scope/name`
    changes : fields of the recipe of the store that are others: bands, lines, wavelengths
    stages  : stages to add to the model, by their paths, `lsst_y10/module:attribute`
    constants : of these, by the path of their class, `lsst_y10/module:Class`: values of the fields
    """

    columns: tuple[str, ...]
    changes: Mapping[str, Any]
    stages: tuple[str, ...] = ()
    constants: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As JSON."""
        content = {"columns": self.columns, "changes": dict(self.changes), "stages": self.stages}
        content["constants"] = {path: dict(values) for path, values in self.constants.items()}
        return json.dumps(content, sort_keys=True, default=_plain)


def request_from_text(text: str) -> Request:
    """The request of `Request.text`."""
    content = json.loads(text)
    return Request(tuple(content["columns"]), content["changes"], tuple(content["stages"]), content["constants"])


class StoredInputs:
    """The halos of a store of galaxies, as far as it keeps them: what an assembly knows of a simulation."""

    def __init__(self, part: Part, whole: bool) -> None:
        """With `whole`, all that is stored is known as columns of a simulation are: for stages that are added."""
        said = part.attributes
        self.cosmology, self.space = Cosmology(**said["cosmology"]), space_of(said)
        self.columns = dict.fromkeys((*said["simulation_columns"], *(column_names(part) if whole else ())))
        self.redshift_range = said["redshift_min"], said["redshift_max"]
        self.default_region = said["region"]
        self.attributes = said["simulation"]


class Recomputation:
    """A request to a store, checked: nothing is computed yet.

    Raises InputError where the store does not keep what the columns follow from, listing what is missing, and where
    calibration or templates are not what they were.
    """

    def __init__(self, path: Path, part: Part, request: Request) -> None:
        self.path, self.part, self.request = path, part, request
        if part.job != "build":
            raise InputError(f"{path}: holds no galaxies that were built; nothing can be computed from it")
        built = recipe_from_text(part.made_from)
        added = [name for name in request.columns if name not in built.columns and not request.stages]
        recipe = load_recipe(built, **{**request.changes, "columns": (*built.columns, *added)})
        model = recipe.model.but(
            add=(*recipe.add, *request.stages), constants=_constants(request.constants) if request.constants else ()
        )
        # nothing is asked of the simulation but what it says of itself, which the store knows
        self.parts = Assembly(recipe, cast(Simulation, StoredInputs(part, bool(request.stages))), model)
        now = self.parts.calibration.hash
        if now != part.attributes["calibration_sha256"]:
            raise InputError(
                f"{path}: calibration '{recipe.calibration}' has other values than when the store was built; give it "
                "back its values"
            )
        self._check_kept()

    @cached_property
    def kernel(self) -> Kernel:
        """The program: for what the model itself makes, that of a build; for added stages, from the columns kept."""
        return self.parts.kernel(self._wanted, self.parts.given)

    @property
    def _wanted(self) -> tuple[str, ...]:
        if self.request.stages:
            return self.request.columns
        return tuple(name for name in self.parts.columns if name not in self.parts.given)

    @cached_property
    def _order(self) -> Plan:
        return plan(self.parts.stages, self.parts.given, self._wanted)

    @property
    def _needs_hosts(self) -> bool:
        """Whether galaxies of a group are computed together, as they were when the store was built."""
        return not self.request.stages or any(stage.of == "block" for stage in self._order.stages)

    def _inputs(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Columns of the store that some columns follow from which no stage makes."""
        names = (*(("host_row",) if self._needs_hosts else ()), *wanted)
        found = dict.fromkeys(one for name in names for one in self.parts.made_of(name))
        return (self._ids, *(name for name in found if name not in ("halo_id", "galaxy_id")))

    @property
    def _ids(self) -> str:
        """The column on which draws are keyed; galaxies have the ids of their halos."""
        return "galaxy_id" if "galaxy_id" in column_names(self.part) else "halo_id"

    def _check_kept(self) -> None:
        absent = [kind_of(key).__name__ for key in self._order.constants if held(key, self.parts.constants) is None]
        if absent:
            raise InputError(f"{', '.join(self.request.columns)}: stages take {', '.join(absent)}; give constants=")
        missing = [name for name in self._inputs(self._order.reads) if name not in column_names(self.part)]
        if missing:
            raise InputError(
                f"{self.path}: {', '.join(self.request.columns)} follow from columns that the store does not keep: "
                f"{', '.join(missing)}; build it with them among the columns of its recipe"
            )

    def inputs(self, tile: int, wanted: Iterable[str]) -> dict[str, np.ndarray]:
        """Wanted columns of a tile that no stage makes, from what is kept of it, and its host rows."""
        rows = ranges(self.part.rows.starts[[tile]], np.array([self.part.rows.counts[tile]]))
        kept = {name: read_column(self.path, self.part, name, rows) for name in self._inputs(wanted)}
        kept["halo_id"] = kept[self._ids]
        columns = self.parts.provided(_with_hosts(kept) if self._needs_hosts else kept, wanted)
        columns.setdefault("host_row", np.arange(len(rows)))
        return columns

    def tile(self, tile: int, only: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The wanted columns of a tile, or of some of its rows, by their number in the tile."""
        names = {*self.kernel.plan.reads, "host_row"}
        columns = self.inputs(tile, self.kernel.plan.reads)
        found = self.kernel({name: columns[name] for name in names}, columns["halo_id"], only=only)
        return {name: found[name].astype(self.parts.column(name).dtype) for name in self.request.columns}

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """Ids of the galaxies at rows of the store."""
        self._check_rows(rows)
        return read_column(self.path, self.part, self._ids, rows)

    def _check_rows(self, rows: np.ndarray) -> None:
        """Raise InputError for a row that is none."""
        known = self.part.rows
        if len(rows) and not (rows.min() >= 0 and rows.max() < known.capacity):
            raise InputError(f"{self.path}: has no row {rows.min() if rows.min() < 0 else rows.max()}")
        tiles = known.tile_of(rows)
        past = rows - known.starts[tiles] >= np.asarray(known.counts, np.int64)[tiles]
        if past.any():
            raise InputError(f"{self.path}: row {rows[past][0]} is padding, of no galaxy")

    def at(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The wanted columns at rows of the store, in any order."""
        self._check_rows(rows)
        tiles = self.part.rows.tile_of(rows)
        found = {}
        for tile in np.unique(tiles):
            here = np.flatnonzero(tiles == tile)
            values = self.tile(int(tile), rows[here] - self.part.rows.starts[tile])
            for name, column in values.items():
                if name not in found:
                    found[name] = np.empty((len(rows), *column.shape[1:]), column.dtype)
                found[name][here] = column
        return found


def recomputation(path: str | Path, request: str) -> Recomputation:
    """A request to a store, by its text; made once per process and state of the store."""
    return _recomputation(str(path), store.read_part(path), request)


@kept_while_unchanged(8)
def _recomputation(path: str, part: Part, request: str) -> Recomputation:
    return Recomputation(Path(path), part, request_from_text(request))


def _with_hosts(kept: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stored columns of a tile with the rows of their hosts, as the halos had them."""
    hosts = find_hosts(kept["halo_id"], kept["host_halo_id"], kept["is_central"])
    return {**kept, **host_rows(kept, hosts)}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else list(value)


def _constants(given: Mapping[str, Mapping[str, float]]) -> dict[Key, Any]:
    """Constants by key, from the paths of their classes and the values of their fields."""
    found = {}
    for path, values in given.items():
        scope, place = split(path)
        kind = imported(place)
        if not is_named_tuple(kind):
            raise InputError(f"constants: {path} is no class of parameters: a NamedTuple of numbers is wanted")
        try:
            found[key_of(kind, scope)] = kind(**values)
        except TypeError as error:
            raise InputError(f"constants: {path} takes other fields ({error})") from error
    return found
