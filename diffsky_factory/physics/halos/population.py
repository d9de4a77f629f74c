"""The population of halo histories, given mass and time: DiffmahPop.

Two sub-populations, early and late forming, share the time of peak mass and the scatter; each has its own means.
Source: calibration published with diffmah 0.7.3; the form of one history is of Hearin et al. 2021, OJAp 4, 7.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from diffsky_factory.core.smooth import sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal4, Scalar, Uniform, Vector
from diffsky_factory.physics.halos.growth import (
    HaloGrowth,
    TimeGrid,
    bounded_growth,
    log10_mass,
    unbounded_growth,
)
from diffsky_factory.physics.halos.population_parameters import DiffmahPopParameters

LOWEST, HIGHEST = 10.0, 14.5  # dex(Msun); calibrated range, beyond it the histories of the edge are rescaled
HIGHEST_MEAN_TODAY = 16.99  # dex(Msun), chosen: just below the bound 17 of logm0, where the transform diverges
CENTRAL_PEAK_WIDTH = 5.0  # per age of the universe; DiffmahPop
EARLIEST_PEAK = 0.05  # of the age of the universe; the lower bound of t_peak in DiffmahPop
SATELLITE_PEAK_RANGE = 0.1, 1.0  # of the cosmic time; where the normal is truncated
SATELLITE_PEAK_CLIP = 0.1001, 0.9999  # of the cosmic time
SATELLITE_PEAK_TAIL = 4.0  # standard deviations kept


class MassTodayBlock(NamedTuple):
    """Parameters of the mean of logm0 for one sub-population; meanings in `mean_log10_mass_today`."""

    c0_ytp: Scalar
    c0_ylo: Scalar
    c0_clip_c0: Scalar
    c0_clip_c1: Scalar
    c0_t_obs_x0: Scalar
    c1_ytp: Scalar
    c1_ylo: Scalar
    c1_clip_x0: Scalar
    c1_clip_ylo: Scalar
    c1_clip_yhi: Scalar
    c1_t_obs_x0: Scalar


class TransitionBlock(NamedTuple):
    """Parameters of the mean of logtc for one sub-population."""

    lgm_c0_tp_ytp_tobs_c0: Scalar
    lgm_c0_tp_ytp_tobs_c1: Scalar
    lgm_c0_tp_ylo: Scalar
    lgm_c0_tp_yhi: Scalar
    lgm_c1: Scalar
    c0_ss_x0: Scalar


class EarlyIndexBlock(NamedTuple):
    """Parameters of the mean of early_index for one sub-population."""

    ylo_x0: Scalar
    ylo_ylo: Scalar
    ylo_yhi: Scalar
    yhi_ylo: Scalar
    yhi_yhi: Scalar
    yhi_x0: Scalar
    lgm_x0: Scalar


class LateIndexBlock(NamedTuple):
    """Parameters of the mean of late_index for one sub-population."""

    x0: Scalar
    ylo: Scalar
    yhi: Scalar


def block(kind: Any, p: DiffmahPopParameters, prefix: str, suffix: str) -> Any:
    """The parameters of one sub-population, a NamedTuple, picked from all by the two ends of their names."""
    return kind(*[getattr(p, f"{prefix}{name}{suffix}") for name in kind._fields])


def bent_line(x: Scalar, x_line: Scalar, y_line: Scalar, x0: Scalar, k: float, lo: Scalar, hi: Scalar) -> Scalar:
    """Line through (x_line, y_line) whose slope rolls from lo to hi at x0.

    y = y_line + sigmoid(x; x0, k, lo, hi) (x - x_line)
    """
    return y_line + sigmoid(x, x0, k, lo, hi) * (x - x_line)


def central_peak_time(p: DiffmahPopParameters, m: Scalar, t: Scalar, today: Scalar, u: Scalar) -> Scalar:
    """Time of peak mass of a central [Gyr], for a uniform u in (0, 1).

    t_peak / today = x0 - ln(1/u - 1) / 5, within 0.05 and 1: the inverse of sigmoid(s; x0, 5, 0, 1), whose mass
    above 1 is that of halos that still grow. x0 rolls with cosmic time t [Gyr] and m [dex(Msun)].
    """
    young = sigmoid(m, p.cen_tp_lgm_x0_x0, 1.0, p.cen_tp_x0_ylo_early, p.cen_tp_x0_yhi_early)
    old = sigmoid(m, p.cen_tp_lgm_x0_x0, 1.0, p.cen_tp_x0_ylo_late, p.cen_tp_x0_yhi_late)
    x0 = sigmoid(t, p.cen_tp_t_obs_x0_x0, 2.0, young, old)
    return today * jnp.clip(x0 - jnp.log(1.0 / u - 1.0) / CENTRAL_PEAK_WIDTH, EARLIEST_PEAK, 1.0)


def satellite_peak_time(p: DiffmahPopParameters, m: Scalar, t: Scalar, u: Scalar) -> Scalar:
    """Time of peak mass of a satellite [Gyr], for a uniform u in (0, 1); before cosmic time t [Gyr].

    t_peak / t ~ normal(loc, scale), truncated to [0.1, 1] and to 4 standard deviations; m in dex(Msun).
    """
    at_low_mass = sigmoid(t, p.utp_loc_lgm_ylo_t0, 0.4, p.utp_loc_lgm_ylo_early, p.utp_loc_lgm_ylo_late)
    loc = sigmoid(m, p.utp_loc_lgm_x0, 1.5, at_low_mass, 0.95)
    at_low_mass = sigmoid(t, p.utp_scale_lgm_ylo_t0, 1.0, p.utp_scale_lgm_ylo_early, p.utp_scale_lgm_ylo_late)
    scale = sigmoid(m, 12.0, 1.0, at_low_mass, 0.16)
    lo, hi = (ndtr((edge - loc) / scale) for edge in SATELLITE_PEAK_RANGE)
    # clipped as a probability, so that neither end is infinite in 32 bits
    quantile = jnp.clip(lo + u * (hi - lo), ndtr(-SATELLITE_PEAK_TAIL), ndtr(SATELLITE_PEAK_TAIL))
    return t * jnp.clip(loc + scale * ndtri(quantile), *SATELLITE_PEAK_CLIP)


def early_forming_fraction(p: DiffmahPopParameters, m: Scalar, t: Scalar) -> Scalar:
    """Fraction of halos of mass m [dex(Msun)] at cosmic time t [Gyr] that are early forming."""
    lo = sigmoid(t, p.fec_t_obs_x0, 1.0, p.fec_lgm_ylo_early, p.fec_lgm_ylo_late)
    hi = sigmoid(t, p.fec_t_obs_x0, 1.0, p.fec_lgm_yhi_early, p.fec_lgm_yhi_late)
    return sigmoid(m, p.fec_lgm_x0, 4.0, lo, hi)


def mean_log10_mass_today(b: MassTodayBlock, m: Scalar, t: Scalar, t_peak: Scalar) -> Scalar:
    """Mean of logm0 [dex(Msun)], at most 16.99: m + c0 + c1 (m - 12), both coefficients with a floor in t_peak."""
    c0 = bent_line(t, 15.0, b.c0_ytp, b.c0_t_obs_x0, 0.25, b.c0_ylo, 0.0)
    c0 = jnp.maximum(c0, b.c0_clip_c0 + b.c0_clip_c1 * t_peak)
    c1 = bent_line(t, 10.0, b.c1_ytp, b.c1_t_obs_x0, 0.25, b.c1_ylo, 0.0)
    c1 = jnp.maximum(c1, sigmoid(t_peak, b.c1_clip_x0, 1.0, b.c1_clip_ylo, b.c1_clip_yhi))
    return jnp.minimum(m + c0 + c1 * (m - 12.0), HIGHEST_MEAN_TODAY)


def mean_logtc(b: TransitionBlock, m: Scalar, t: Scalar, t_peak: Scalar) -> Scalar:
    """Mean of logtc [dex(Gyr)]: c0(t_peak, t) + c1 (m - 12), within +-0.999."""
    at_ten = b.lgm_c0_tp_ytp_tobs_c0 + b.lgm_c0_tp_ytp_tobs_c1 * t
    c0 = bent_line(t_peak, 10.0, at_ten, b.c0_ss_x0, 0.5, b.lgm_c0_tp_ylo, b.lgm_c0_tp_yhi)
    return jnp.clip(c0 + b.lgm_c1 * (m - 12.0), -0.999, 0.999)


def mean_early_index(b: EarlyIndexBlock, m: Scalar, t: Scalar, t_peak: Scalar) -> Scalar:
    """Mean of early_index: from its value at low mass, set by t_peak, to that at high mass, set by t."""
    lo = sigmoid(t_peak, b.ylo_x0, 1.0, b.ylo_ylo, b.ylo_yhi)
    hi = sigmoid(t, b.yhi_x0, 0.5, b.yhi_ylo, b.yhi_yhi)
    return jnp.clip(sigmoid(m, b.lgm_x0, 1.0, lo, hi), 0.101, 9.999)


def mean_late_index(b: LateIndexBlock, m: Scalar) -> Scalar:
    """Mean of late_index."""
    return jnp.clip(sigmoid(m, b.x0, 1.0, b.ylo, b.yhi), 0.101, 4.999)


def mean_growth(
    p: DiffmahPopParameters, early: Scalar, central: Scalar, m: Scalar, t: Scalar, t_peak: Scalar
) -> HaloGrowth:
    """Mean history of one sub-population: early or late forming, central or satellite (both booleans)."""

    def either(condition, a, b):
        return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)

    def mass_block(suffix):
        both = block(MassTodayBlock, p, "lgm0pop_", suffix), block(MassTodayBlock, p, "lgm0pop_", f"{suffix}_sats")
        return either(central, *both)

    def pair(kind, prefix, suffixes):
        return either(early, *[block(kind, p, prefix, suffix) for suffix in suffixes])

    transition = pair(TransitionBlock, "logtc_", ("_early", "_late"))
    early_index = mean_early_index(pair(EarlyIndexBlock, "early_index_", ("_alpha", "_beta")), m, t, t_peak)
    late_index = mean_late_index(pair(LateIndexBlock, "late_index_", ("_alpha", "_beta")), m)
    return HaloGrowth(
        logm0=mean_log10_mass_today(either(early, mass_block("_early"), mass_block("_late")), m, t, t_peak),
        logtc=mean_logtc(transition, m, t, t_peak),
        # steep early, shallow late: the transform of the pair exists only then
        early_index=jnp.maximum(early_index, late_index + 0.001),
        late_index=late_index,
        t_peak=t_peak,
    )


def scatter(p: DiffmahPopParameters, m: Scalar) -> Vector:
    """Standard deviations of logm0, logtc, early_index, late_index in unbounded coordinates, (4,)."""
    return jnp.stack(
        [
            sigmoid(m, p.cov_lgm_x0_logm0, 2.0, p.std_u_logm0_ylo, p.std_u_logm0_yhi),
            sigmoid(m, p.cov_lgm_x0_logtc, 2.0, p.std_u_logtc_ylo, p.std_u_logtc_yhi),
            sigmoid(m, p.cov_lgm_x0_early, 2.0, p.std_u_early_ylo, p.std_u_early_yhi),
            sigmoid(m, p.cov_lgm_x0_late, 2.0, p.std_u_late_ylo, p.std_u_late_yhi),
        ]
    )


def correlation(p: DiffmahPopParameters) -> jax.Array:
    """Correlation matrix (4, 4) of the scatter, in the order of `scatter`; positive definite within the bounds."""
    one = jnp.ones_like(jnp.asarray(p.rho_late_early))
    return jnp.stack(
        [
            jnp.stack([one, p.rho_logtc_logm0, p.rho_early_logm0, p.rho_late_logm0]),
            jnp.stack([p.rho_logtc_logm0, one, p.rho_early_logtc, p.rho_late_logtc]),
            jnp.stack([p.rho_early_logm0, p.rho_early_logtc, one, p.rho_late_early]),
            jnp.stack([p.rho_late_logm0, p.rho_late_logtc, p.rho_late_early, one]),
        ]
    )


def lower_factor(matrix: jax.Array) -> jax.Array:
    """Lower triangle L with L L^T = matrix (Cholesky), by columns, in plain arithmetic; small matrices only."""
    size = matrix.shape[0]
    columns: list[jax.Array] = []
    rest = matrix
    for k in range(size):
        column = jnp.where(jnp.arange(size) < k, 0.0, rest[:, k] / jnp.sqrt(rest[k, k]))
        rest = rest - column[:, None] * column[None, :]
        columns.append(column)
    return jnp.stack(columns, axis=1)


class DiffmahPopGrowth(NamedTuple):
    mah_parameters: Vector


@stage
def halo_growth_diffmahpop(
    p: DiffmahPopParameters,
    times: TimeGrid,
    *,
    log10_halo_mass: Scalar,
    cosmic_time: Scalar,
    is_central: Scalar,
    draw_peak_time: Uniform,
    draw_growth: Normal4,
    draw_formation: Uniform,
) -> DiffmahPopGrowth:
    """A history for one halo, drawn from the population of its mass and time.

    u = mean + s L N with N the four normals draw_growth, s the scatter and L L^T the correlation, around the mean
    of the early- or late-forming halos; then logm0 is shifted so that M(cosmic_time) is the halo's mass.

    Reads
        log10_halo_mass : dex(solMass), largest mass so far
        cosmic_time : Gyr
        is_central : 1
    Writes
        mah_parameters : see HaloGrowth; logm0 may exceed its bound 17 for massive halos at early times
    Holds for 10 < log10_halo_mass < 14.5; beyond, the history of the edge, rescaled.
    Error: log10_halo_mass at cosmic_time is met to 1e-4 dex in 32 bit (tests/physics/halos/test_population.py)
    Source: DiffmahPop, diffmah 0.7.3; the form of one history of Hearin et al. 2021, OJAp 4, 7.
    """
    today = times.time[-1]
    m = jnp.clip(log10_halo_mass, LOWEST, HIGHEST)
    t_peak = jnp.where(
        is_central,
        central_peak_time(p, m, cosmic_time, today, draw_peak_time),
        satellite_peak_time(p, m, cosmic_time, draw_peak_time),
    )
    early = draw_formation < early_forming_fraction(p, m, cosmic_time)
    mean = unbounded_growth(mean_growth(p, early, is_central, m, cosmic_time, t_peak))
    # a sum, not a matrix product: accelerators round the latter to 10 bits
    offset = scatter(p, m) * jnp.sum(lower_factor(correlation(p)) * draw_growth, axis=-1)
    numbers = [*(u + du for u, du in zip(mean[:4], offset, strict=True)), mean.t_peak]
    drawn = bounded_growth(HaloGrowth(*numbers))._replace(t_peak=t_peak)
    shift = log10_halo_mass - log10_mass(drawn, cosmic_time, today)
    return DiffmahPopGrowth(jnp.stack(drawn._replace(logm0=drawn.logm0 + shift)))
