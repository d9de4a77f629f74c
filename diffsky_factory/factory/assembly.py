"""A recipe put together: simulation, model, tables and kernels, ready to compute any tile."""

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.axes import BANDS, LINES, axis
from diffsky_factory.core.cache import kept_arrays
from diffsky_factory.core.columns import Column, column
from diffsky_factory.core.constants import Key
from diffsky_factory.core.declared import Declared
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import kept_while_unchanged, noting
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.provider import Provider, needed, providable, provided
from diffsky_factory.core.stage import Stage
from diffsky_factory.core.user_warnings import warn
from diffsky_factory.factory.axis_labels import Labels, axis_labels
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.made_from import differences, inputs_of
from diffsky_factory.factory.model import Model
from diffsky_factory.factory.recipe import STORED_COLUMNS, Recipe, recipe_from_text
from diffsky_factory.factory.spectra_memory import check_spectra, is_spectral
from diffsky_factory.factory.tables import of_light
from diffsky_factory.halos.completion.completed import Completion
from diffsky_factory.halos.open import Simulation, open_simulation
from diffsky_factory.inputs.calibrations import Calibration
from diffsky_factory.physics.halos.fitted import FITTED
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.groups import REACH
from diffsky_factory.sky.regions import FullSky
from diffsky_factory.sky.spaces import Box, Space

USUAL_ORDER, USUAL_BOX_ORDER = 6, 2  # chosen: of tiles where a recipe leaves it out and they have rows enough
MARGIN = 0.02  # of redshift: satellites reach a little beyond the range of their hosts


class FinerTiles(NamedTuple):
    """Tiles that were counted to find the order of those of a recipe, and their rows."""

    order: int
    tiles: np.ndarray
    counts: np.ndarray


