"""The galaxy model: its stages in order of flow, the rivals of some, and its ingredients' parameters."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.stage import Stage
from diffsky_factory.physics.halos import growth, infall, mixture, population
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters
from diffsky_factory.physics.light import dust, dust_laws, nodes, photometry, populations, template_errors
from diffsky_factory.physics.stars import (
    ages,
    bursts,
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
    bursts.ages,
    photometry.band_wavelengths,
    dust.dust,
    dust.dust_curve,
    template_errors.template_error,
    photometry.photometry,
    photometry.magnitude_in_situ,
    merging.merged_mass,
    photometry.merged_flux,
    photometry.magnitude_true,
    mass_loss.surviving_mass,
    mass_loss.merged_surviving_mass,
    merging_nodes.mass_nodes,
    nodes.flux_nodes,
    nodes.magnitude_nodes,
    populations.population_weights,
    populations.mean_flux,
    populations.merged_mean_flux,
    populations.magnitude_of_mean,
)

RIVALS: tuple[Stage, ...] = (
    population.halo_growth_diffmahpop,
    merging_rounds.merging_one_round,
    merging_rounds.merging_direct_satellites_first,
    merging.merging_mean,
    dust_laws.calzetti_2000,
    dust_laws.kriek_conroy_2013,
    photometry.photometry_interpolating_magnitudes,
    populations.mean_magnitude,
)
"""Stages that write what one of STAGES writes; a recipe picks them by `replace: {stage: rival}`."""

AS_DIFFSKY = {
    "merging_two_rounds": "merging_one_round",
    "photometry": "photometry_interpolating_magnitudes",
    "mean_flux": "mean_magnitude",
}
"""The replacements with which the model does as diffsky 0.3 does."""

INGREDIENTS: dict[str, type] = {
    "diffstarpop": DiffstarpopParameters,
    "mzr": metallicity.MetallicityParameters,
    "freqburst": bursts.BurstFrequencyParameters,
    "fburstpop": bursts.BurstFractionParameters,
    "tburstpop": bursts.BurstTimeParameters,
    "avpop": dust.AttenuationParameters,
    "deltapop": dust.AttenuationSlopeParameters,
    "funopop": dust.UnobscuredParameters,
    "scatter": dust.ScatterParameters,
    "ssperr": template_errors.TemplateErrorParameters,
    "merging": merging_rounds.MergingParameters,
    "diffmahpop": DiffmahPopParameters,
    "hmf": HaloMassFunctionParameters,
    "ccshmf": SubhaloMassFunctionParameters,
}
"""Parameter classes by the published name of their group; those of galaxies first, in the published flat order."""


def stages(replace: Mapping[str, str] | None = None) -> tuple[Stage, ...]:
    """The stages of a model in which some are replaced by a rival.

    Raises InputError for an unknown name, listing near matches, or a rival that writes other columns.
    """
    return _stages(tuple(sorted((replace or {}).items())))


@lru_cache
def _stages(replace: tuple[tuple[str, str], ...]) -> tuple[Stage, ...]:
    chosen = {stage.name: stage for stage in STAGES}
    rivals = {stage.name: stage for stage in (*STAGES, *RIVALS)}
    for name, rival in replace:
        _known(name, chosen, "stage")
        _known(rival, rivals, "rival")
        if set(rivals[rival].writes) != set(chosen[name].writes):
            raise InputError(f"'{rival}' cannot replace '{name}': it writes {rivals[rival].writes}")
        chosen[name] = rivals[rival]
    model = tuple(chosen.values())
    return (*model, populations.population_photometry(model))


def _known(name: str, known: Mapping[str, Stage], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=3)
        raise InputError(f"no {what} '{name}'" + (f"; did you mean {', '.join(near)}?" if near else ""))
