"""The galaxy model: its stages in order of flow, the rivals of some, and its ingredients' parameters."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from diffsky_factory.core.errors import InputError, did_you_mean
from diffsky_factory.core.imports import imported, is_path
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
    black_holes.black_hole_mass_without_scatter,
    black_holes.eddington_ratio_as_diffsky,
)
"""Stages that write what one of STAGES writes; a recipe picks them by `replace: {stage: rival}`."""

AS_DIFFSKY = {
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
    "hmf": HaloMassFunctionParameters,
    "ccshmf": SubhaloMassFunctionParameters,
}
"""Parameter classes by the published name of their group; those of galaxies first, in the published flat order."""


UNPUBLISHED = ("metallicity_spread", "assembly_bias")
"""Ingredients that no published calibration has: without one of them, a calibration stands for its class's defaults."""


def parameter_class(group: str) -> type | None:
    """Class of a group of parameters: an ingredient, or `module:Class` of another package; None for an unknown name.

    Raises InputError for a path that leads to no such class.
    """
    if not is_path(group):
        return INGREDIENTS.get(group)
    kind = imported(group)
    if not hasattr(kind, "_fields"):
        raise InputError(f"'{group}' is no class of parameters: a NamedTuple of numbers is wanted")
    return kind


def default_parameters(stages: Iterable[Stage]) -> dict[type, Any]:
    """Defaults of the parameter classes of stages that no published calibration has, and of those of other packages."""
    published = {kind for group, kind in INGREDIENTS.items() if group not in UNPUBLISHED}
    kinds = {kind for stage in stages for kind in stage.constants.values()} - published
    return {kind: kind() for kind in kinds if set(getattr(kind, "_field_defaults", ())) == set(kind._fields)}


def stages(replace: Mapping[str, str | Stage] | None = None, *, fitted: bool = False) -> tuple[Stage, ...]:
    """The stages of a model in which some are replaced by a rival; with `fitted`, growth is as fitted where it was.

    A rival is named; one of another package is named `module:attribute`, or given as it is.
    Raises InputError for an unknown name, listing near matches, or a rival that writes other columns.
    """
    return _stages(tuple(sorted((replace or {}).items(), key=lambda item: item[0])), fitted)


@lru_cache
def _stages(replace: tuple[tuple[str, str | Stage], ...], fitted: bool) -> tuple[Stage, ...]:
    chosen = {stage.name: stage for stage in STAGES}
    for name, rival in replace:
        _known(name, chosen, "stage")
        rival = _rival(rival)
        if set(rival.writes) != set(chosen[name].writes):
            raise InputError(
                f"'{rival.name}' cannot replace '{name}': it writes {', '.join(rival.writes)}, "
                f"and {', '.join(chosen[name].writes)} is wanted"
            )
        chosen[name] = rival
    if fitted:
        chosen["halo_growth_history"] = fitted_or_drawn(chosen["halo_growth_history"])
    model = (*chosen.values(), *_at_other_wavelengths(chosen))
    return (*model, populations.both_sequences(model))


def _at_other_wavelengths(chosen: Mapping[str, Stage]) -> tuple[Stage, ...]:
    """What the chosen stages do at the wavelengths of bands, at those of lines and of spectra."""
    band, lines, spectra = "band_rest_wavelength", LineTable, SpectrumTable
    curve, error = chosen["dust_curve"], chosen["template_error"]
    return (
        derived(curve, "line_dust_curve", band, lines, "wavelength", "line_dust_curve"),
        derived(curve, "spectrum_dust_curve", band, spectra, "template_wavelength", "spectrum_dust_curve"),
        derived(error, "spectrum_flux_factor", band, spectra, "template_wavelength", "spectrum_flux_factor"),
    )


def _rival(rival: str | Stage) -> Stage:
    if isinstance(rival, str) and not is_path(rival):
        known = {stage.name: stage for stage in (*STAGES, *RIVALS)}
        _known(rival, known, "rival")
        return known[rival]
    found = rival if isinstance(rival, Stage) else imported(rival)
    if not isinstance(found, Stage):
        raise InputError(f"{rival!r} is no stage: declare the function with diffsky_factory.core.stage.stage")
    return found


def _known(name: str, known: Mapping[str, Stage], what: str) -> None:
    if name not in known:
        raise InputError(f"no {what} '{name}'{did_you_mean(name, known)}")