class Assembly:
    """What a recipe needs, found and checked: anything unknown or missing is an error here, before any work."""

    def __init__(self, recipe: Recipe, simulation: Simulation | None = None, model: Model | None = None) -> None:
        """The simulation is opened, and the model made, as the recipe says, unless they are given in their place."""
        self.recipe = recipe
        self.finer: FinerTiles | None = None
        with noting() as self.files:  # what it is made from
            self._open(simulation, model)

    def _open(self, simulation: Simulation | None, model: Model | None) -> None:
        recipe = self.recipe
        where = recipe.region.model_dump(exclude_none=True, exclude_defaults=True) if recipe.region else None
        self.simulation: Simulation = simulation or open_simulation(
            recipe.simulation,
            redshift=recipe.redshift,
            halo_mass_min=recipe.halo_mass_min,
            seed=recipe.seed_of_halos,
            region=where,
            completion=Completion(recipe.complete_to, recipe.complete_above, recipe.satellites),
            cosmology=recipe.cosmology,
            box_size=recipe.box_size,
        )
        self.space: Space = self.simulation.space
        self.region: Any = where or self.simulation.default_region
        self.part: Any = self.space.part(self.region)  # once: a region of many pixels takes long to read
        self._check_tiles()
        self.model: Model = model or recipe.model
        self.stages: tuple[Stage, ...] = self.model.stages(
            fitted=set(FITTED) <= set(self.simulation.columns), in_a_box=isinstance(self.space, Box)
        )
        arranged = ("host_row", "penultimate_host_row") if FIRST_HOST in self.simulation.columns else ("host_row",)
        self._of_simulation = frozenset((*self.simulation.columns, *arranged))
        self.providers: tuple[Provider, ...] = providable(self.model.providers, self._of_simulation)
        self._check_added()
        self._kernels: dict[tuple, Kernel] = {}
        self._one_at_a_time = threading.RLock()  # tables and kernels are made once, whichever thread asks first
        for name in self.columns:
            if name in self.space.meaningless:
                raise InputError(f"recipe '{recipe.name}', columns: '{name}' has no meaning in a box; leave it out")
            if self.column(name).row_number:
                raise InputError(f"recipe '{recipe.name}', columns: '{name}' holds row numbers, which no store keeps")
        self._check_constants()
        self._check_distance()

    @cached_property
    def inputs(self) -> dict[str, str]:
        """What decides its numbers beside the recipe: content of files, and versions."""
        return inputs_of(self.files)

    @property
    def cosmology(self) -> Cosmology:
        """That of the simulation."""
        return self.simulation.cosmology

    @property
    def calibration(self) -> Calibration:
        """Values of the parameters."""
        return self.model.calibrated

    @property
    def constants(self) -> dict[Key, Any]:
        """Parameters and tables by key."""
        with self._one_at_a_time:
            return self._constants

    @cached_property
    def _constants(self) -> dict[Key, Any]:
        spectra = SpectrumTable in self.plan(self.columns).constants
        return self.model.known(self.cosmology, self.simulation.redshift_range[1] + MARGIN, spectra=spectra)

    def _check_added(self) -> None:
        """Raise InputError where what is added writes what the simulation gives, and so would not be used."""
        for one in self.model.add:
            if not isinstance(one, Declared):
                continue
            given = [name for name in one.writes if name in self._of_simulation]
            if given:
                raise InputError(
                    f"add: '{one.name}' writes {', '.join(given)}, which the simulation gives; "
                    "give its columns other names, or put it under a scope"
                )

    def _check_constants(self) -> None:
        """Raise InputError where the model has not all that the columns of the recipe need."""
        order = self.plan(self._wanted)
        first = needed(self.providers, self._of_simulation, order.reads)
        keys = {*order.constants, *(key for one in first for key in one.constants.values())}
        if any(axis(one).of == BANDS for name in order.wanted for one in self.column(name).axes):
            keys.add(BandTable)  # the axis needs its labels, whatever is computed
        self.model.check(keys, f"recipe '{self.recipe.name}'")

    def warn_of_unused(self) -> None:
        """Say where lines were asked for and no column is of them; bands of a recipe wait for `ds.sky.photometry`."""
        used = {axis(one).of for name in self.columns for one in self.column(name).axes}
        if self.recipe.lines and LINES not in used:
            names = f"recipe '{self.recipe.name}', lines: no column is of {', '.join(self.recipe.lines)}"
            warn(f"{names}; add line_flux or line_luminosity to columns")

    def _check_tiles(self) -> None:
        """Raise InputError where tiles of a box are asked for that are smaller than groups of halos."""
        asked = self.recipe.tiles.box_order
        if isinstance(self.space, Box) and asked is not None and asked > max(self._most_order, USUAL_BOX_ORDER):
            raise InputError(
                f"recipe '{self.recipe.name}', tiles.box_order: {asked} makes tiles of "
                f"{self.space.size / 2**asked:.3g} Mpc; {REACH:g} Mpc is the least: give {self._most_order} at most"
            )

    def _check_distance(self) -> None:
        """Raise InputError for light of galaxies in a box at redshift 0, which is at no distance."""
        if not isinstance(self.space, Box) or self.simulation.redshift_range[0] > 0.0:
            return
        if of_light(self.plan(self.columns).constants):
            raise InputError(
                f"recipe '{self.recipe.name}': its box is at redshift 0, at no distance, so galaxies have no apparent "
                "magnitudes or fluxes; leave mag_true and others of light out of columns"
            )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the mock: those of the recipe, and where these are all of the usual ones, what light needs too."""
        wanted = self._wanted
        if not set(STORED_COLUMNS) <= set(self.recipe.columns):
            return wanted
        return (*wanted, *(name for name in self.inputs_of(LIGHT) if name not in wanted))

    @property
    def _wanted(self) -> tuple[str, ...]:
        """Columns of the recipe; of the usual ones, those that have a meaning in the space."""
        wanted = self.recipe.columns
        if not set(STORED_COLUMNS) <= set(wanted):
            return wanted
        return tuple(name for name in wanted if name not in self.space.meaningless)

    def inputs_of(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Columns of the simulation that some columns follow from, those from which others are made in their place."""
        found = dict.fromkeys(one for name in ("host_row", *self.plan(wanted).reads) for one in self.made_of(name))
        return tuple(one for one in found if one in self.simulation.columns)

    def made_of(self, name: str) -> tuple[str, ...]:
        """Columns of the simulation that one follows from which no stage makes; itself, where it is one of them."""
        first = needed(self.providers, self._of_simulation, [name])
        reads = [read for one in first for read in one.reads if read in self._of_simulation] if first else [name]
        return tuple(dict.fromkeys(one for read in reads for one in MADE_OF.get(read, (read,))))

    @cached_property
    def order(self) -> int:
        """Order of the cells that are tiles: the recipe's, or the highest with a block of rows in the mean of a tile.

        In a box none is smaller than groups of halos are.
        """
        in_a_box, tiling = isinstance(self.space, Box), self.recipe.tiles
        asked, usual = (tiling.box_order, USUAL_BOX_ORDER) if in_a_box else (tiling.order, USUAL_ORDER)
        if asked is not None:
            return min(asked, self._most_order)
        finest = min(usual, self._most_order)
        tiles = self.simulation.tiles(finest, self.part)
        enough = self._rows_about(finest, tiles) / tiling.block
        numbers = {order: len(np.unique(self.space.coarser(tiles, finest, order))) for order in range(finest + 1)}
        return max((order for order, number in numbers.items() if number <= enough), default=0)

    @property
    def _most_order(self) -> int:
        """Of tiles that are no smaller than groups of halos."""
        if not isinstance(self.space, Box):
            return self.space.finest
        return max(0, int(np.log2(self.space.size / REACH)))

    def _rows_about(self, order: int, tiles: np.ndarray) -> float:
        """Rows of all tiles: their mean where the simulation knows it without making any, else counted one by one."""
        known = getattr(self.simulation, "expected_count", None)
        if known is None:
            self.finer = FinerTiles(order, tiles, self._counted(order, tiles))
            return float(self.finer.counts.sum())
        return sum(known(0, int(tile), self.part) for tile in self.simulation.tiles(0, self.part))

    @cached_property
    def tiles(self) -> np.ndarray:
        """Cells that the region overlaps."""
        return self.simulation.tiles(self.order, self.part)

    @cached_property
    def extent(self) -> float:
        """Area of the mock [deg^2], or volume [Mpc^3]."""
        return self.simulation.extent(self.part)

    def tile_extents(self, tiles: Sequence[int]) -> tuple[float, ...]:
        """Extent of the mock in each of its tiles; they sum to `extent`. To 1e-4 where a region of the sky cuts one."""
        if isinstance(self.part, FullSky) and len(tiles) == self.space.roots << self.space.bits * self.order:
            return (self.extent / len(tiles),) * len(tiles)  # alike, where there are too many to look at each
        whole = np.array([self.simulation.extent(self.space.cells([tile], self.order)) for tile in tiles])
        extents = whole * self.space.shares(self.part, tiles, self.order)
        return tuple((extents * (self.extent / max(extents.sum(), 1e-300))).tolist())

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Exact rows of each of `tiles`.

        Halos that are drawn cannot be counted before their hosts are, as these move: that is done once per machine.
        """

        def make() -> dict[str, np.ndarray]:
            return {"counts": self._counted(self.order, self.tiles)}

        drawn_from = getattr(self.simulation, "drawn_from", None)
        if drawn_from is None:
            order = self.order  # which may count finer tiles first
            counts = self._counted(order, self.tiles) if self.finer is None else self._together(self.finer)
            return tuple(counts.tolist())
        parts = (*drawn_from, self.order, json.dumps(self.region, sort_keys=True))
        return tuple(kept_arrays("counts", parts, make)["counts"].tolist())

    def _counted(self, order: int, tiles: np.ndarray) -> np.ndarray:
        """Rows of some tiles, each counted."""
        return np.array([self.simulation.count(order, int(tile), self.part) for tile in tiles], np.int64)

    def _together(self, finer: FinerTiles) -> np.ndarray:
        """Rows of each of `tiles`: those of the finer ones in it."""
        inside = np.searchsorted(self.tiles, self.space.coarser(finer.tiles, finer.order, self.order))
        return np.bincount(inside, finer.counts, len(self.tiles)).astype(np.int64)

    @property
    def expected_counts(self) -> tuple[int, ...]:
        """Mean rows of each of `tiles`, without making any, for a simulation that knows them; else the exact ones."""
        known = getattr(self.simulation, "expected_count", None)
        return tuple(round(known(self.order, int(tile), self.part)) for tile in self.tiles) if known else self.counts

    def halos(self, tile: int) -> dict[str, np.ndarray]:
        """Halos of a tile, arranged."""
        return self.simulation.halos(self.order, tile, self.part)

    def provided(self, halos: Mapping[str, np.ndarray], wanted: Iterable[str]) -> dict[str, np.ndarray]:
        """Halos of a simulation, and those of the wanted columns that follow from them before any stage."""
        constants = {**self.model.parameters, Cosmology: self.cosmology}
        return provided(self.providers, constants, halos, wanted)

    def galaxies(
        self, halos: Mapping[str, np.ndarray], wanted: Sequence[str], bands: Sequence[int] | None = None
    ) -> dict[str, np.ndarray]:
        """Wanted columns of the halos of a tile, in the schema's types; of some bands alone, if given."""
        self.check_size(len(halos["halo_id"]), wanted)
        given = self.given.union(halos)
        computed = tuple(name for name in wanted if name not in given)
        kernel = self.kernel(computed, given, bands) if computed else None
        reads = kernel.plan.reads if kernel else ()
        columns = self.provided(halos, {"galaxy_id", *wanted, *reads})
        found = kernel(columns, columns["galaxy_id"]) if kernel else {}
        found.update({name: columns[name] for name in wanted if name not in found})
        return {name: np.asarray(found[name]).astype(self.column(name).dtype) for name in wanted}

    def check_size(self, rows: int, wanted: Sequence[str]) -> None:
        """Raise InputError where the spectra among the wanted columns of a tile are too many."""
        spectra = [self.column(name) for name in wanted if is_spectral(name)]
        if spectra:
            axes = self.axes
            points = {column.name: int(np.prod([len(axes[axis]) for axis in column.axes])) for column in spectra}
            remedies = "give tiles of a higher order", "a range of wavelengths", "or a larger halo_mass_min"
            check_spectra(f"recipe '{self.recipe.name}', a tile", rows, points, remedies)

    def plan(self, wanted: Sequence[str]) -> Plan:
        """The stages that the wanted columns need."""
        return plan(self.stages, self.given, [name for name in wanted if name not in self.given])

    @cached_property
    def given(self) -> frozenset[str]:
        """Columns that no stage makes: those of the simulation, and what is provided."""
        return self._of_simulation.union(*(one.writes for one in self.providers))

    def column(self, name: str) -> Column:
        """Meaning of a column; raises InputError for an unknown one, listing near matches."""
        try:
            return column(name)
        except KeyError as error:
            raise InputError(error.args[0]) from error

    @property
    def axes(self) -> dict[str, Labels]:
        """Labels of the axes that columns have besides the rows."""
        return axis_labels(self.model.band_names, self.model.line_names, self.constants)

    def kernel(self, wanted: tuple[str, ...], given: frozenset[str], bands: Sequence[int] | None = None) -> Kernel:
        """What computes columns from those that are given; compiled once."""
        key = (wanted, given, None if bands is None else tuple(bands))
        with self._one_at_a_time:
            if key not in self._kernels:
                constants = self.constants
                if bands is not None:
                    constants = {**constants, BandTable: _some_bands(constants[BandTable], bands)}
                self._kernels[key] = Kernel(
                    plan(self.stages, given, wanted), constants, seed=self.model.seed, block=self.recipe.tiles.block
                )
            return self._kernels[key]


