"""Which star formation history a galaxy has, given how its halo grew: two sequences, drawn from.

Source: Alarcon et al. 2023, MNRAS 518, 562; population model DiffstarPop as evaluated by diffstar 1.0.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.smooth import rolling_line, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal4, Normal8, Scalar, Uniform, Vector
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.stars.history_parameters import DiffstarpopParameters
from diffsky_factory.physics.stars.star_formation import StarFormation, bounded, unbounded

PIVOT = 12.5  # dex(Msun) of halo mass today
ROLLING_STEEPNESS = 3.0  # per dex
UNQUENCHED = 5.0  # unbounded coordinate of all four quenching parameters on the main sequence

# (parameter prefix, lo, hi) of the clipped lines, in the order of StarFormation
MEAN_CLIPS = {
    "ul": (-3.0, 5.0),
    "uh": (-5.0, 3.0),
    "uqs": (-5.0, 2.0),
    "udrop": (-3.0, 2.0),
    "urej": (-10.0, 2.0),
}
STD_CLIPS = {
    "ulgm": (0.01, 1.0),
    "ulgy": (0.01, 1.0),
    "ul": (0.01, 3.0),
    "uh": (0.01, 3.0),
    "uqt": (0.01, 0.5),
    "uqs": (0.01, 1.0),
    "udrop": (0.01, 2.0),
    "urej": (0.01, 2.0),
}


def clipped_line(x: Scalar, y0: Scalar, slope: Scalar, lo: float, hi: float) -> Scalar:
    """y0 + slope (x - 12.5), smoothly kept between lo and hi; finite for any slope."""
    y = y0 + slope * (x - PIVOT)
    y_lo = lo + 0.01 * (y0 - lo)
    y_hi = hi - 0.01 * (hi - y0)
    k = 2000.0 / (y0 - lo)
    y = y_lo + (y - y_lo) * jax.nn.sigmoid(k * (y - y_lo))
    return y + (y_hi - y) * jax.nn.sigmoid(k * (y - y_hi))


def _rolling_mean(p: DiffstarpopParameters, name: str, x: Scalar) -> Scalar:
    xtp, ytp, lo, hi = (getattr(p, f"mean_{name}_{part}") for part in ("xtp", "ytp", "lo", "hi"))
    return rolling_line(x, xtp, ytp, xtp, ROLLING_STEEPNESS, lo, hi)


def _clipped(p: DiffstarpopParameters, kind: str, name: str, x: Scalar, clips: dict) -> Scalar:
    y0, slope = (getattr(p, f"{kind}_{name}_{part}") for part in ("int", "slp"))
    return clipped_line(x, y0, slope, *clips[name.split("_", maxsplit=1)[0]])


def main_sequence_moments(p: DiffstarpopParameters, x: Scalar) -> tuple[Vector, Vector]:
    """Mean and standard deviation (4,) of the first four unbounded coordinates on the main sequence."""
    mean = [_rolling_mean(p, f"{name}_mseq", x) for name in ("ulgm", "ulgy")]
    mean += [_clipped(p, "mean", f"{name}_mseq", x, MEAN_CLIPS) for name in ("ul", "uh")]
    std = [_clipped(p, "std", f"{name}_mseq", x, STD_CLIPS) for name in ("ulgm", "ulgy", "ul", "uh")]
    return jnp.stack(mean), jnp.stack(std)


def quenched_moments(p: DiffstarpopParameters, x: Scalar, t_peak: Scalar) -> tuple[Vector, Vector]:
    """Mean and standard deviation (8,) of the unbounded coordinates on the quenched sequence."""
    shift = sigmoid(t_peak, p.delta_uqt_x0, p.delta_uqt_k, p.delta_uqt_ylo, p.delta_uqt_yhi)
    shift = shift + p.delta_uqt_slope * (x - PIVOT)
    mean = [_rolling_mean(p, f"{name}_qseq", x) for name in ("ulgm", "ulgy")]
    mean += [_clipped(p, "mean", f"{name}_qseq", x, MEAN_CLIPS) for name in ("ul", "uh")]
    mean += [_rolling_mean(p, "uqt", x) + shift]
    mean += [_clipped(p, "mean", name, x, MEAN_CLIPS) for name in ("uqs", "udrop", "urej")]
    std = [_clipped(p, "std", f"{name}_qseq", x, STD_CLIPS) for name in ("ulgm", "ulgy", "ul", "uh")]
    std += [_clipped(p, "std", name, x, STD_CLIPS) for name in ("uqt", "uqs", "udrop", "urej")]
    return jnp.stack(mean), jnp.stack(std)


def quenched_fraction_before_infall(p: DiffstarpopParameters, kind: str, x: Scalar, t_peak: Scalar) -> Scalar:
    """Quenched fraction of centrals (kind "cen") or of satellites apart from their infall (kind "sat")."""
    value = {name: getattr(p, f"frac_quench_{kind}_{name}") for name in _FRACTION_NAMES}
    pivot = sigmoid(t_peak, value["x0_tpeak"], value["k_tpeak"], value["x0_ylotpeak"], value["x0_yhitpeak"])
    lowest = sigmoid(t_peak, value["x0_tpeak"], value["k_tpeak"], value["ylo_ylotpeak"], value["ylo_yhitpeak"])
    return sigmoid(x, pivot, value["k"], lowest, value["yhi"])


_FRACTION_NAMES = (
    "x0_tpeak",
    "k_tpeak",
    "x0_ylotpeak",
    "x0_yhitpeak",
    "ylo_ylotpeak",
    "ylo_yhitpeak",
    "k",
    "yhi",
)


def quenched_by_infall(
    p: DiffstarpopParameters, log10_mass_ratio: Scalar, log10_host_mass: Scalar, time_since_infall: Scalar
) -> Scalar:
    """Fraction of satellites that their host has quenched since infall; time in Gyr."""
    delay = sigmoid(log10_host_mass, p.td_lgmhc, 5.0, p.td_mlo, p.td_mhi)
    low_mass = sigmoid(log10_mass_ratio, p.qphi_lgmu_crit, 2.0, p.lgmu_lo_mh_lo, p.lgmu_hi_mh_lo)
    high_mass = sigmoid(log10_mass_ratio, p.qphi_lgmu_crit, 2.0, p.lgmu_lo_mh_hi, p.lgmu_hi_mh_hi)
    most = sigmoid(log10_host_mass, p.qp_lgmh_crit, 5.0, low_mass, high_mass)
    return sigmoid(time_since_infall, delay, 5.0, 0.0, most)


class HistoryPopulation(NamedTuple):
    quenched_fraction: Scalar
    sfh_parameters_main_sequence: Vector
    sfh_parameters_quenched: Vector


@stage
def history_population(
    p: DiffstarpopParameters,
    *,
    mah_parameters: Vector,
    log10_halo_mass_today: Scalar,
    is_central: Scalar,
    cosmic_time: Scalar,
    infall_time: Scalar,
    log10_halo_mass_at_infall: Scalar,
    log10_host_mass_at_infall: Scalar,
    draw_main_sequence: Normal4,
    draw_quenched: Normal8,
) -> HistoryPopulation:
    """One history of each sequence, and the probability of the quenched one.

    Reads
        mah_parameters : see HaloGrowth
        log10_halo_mass_today : dex(solMass)
        is_central : -
        cosmic_time : Gyr
        infall_time : Gyr
        log10_halo_mass_at_infall : dex(solMass)
        log10_host_mass_at_infall : dex(solMass)
    Writes
        quenched_fraction : -
        sfh_parameters_main_sequence : see StarFormation
        sfh_parameters_quenched : see StarFormation
    Holds for 10.5 < log10_halo_mass_today < 15; beyond, an extrapolation that stays finite.
    Source: Alarcon et al. 2023, MNRAS 518, 562, and DiffstarPop of diffstar 1.0.
    """
    x, t_peak = log10_halo_mass_today, HaloGrowth(*mah_parameters).t_peak
    central = quenched_fraction_before_infall(p, "cen", x, t_peak)
    satellite = quenched_fraction_before_infall(p, "sat", x, t_peak)
    ratio = log10_halo_mass_at_infall - log10_host_mass_at_infall
    infall = quenched_by_infall(p, ratio, log10_host_mass_at_infall, cosmic_time - infall_time)
    satellite = satellite + (1.0 - satellite) * infall

    mean, std = main_sequence_moments(p, x)
    main_sequence = jnp.concatenate([mean + std * draw_main_sequence, jnp.full(4, UNQUENCHED, mean.dtype)])
    mean, std = quenched_moments(p, x, t_peak)
    quenched = mean + std * draw_quenched
    return HistoryPopulation(
        jnp.where(is_central, central, satellite),
        jnp.stack(bounded(main_sequence)),
        jnp.stack(bounded(quenched)),
    )


class History(NamedTuple):
    is_quenched: Scalar
    sfh_parameters: Vector


@stage
def history(
    *,
    quenched_fraction: Scalar,
    sfh_parameters_main_sequence: Vector,
    sfh_parameters_quenched: Vector,
    draw_sequence: Uniform,
) -> History:
    """The sequence this galaxy is on, and its history.

    Reads
        quenched_fraction : -
        sfh_parameters_main_sequence : see StarFormation
        sfh_parameters_quenched : see StarFormation
    Writes
        is_quenched : -
        sfh_parameters : see StarFormation
    """
    is_quenched = draw_sequence < quenched_fraction
    return History(is_quenched, jnp.where(is_quenched, sfh_parameters_quenched, sfh_parameters_main_sequence))


def standard_deviates(p: DiffstarpopParameters, sfh: StarFormation, x: Scalar, t_peak: Scalar, quenched: bool):
    """The normal deviates that lead to a history, with all else given: inverse of the draw."""
    mean, std = quenched_moments(p, x, t_peak) if quenched else main_sequence_moments(p, x)
    return (unbounded(sfh)[: mean.shape[0]] - mean) / std
