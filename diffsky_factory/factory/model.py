"""The model of galaxies as one value: which stages, parameters, light and random numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.constants import Key, held, kind_of, said
from diffsky_factory.core.declared import Declared, declared_at
from diffsky_factory.core.errors import InputError, did_you_mean, near, shown
from diffsky_factory.core.imports import is_path
from diffsky_factory.core.listed import listed
from diffsky_factory.core.parameters import problem_of_values
from diffsky_factory.core.plan import writers_of
from diffsky_factory.core.provider import Provider
from diffsky_factory.core.stage import Stage
from diffsky_factory.factory.providers import PROVIDERS
from diffsky_factory.factory.tables import DEFAULT_IGM, line_labels, spectrum_wavelengths, tables
from diffsky_factory.inputs.calibrations import Calibration, load_calibration
from diffsky_factory.inputs.filters import Bands, band_names, load_filters
from diffsky_factory.inputs.halo_growth import halo_growth_parameters
from diffsky_factory.inputs.igm import check_absorption
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics import IN_A_BOX, INGREDIENTS, default_parameters, stages
from diffsky_factory.physics.halos.growth import TimeGrid
from diffsky_factory.physics.light.lines import LineTable
from diffsky_factory.physics.light.photometry import BandTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.physics.stars.ages import TemplateGrid
from diffsky_factory.physics.stars.mass_loss import SurvivingMassTable
from diffsky_factory.sky.cosmology import Cosmology

DEFAULT_CALIBRATION = "c260710"
SEEDS = range(2**31)


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """The model that makes galaxies of halos. It is checked when it is made; tables are computed when they are needed.

    calibration : values of the parameters: a name, several joined by "+", a path, or a `Calibration`
    replace     : rival stages, such as {"merging_monte_carlo": "merging_mean"}; one of your own as it is, or by its
                  path "module:attribute"
    add         : stages and providers besides those of the model, given or by their paths; under a scope their columns
                  have its name: add=["lsst_y10/my_survey:noise"] writes "lsst_y10/mag_obs"
    constants   : parameter tuples or tables (TimeGrid, BandTable, ...) in place of those found by name; those of a
                  scope by type and scope: {(Noise, "lsst_y10"): Noise(26.8), Noise: Noise(25.0)}
    templates   : simple stellar populations, by name
    igm         : absorption between galaxies, as in `inputs.igm`; "none" for none
    bands       : for columns with a band axis: names of filters, such as "lsst_r", of sets, such as "lsst", and curves
                  of one's own, such as {"mine": (wavelength, transmission)}; all of `inputs.filters.band_list`
    lines       : names of emission lines, such as "Halpha", or "all", for columns with a line axis, whose labels they
                  are; `described.lines` has them
    wavelengths : range [Angstrom] of columns with a wavelength axis, which are at the points of the templates in it
                  (`factory.tables.spectrum_wavelengths`); all of them without a range
    seed        : of the random numbers
    Raises InputError for anything that is unknown, listing near matches, and PlanError for a column of two stages.
    """

    calibration: str | Path | Calibration = DEFAULT_CALIBRATION
    replace: Mapping[str, str | Stage] | None = None
    add: str | Sequence[str | Declared] = ()
    constants: Sequence[Any] | Mapping[Key, Any] = ()
    templates: str = "bc03_miles_kroupa"
    igm: str = DEFAULT_IGM
    bands: Bands = ()
    lines: str | Sequence[str] = ()
    wavelengths: tuple[float, float] | None = None
    seed: int = 0

    calibrated: Calibration = field(init=False, repr=False)
    providers: tuple[Provider, ...] = field(init=False, repr=False)
    band_names: tuple[str, ...] = field(init=False, repr=False)
    line_names: tuple[str, ...] = field(init=False, repr=False)
    own: dict[Key, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check_kinds()
        given = self.calibration
        added = [declared_at(one) if isinstance(one, str) and is_path(one) else one for one in listed(self.add)]
        found = {
            "calibrated": given if isinstance(given, Calibration) else load_calibration(given),
            "add": tuple(added),
            "providers": (*PROVIDERS, *(one for one in added if isinstance(one, Provider))),
            "band_names": band_names(self.bands),
            "lines": listed(self.lines),
            "line_names": line_labels(self.templates, self.lines),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)
        load_filters(self.bands)
        check_absorption(self.igm)
        spectrum_wavelengths(self.templates, self.wavelengths)
        writers_of(self.providers)
        object.__setattr__(self, "own", _by_key(self.constants, (*self.stages(), *self.providers)))

    def _check_kinds(self) -> None:
        """Raise InputError for a field of another kind."""
        pair = self.wavelengths
        for name, wanted, fits in (
            ("calibration", "a name, a path or a Calibration", isinstance(self.calibration, str | Path | Calibration)),
            ("replace", "names of stages and of their rivals", isinstance(self.replace, Mapping | None)),
            ("add", "a list of stages", isinstance(self.add, str | Sequence)),
            ("constants", "a list of parameters", isinstance(self.constants, Mapping | Sequence)),
            ("templates", "a name", isinstance(self.templates, str | Path)),
            ("lines", "a list of names", isinstance(self.lines, str | Sequence)),
            ("wavelengths", "a pair, low and high [Angstrom]", pair is None or np.shape(pair) == (2,)),
            ("seed", "an integer from 0 to 2^31 - 1", isinstance(self.seed, int | np.integer) and self.seed in SEEDS),
        ):
            if not fits:
                raise InputError(f"{name}: {wanted} is wanted, not {shown(getattr(self, name))}")

    def but(self, **changes: Any) -> "Model":
        """The same model with some fields replaced; raises InputError for an unknown field, listing near matches."""
        for name in changes:
            if name not in FIELDS:
                raise InputError(f"no field {name!r} of a model; {near(name, FIELDS)}")
        return replace(self, **changes) if changes else self

    def stages(self, *, fitted: bool = False, in_a_box: bool = False) -> tuple[Stage, ...]:
        """All stages; with `fitted`, halos grow as the fits of their own histories, where there are some."""
        added = [one for one in self.add if not isinstance(one, Provider)]
        replace = {**(IN_A_BOX if in_a_box else {}), **(self.replace or {})}
        return stages(replace, fitted=fitted, add=added)

    @cached_property
    def defaults(self) -> dict[Key, Any]:
        """Parameters that the calibration does not have and that have values all the same."""
        elsewhere = {Cosmology, *halo_growth_parameters(), *self.calibrated.by_class()}
        known = default_parameters((*self.stages(), *self.providers))
        return {kind: values for kind, values in known.items() if kind not in elsewhere}

    @cached_property
    def parameters(self) -> dict[Key, Any]:
        """Parameters, and what is given in place of tables, by key."""
        return {**self.defaults, **halo_growth_parameters(), **self.calibrated.by_class(), **self.own}

    def known(self, cosmology: Cosmology, redshift_max: float, *, spectra: bool) -> dict[Key, Any]:
        """Parameters and tables by key, for galaxies up to a redshift; those of spectra where they are wanted."""
        made = tables(
            *(self.templates, self.bands, cosmology, redshift_max, self.igm, self.lines, self.wavelengths, spectra)
        )
        return {**made, **self.parameters}

    def check(self, needed: Iterable[Key], what: str) -> None:
        """Raise InputError, naming what wants them, where a model has not all that stages take."""
        there = {*self.parameters, Cosmology, TimeGrid, TemplateGrid, SpectrumTable}
        there |= {BandTable} if self.band_names else set()
        there |= {LineTable} if self.line_names else set()
        there |= {SurvivingMassTable} if load_templates(self.templates).living_mass is not None else set()
        missing = [key for key in needed if held(key, there) is None]
        if SurvivingMassTable in missing:
            raise InputError(
                f"{what}: templates '{self.templates}' have no mass of living stars, from which surviving mass follows"
            )
        for table, name in ((BandTable, "bands"), (LineTable, "lines")):
            if table in map(kind_of, missing):
                raise InputError(f"{what}: {name} are needed and none are given; give {name}")
        if missing:
            groups: dict[Key, str] = {kind: group for group, kind in INGREDIENTS.items()}
            names = ", ".join(groups.get(key, said(key)) for key in missing)
            raise InputError(
                f"{what}: calibration '{self.calibrated.name}' has no parameters of {names}; join it to one that has "
                f"them, such as 'c260710+{self.calibrated.name}', or give them as constants"
            )


FIELDS = tuple(one.name for one in fields(Model) if one.init)
"""What a model is made from."""


def _by_key(constants: Sequence[Any] | Mapping[Key, Any], model: Iterable[Declared]) -> dict[Key, Any]:
    """Constants by key.

    Raises InputError for a key that is none of its value, or of a scope that no stage is under, and for a parameter
    outside its bounds.
    """
    for value in constants.values() if isinstance(constants, Mapping) else constants:
        problem = problem_of_values(value)
        if problem:
            raise InputError(f"constants, {type(value).__name__}: {problem}")
    if not isinstance(constants, Mapping):
        return {type(value): value for value in constants}
    scopes = sorted({one.scope for one in model} - {""})
    for key, value in constants.items():
        scope = key[1] if isinstance(key, tuple) and len(key) == 2 else ""
        if key not in (type(value), (type(value), scope)):
            raise InputError(f"constants: {key!r} stands before a {type(value).__name__}, in place of its type")
        if scope and scope not in scopes:
            hint = did_you_mean(scope, scopes) or f"; there are {', '.join(scopes) or 'none'}"
            raise InputError(f"constants: no stage is under the scope '{scope}'{hint}")
    return dict(constants)
