"""A recipe put together: simulation, model, tables and kernels, ready to compute any tile."""

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from diffsky_factory.core.axes import BANDS, axis
from diffsky_factory.core.columns import Column, column
from diffsky_factory.core.constants import Key
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import changed, noting
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.stage import Stage
from diffsky_factory.factory.axis_labels import Labels, axis_labels
from diffsky_factory.factory.kernel import Kernel
from diffsky_factory.factory.recipe import STORED_COLUMNS, Recipe, recipe_from_text
from diffsky_factory.factory.sizes import check_spectra, is_spectral
from diffsky_factory.factory.tables import check_templates, line_names, spectrum_wavelengths, tables
from diffsky_factory.inputs.calibrations import Calibration, load_calibration
from diffsky_factory.inputs.filters import band_names, load_filters
from diffsky_factory.inputs.halo_growth import halo_growth_parameters
from diffsky_factory.inputs.igm import check_absorption
from diffsky_factory.inputs.simulations.completed import Completion
from diffsky_factory.inputs.simulations.registry import Simulation, open_simulation
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics import INGREDIENTS, default_parameters, stages
from diffsky_factory.physics.halos.fitted import FITTED
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.light.lines import LineTable
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.mass_loss import SurvivingMassTable
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import age_at
from diffsky_factory.sky.regions import FullSky, region, share_inside

MARGIN = 0.02  # of redshift: satellites reach a little beyond the range of their hosts