LIGHT = ("mag_true", "line_flux")
"""Columns for whose inputs a store has room, so that bands and lines can be added to it."""

FIRST_HOST = "penultimate_host_halo_id"
MADE_OF = {
    "host_row": ("halo_id", "host_halo_id", "is_central"),
    "penultimate_host_row": (FIRST_HOST,),
}
"""What the columns are made of that the order of the rows adds to those of a simulation."""


def _some_bands(table: BandTable, bands: Sequence[int]) -> BandTable:
    chosen = list(bands)
    return BandTable(table.redshift, table.luminosity[:, :, chosen], table.rest_wavelength[:, chosen])


def assembly(recipe: str) -> Assembly:
    """The assembly of a recipe's text, made once per process, working folder and state of the files it is made from.

    Its recipe has the order of tiles also where the text leaves it out, so that others need not find it again.
    """
    found = _assembly(recipe, os.getcwd())
    tiled = found.recipe.in_tiles(found.order, isinstance(found.space, Box))
    if tiled is found.recipe:
        return found
    made = _assembly(tiled.text, os.getcwd())
    made.finer = made.finer or found.finer
    return made


@kept_while_unchanged(8)
def _assembly(recipe: str, folder: str) -> Assembly:
    return Assembly(recipe_from_text(recipe))


def opened_as(recipe: str, inputs: Mapping[str, str]) -> Assembly:
    """The assembly of a recipe's text; raises InputError where its inputs are others than when a dataset was opened."""
    parts = assembly(recipe)
    changed = differences(inputs, parts.inputs)
    if changed:
        raise InputError(f"the dataset was opened with {changed}; open it again")
    return parts
