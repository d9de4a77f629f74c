"""The galaxy model: its stages in order of flow, the rivals of some, and its ingredients' parameters."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from diffsky_factory.core.constants import Key, kind_of
from diffsky_factory.core.declared import Declared, declared_at
from diffsky_factory.core.errors import InputError, did_you_mean
from diffsky_factory.core.imports import imported, is_path
from diffsky_factory.core.parameters import is_named_tuple
from diffsky_factory.core.plan import writers_of
from diffsky_factory.core.scopes import split
from diffsky_factory.core.stage import Stage, derived
from diffsky_factory.physics import black_holes
from diffsky_factory.physics.halos import growth, infall, mixture, population
from diffsky_factory.physics.halos.fitted import fitted_or_drawn
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.light import (
    dust,
    dust_laws,
    lines,
    nodes,
    photometry,
    populations,
    spectra,
    template_errors,
)
from diffsky_factory.physics.light.lines import LineTable
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.physics.scatter import ScatterParameters
from diffsky_factory.physics.shapes import axis_ratios, orientation, projection, sizes
from diffsky_factory.physics.stars import (
    ages,
    bulges,
    bursts,
    components,
    history,
    mass_loss,
    merging,
    merging_nodes,
    merging_rounds,
    metallicity,
    star_formation,
)
from diffsky_factory.physics.stars.history_parameters import DiffstarpopParameters

STAGES: tuple[Stage, ...] = (
    infall.satellite_radius_score,
    mixture.halo_growth_history,
    growth.halo_mass_today,
    infall.infall,
    infall.penultimate_host,
    infall.penultimate_infall,
    merging_rounds.merging_probability,
    merging_rounds.merging_two_rounds,
    merging.merging_monte_carlo,
    history.history_population,
    history.history,
    star_formation.stellar_history,
    star_formation.stellar_mass_at_observation,
    metallicity.metallicity,
    ages.smooth_ages,
    bursts.burst_population,
    bursts.burst,
    bursts.bursty_ages,
    bursts.ages,
    bulges.bulge_growth,
    components.knots,
    components.component_histories,
    components.component_ages,
    components.component_mass_in_situ,
    photometry.band_wavelengths,
    dust.dust,
    dust.dust_curve,
    template_errors.template_error,
    photometry.photometry,
    photometry.burst_photometry,
    photometry.component_photometry,
    lines.line_photometry,
    lines.component_line_photometry,
    spectra.spectrum_in_situ,
    photometry.magnitude_in_situ,
    merging.merged_mass,
    components.component_mass,
    photometry.merged_flux,
    photometry.magnitude_true,
    lines.merged_lines,
    photometry.component_flux,
    photometry.component_magnitude,
    lines.component_lines,
    lines.line_flux,
    lines.component_line_flux,
    spectra.merged_spectrum,
    spectra.spectrum_rest,
    spectra.spectrum_observed,
    mass_loss.surviving_mass,
    mass_loss.merged_surviving_mass,
    merging_nodes.mass_nodes,
    nodes.flux_nodes,
    nodes.magnitude_nodes,
    populations.population_weights,
    populations.population_histories,
    populations.population_flux,
    populations.mean_flux,
    populations.merged_mean_flux,
    populations.magnitude_of_mean,
    sizes.sizes,
    axis_ratios.axis_ratios,
    orientation.alignment_strength,
    orientation.orientation,
    projection.projected_shapes,
    black_holes.black_hole_mass,
    black_holes.eddington_ratio,
    black_holes.black_hole_accretion,
)

RIVALS: tuple[Stage, ...] = (
    mixture.halo_growth_without_radius,
    mixture.halo_growth_with_environment,
    population.halo_growth_diffmahpop,
    merging_rounds.merging_one_round,
    merging_rounds.merging_direct_satellites_first,
    merging.merging_mean,
    metallicity.metallicity_with_scatter,
    bursts.burst_population_with_scatter,
    dust_laws.calzetti_2000,
    dust_laws.kriek_conroy_2013,
    dust_laws.noll_2009,
    dust_laws.salim_2018,
    photometry.photometry_interpolating_magnitudes,
    photometry.burst_photometry_interpolating_magnitudes,
    photometry.component_photometry_interpolating_magnitudes,
    lines.component_lines_by_mass,
    populations.mean_magnitude,
    orientation.orientation_aligned,
    projection.projected_shapes_along_z,
    black_holes.black_hole_mass_without_scatter,
    black_holes.eddington_ratio_as_diffsky,
)
"""Stages that write what one of STAGES writes; a recipe picks them by `replace: {stage: rival}`."""

AS_DIFFSKY = {
    "halo_growth_history": "halo_growth_without_radius",
    "merging_two_rounds": "merging_one_round",
    "photometry": "photometry_interpolating_magnitudes",
    "burst_photometry": "burst_photometry_interpolating_magnitudes",
    "component_photometry": "component_photometry_interpolating_magnitudes",
    "component_lines": "component_lines_by_mass",
    "mean_flux": "mean_magnitude",
    "black_hole_mass": "black_hole_mass_without_scatter",
    "eddington_ratio": "eddington_ratio_as_diffsky",
}
"""The replacements with which the model does as diffsky 0.3 does; docs/explanation/differences-from-diffsky.md."""

IN_A_BOX = {"projected_shapes": "projected_shapes_along_z"}
"""The replacements of a periodic box, where there is no observer: galaxies are seen along z."""

INGREDIENTS: dict[str, type] = {
    "diffstarpop": DiffstarpopParameters,
    "mzr": metallicity.MetallicityParameters,
    "freqburst": bursts.BurstFrequencyParameters,
    "fburstpop": bursts.BurstFractionParameters,
    "tburstpop": bursts.BurstTimeParameters,
    "avpop": dust.AttenuationParameters,
    "deltapop": dust.AttenuationSlopeParameters,
    "funopop": dust.UnobscuredParameters,
    "scatter": ScatterParameters,
    "ssperr": template_errors.TemplateErrorParameters,
    "merging": merging_rounds.MergingParameters,
    "metallicity_spread": metallicity.MetallicitySpreadParameters,
    "diffmahpop": DiffmahPopParameters,
    "assembly_bias": mixture.AssemblyBiasParameters,
    "satellite_orbits": mixture.SatelliteOrbitParameters,
    "hmf": HaloMassFunctionParameters,
    "ccshmf": SubhaloMassFunctionParameters,
}
"""Parameter classes by the published name of their group; those of galaxies first, in the published flat order."""


UNPUBLISHED = ("metallicity_spread", "assembly_bias", "satellite_orbits")
"""Ingredients that no published calibration has: without one of them, a calibration stands for its class's defaults."""