class Assembly:
    """What a recipe needs, found and checked: anything unknown or missing is an error here, before any work."""

    def __init__(
        self,
        recipe: Recipe,
        simulation: Simulation | None = None,
        add: Sequence[str] = (),
        own: Mapping[Key, Any] | None = None,
    ) -> None:
        """The simulation is opened as the recipe says, unless halos that follow from it are given in its place.

        add : paths of stages besides those of the model
        own : constants of theirs, by key
        """
        self.recipe, self.own = recipe, dict(own or {})
        with noting() as self.files:
            self._open(simulation, add)

    def _open(self, simulation: Simulation | None, add: Sequence[str]) -> None:
        """Find and check everything; what is read from is in `files` afterwards."""
        recipe = self.recipe
        where = recipe.region.model_dump(exclude_none=True, exclude_defaults=True) if recipe.region else None
        self.simulation: Simulation = simulation or open_simulation(
            recipe.simulation,
            redshift=recipe.redshift,
            halo_mass_min=recipe.halo_mass_min,
            seed=recipe.seed,
            region=where,
            completion=Completion(recipe.complete_to, recipe.complete_above, recipe.satellites),
            cosmology=recipe.cosmology,
        )
        self.region: dict[str, Any] | None = where or self.simulation.default_region
        self.calibration: Calibration = load_calibration(recipe.calibration)
        self.stages: tuple[Stage, ...] = stages(
            recipe.replace, fitted=set(FITTED) <= set(self.simulation.columns), add=add
        )
        load_templates(recipe.templates)
        load_filters(recipe.bands)
        check_absorption(recipe.igm)
        self.lines = line_names(recipe.templates, recipe.lines)
        spectrum_wavelengths(recipe.templates, recipe.wavelengths)
        self._counts: dict[int, int] = {}
        self._kernels: dict[tuple, Kernel] = {}
        self._one_at_a_time = threading.RLock()  # tables and kernels are made once, whichever thread asks first
        for name in self.columns:
            if self.column(name).row_number:
                raise InputError(f"recipe '{recipe.name}', columns: '{name}' holds row numbers, which no store keeps")
        self._check_constants()

    @property
    def cosmology(self) -> Cosmology:
        """That of the simulation."""
        return self.simulation.cosmology

    @property
    def constants(self) -> dict[type, Any]:
        """Parameters and tables by type."""
        with self._one_at_a_time:
            return self._constants

    @cached_property
    def _constants(self) -> dict[type, Any]:
        recipe, redshift_max = self.recipe, self.simulation.redshift_range[1] + MARGIN
        known = tables(
            *(recipe.templates, recipe.bands, self.cosmology, redshift_max, recipe.igm, recipe.lines),
            *(recipe.wavelengths, SpectrumTable in self.plan(self.columns).constants),
        )
        return {**self.defaults, **halo_growth_parameters(), **self.calibration.by_class(), **known, **self.own}

    @property
    def defaults(self) -> dict[type, Any]:
        """Parameters that the calibration does not have and that have values all the same."""
        return {
            kind: values
            for kind, values in default_parameters(self.stages).items()
            if kind not in {Cosmology, *halo_growth_parameters(), *self.calibration.by_class()}
        }

    def _check_constants(self) -> None:
        """Raise InputError where the recipe leaves out the bands or the parameters that its columns need."""
        recipe, known = self.recipe, {Cosmology, TimeGrid, TemplateGrid, SpectrumTable, SurvivingMassTable}
        known |= {*self.defaults, *halo_growth_parameters(), *self.calibration.by_class()}
        needed = self.plan(recipe.columns).constants
        check_templates(needed, recipe.templates)
        taken_from = {axis(one).of for name in recipe.columns for one in self.column(name).axes}
        if not recipe.bands and (BandTable in needed or BANDS in taken_from):
            raise InputError(f"recipe '{recipe.name}', bands: none are given, and its columns have a band axis")
        if not recipe.lines and LineTable in needed:
            raise InputError(f"recipe '{recipe.name}', lines: none are given, and its columns have a line axis")
        groups = {kind: group for group, kind in INGREDIENTS.items()}
        missing = [groups.get(kind, kind.__name__) for kind in needed if kind not in known | {BandTable, LineTable}]
        if missing:
            raise InputError(
                f"recipe '{recipe.name}', calibration: '{recipe.calibration}' has no parameters of "
                f"{', '.join(missing)}; join it to one that has them, such as 'c260710+{recipe.calibration}'"
            )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the mock: those of the recipe, and where these are all of the usual ones, what light needs too."""
        wanted = self.recipe.columns
        if not set(STORED_COLUMNS) <= set(wanted):
            return wanted
        return (*wanted, *(name for name in self.inputs_of(LIGHT) if name not in wanted))

    def inputs_of(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Columns of the simulation that some columns follow from, those from which others are made in their place."""
        found: dict[str, None] = {}
        for name in ("host_row", *self.plan(wanted).reads):  # blocks need the hosts, whatever the columns
            made_of = MADE_OF.get(name, (name,))
            found.update(dict.fromkeys(one for one in made_of if one in self.simulation.columns))
        return tuple(found)

    @property
    def pixels(self) -> np.ndarray:
        """Tiles that the region overlaps."""
        return self.simulation.tiles(self.recipe.tiles.order, self.region)

    @property
    def area(self) -> float:
        """Area of the mock [deg^2]."""
        return self.simulation.area(self.region)

    def tile_areas(self, pixels: Sequence[int]) -> tuple[float, ...]:
        """Area [deg^2] of the mock in each of its tiles; they sum to `area`. To 1e-4 where a region cuts a tile."""
        order = self.recipe.tiles.order
        inside = region(self.region)
        if isinstance(inside, FullSky) and len(pixels) == 12 * 4**order:
            return (self.area / len(pixels),) * len(pixels)  # alike, where there are too many to look at each
        shares = [
            self.simulation.area({"pixels": [pixel], "order": order}) * share_inside(order, pixel, [inside])
            for pixel in pixels
        ]
        return tuple(share * self.area / max(sum(shares), 1e-300) for share in shares)

    def count(self, pixel: int) -> int:
        """Exact rows of a tile; counted once."""
        if pixel not in self._counts:
            self._counts[pixel] = self.simulation.count(self.recipe.tiles.order, pixel, self.region)
        return self._counts[pixel]

    def expected_count(self, pixel: int) -> int:
        """Mean number of rows of a tile, without making any, for a simulation that knows it; else the exact one."""
        known = getattr(self.simulation, "expected_count", None)
        return round(known(self.recipe.tiles.order, pixel, self.region)) if known else self.count(pixel)

    def halos(self, pixel: int) -> dict[str, np.ndarray]:
        """Halos of a tile, arranged, with what follows from them alone."""
        return self.with_own_columns(self.simulation.halos(self.recipe.tiles.order, pixel, self.region))

    def with_own_columns(self, halos: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Halos of a simulation with what follows from them alone."""
        halos["galaxy_id"] = halos["halo_id"]
        halos["cosmic_time"] = age_at(self.cosmology, halos["redshift"])
        halos["satellite_weight"] = np.ones(len(halos["halo_id"]))
        if "weight" not in halos:  # a simulation may have weights of its own
            halos["weight"] = np.ones(len(halos["halo_id"]), np.float32)
        return halos

    def galaxies(
        self, halos: Mapping[str, np.ndarray], wanted: Sequence[str], bands: Sequence[int] | None = None
    ) -> dict[str, np.ndarray]:
        """Wanted columns of the halos of a tile, in the schema's types; of some bands alone, if given."""
        self.check_size(len(halos["halo_id"]), wanted)
        computed = [name for name in wanted if name not in halos]
        found = {}
        if computed:
            found = self.kernel(tuple(computed), frozenset(halos), bands)(halos, halos["galaxy_id"])
        found.update({name: halos[name] for name in wanted if name in halos})
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
        """Columns that `halos` has, which no stage makes."""
        known = self.simulation.columns
        of_first_host = ("penultimate_host_row",) if "penultimate_host_halo_id" in known else ()
        return frozenset((*known, *FROM_HALOS, *of_first_host))

    def column(self, name: str) -> Column:
        """Meaning of a column; raises InputError for an unknown one, listing near matches."""
        try:
            return column(name)
        except KeyError as error:
            raise InputError(error.args[0]) from error

    @property
    def axes(self) -> dict[str, Labels]:
        """Labels of the axes that columns have besides the rows."""
        return axis_labels(band_names(self.recipe.bands), self.lines, self.constants)

    def kernel(self, wanted: tuple[str, ...], given: frozenset[str], bands: Sequence[int] | None = None) -> Kernel:
        """What computes columns from those that are given; compiled once."""
        key = (wanted, given, None if bands is None else tuple(bands))
        with self._one_at_a_time:
            if key not in self._kernels:
                constants = self.constants
                if bands is not None:
                    constants = {**constants, BandTable: _some_bands(constants[BandTable], bands)}
                self._kernels[key] = Kernel(
                    plan(self.stages, given, wanted), constants, seed=self.recipe.seed, block=self.recipe.tiles.block
                )
            return self._kernels[key]


LIGHT = ("mag_true", "line_flux")
"""Columns for whose inputs a store has room, so that bands and lines can be added to it."""

MADE_OF = {
    "galaxy_id": ("halo_id",),
    "cosmic_time": ("redshift",),
    "satellite_weight": (),
    "host_row": ("halo_id", "host_halo_id", "is_central"),
    "penultimate_host_row": ("penultimate_host_halo_id",),
}
"""What the columns are made of that `Assembly.halos`, or the order of the rows, adds."""

FROM_HALOS = ("galaxy_id", "cosmic_time", "satellite_weight", "weight", "host_row")


def _some_bands(table: BandTable, bands: Sequence[int]) -> BandTable:
    chosen = list(bands)
    return BandTable(table.redshift, table.luminosity[:, :, chosen], table.rest_wavelength[:, chosen])


def assembly(recipe: str) -> Assembly:
    """The assembly of a recipe's text, made once per process, working folder and state of the files it is made from."""
    found = _assembly(recipe, os.getcwd())
    if changed(found.files):
        _assembly.cache_clear()
        found = _assembly(recipe, os.getcwd())
    return found


@lru_cache(maxsize=8)
def _assembly(recipe: str, folder: str) -> Assembly:
    return Assembly(recipe_from_text(recipe))