def parameter_class(group: str) -> type | None:
    """Class of a group of parameters: an ingredient, or `module:Class` of another package; None for an unknown name.

    Raises InputError for a path that leads to no such class.
    """
    if not is_path(group):
        return INGREDIENTS.get(group)
    kind = imported(group)
    if not is_named_tuple(kind):
        raise InputError(f"'{group}' is no class of parameters: a NamedTuple of numbers is wanted")
    return kind


def default_parameters(stages: Iterable[Declared]) -> dict[Key, Any]:
    """Defaults of the parameter classes of stages that no published calibration has, and of those of other packages."""
    published = {kind for group, kind in INGREDIENTS.items() if group not in UNPUBLISHED}
    kinds = {kind_of(key) for stage in stages for key in stage.constants.values()} - published
    return {kind: kind() for kind in kinds if set(getattr(kind, "_field_defaults", ())) == set(parameter_names(kind))}


def parameter_names(kind: type) -> tuple[str, ...]:
    """Names of the parameters of a class, in its order; none of a class that is no NamedTuple."""
    return getattr(kind, "_fields", ())


def stages(
    replace: Mapping[str, str | Stage] | None = None,
    *,
    fitted: bool = False,
    add: Sequence[str | Declared] = (),
) -> tuple[Stage, ...]:
    """The stages of a model in which some are replaced by a rival; with `fitted`, growth is as fitted where it was.

    A rival is named; one of another package is named `module:attribute`, or given as it is. So are stages to add, which
    may be under a scope: `lsst_y10/photometry`, `lsst_y10/module:attribute`.
    Raises InputError for an unknown name, listing near matches, a rival that does not write all that the stage writes,
    or an added stage whose name is taken, and PlanError for a column that two stages write.
    """
    added = tuple(_found(one, "stage") for one in add)
    return _stages(tuple(sorted((replace or {}).items(), key=lambda item: item[0])), fitted, added)


@lru_cache
def _stages(replace: tuple[tuple[str, str | Stage], ...], fitted: bool, added: tuple[Stage, ...]) -> tuple[Stage, ...]:
    chosen = {stage.name: stage for stage in STAGES}
    for name, rival in replace:
        _known(name, chosen, "stage")
        rival = _found(rival, "rival")
        missing = [column for column in chosen[name].writes if column not in rival.writes]
        if missing:
            raise InputError(f"'{rival.name}' cannot replace '{name}': it does not write {', '.join(missing)}")
        chosen[name] = rival
    if fitted:
        chosen["halo_growth_history"] = fitted_or_drawn(chosen["halo_growth_history"])
    model = (*chosen.values(), *_at_other_wavelengths(chosen), *(one for one in added if not one.scope))
    whole = (*model, *(one for one in added if one.scope), populations.both_sequences(model))
    _check_added(added, whole)
    return whole


def _check_added(added: Sequence[Stage], model: Sequence[Stage]) -> None:
    """Raise InputError where an added stage has the name of another, PlanError where it writes a column of another."""
    names = [stage.name for stage in model]
    for stage in added:
        if names.count(stage.name) > 1:
            raise InputError(
                f"add: there is a stage '{stage.name}' already; replace it, give yours another name, or a scope"
            )
    if added:
        writers_of(model)


def _at_other_wavelengths(chosen: Mapping[str, Stage]) -> tuple[Stage, ...]:
    """What the chosen stages do at the wavelengths of bands, at those of lines and of spectra."""
    band, lines, spectra = "band_rest_wavelength", LineTable, SpectrumTable
    curve, error = chosen["dust_curve"], chosen["template_error"]
    return (
        derived(curve, "line_dust_curve", band, lines, "wavelength", "line_dust_curve"),
        derived(curve, "spectrum_dust_curve", band, spectra, "template_wavelength", "spectrum_dust_curve"),
        derived(error, "spectrum_flux_factor", band, spectra, "template_wavelength", "spectrum_flux_factor"),
    )


def _found(given: str | Declared, what: str) -> Stage:
    """A stage of this package by its name, or of another by its path, either under a scope; or as it is given."""
    if isinstance(given, Stage):
        return given
    if not isinstance(given, str):
        raise InputError(f"{given!r} is no stage: declare the function with diffsky_factory.core.stage.stage")
    if is_path(given):
        declared = declared_at(given)
        if not isinstance(declared, Stage):
            raise InputError(f"{given!r} is a {type(declared).__name__.lower()}, and a stage is wanted; give it to add")
        return declared
    scope, name = split(given)
    by_name = {stage.name: stage for stage in (*STAGES, *RIVALS)}
    _known(name, by_name, what)
    return by_name[name].under(scope) if scope else by_name[name]


def _known(name: str, by_name: Mapping[str, Stage], what: str) -> None:
    if name not in by_name:
        raise InputError(f"no {what} '{name}'{did_you_mean(name, by_name)}")
