"""Fits of tabulated star formation histories: for each the eight numbers of Diffstar, thousands at a time.

Source: Alarcon et al. 2023, MNRAS 518, 562, Sect. 4; the loss as diffstar 1.0 evaluates it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffsky_factory.core.parameters import bounds
from diffsky_factory.core.small_systems import solve_positive
from diffsky_factory.core.smooth import LN10
from diffsky_factory.core.types import Scalar, Vector, vector
from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
from diffsky_factory.physics.halos.growth_fit import FitQuality
from diffsky_factory.physics.stars.star_formation import (
    FIRST_TIME,
    LOWEST_RATE,
    StarFormation,
    bounded,
    star_formation_rate,
    unbounded,
)

DELAY = 1.0  # Gyr over which a rate is averaged; Alarcon et al. 2023, Sect. 4
MASS_RANGE = 3.5  # dex below the last stellar mass that takes part; ibid.
LOWEST_MASS = 7.0  # dex(Msun), or half a dex below the last mass where that is less; ibid.
LEAST_SPECIFIC_RATE = 1e-12  # 1/yr, floor of the averaged rate that is fitted; ibid.
RATE_RANGE = 1e-3  # of the highest averaged rate, likewise
FIRST_FITTED = 1.0  # Gyr
LEAST_MODEL_RATE = 1e-13  # 1/yr, floor of the model's rates
SPREADS = (0.7, 0.0, 1.0, 1.5, 0.5, 0.7, 0.7, 0.5)  # of the starts, unbounded; chosen: about the scatter of galaxies
MASS_ROOT, FINAL_ROOT = 30.0**0.5, 0.5**0.5  # roots of the weights of mass, and of the last averaged rate
EARLY_STEEPNESS = 50.0  # per dex of time
TRIED, STARTS = 192, 2  # starts that are tried, and those that are followed; chosen
SEED = 2  # of the shifts of the starts, the same for every history; chosen
FEWEST_POINTS = 8  # times that take part; chosen: as many as there are numbers to fit
MOST_STEPS = 32  # of one start; chosen: more lower the loss of one fit in ten
FIRST_DAMPING = 0.04  # chosen; a quarter of it after the step that moves nothing
LEAST_DAMPING = 1e-6  # chosen: keeps directions in which nothing changes from being taken
TOLERANCE = 1e-4  # of the loss, that one of PATIENCE steps must gain; chosen
EXACT = 1e-8  # loss at which nothing is left to gain; chosen: 1e-5 dex of mass, the rounding of 32 bits
PATIENCE = 5  # chosen: as many as the damping needs from too small to effective
REACH = 9.0  # chosen: exp(-9) of a range is left to its bounds, so that unbounded coordinates are finite in 32 bits
LIMITS = bounds(StarFormation)
EFFICIENCIES = (-11.9, -8.1)  # dex(1/yr), of starts; chosen: within the bounds of lgy_at_mcrit


class StellarFit(NamedTuple):
    """Fits of n histories."""

    sfh_parameters: Vector  # (n, 8), in the order of StarFormation; NaN where there are too few points, or gaps
    sfh_fit_loss: Vector  # (n,), see `loss`; NaN likewise
    sfh_fit_points: Vector  # (n,) int32, times that took part
    sfh_fit_quality: Vector  # (n,) int8, see FitQuality


def fit_star_formation(grid: "StellarGrid", rate: Vector, mah_parameters: Vector, today: Scalar) -> StellarFit:
    """Star formation of n galaxies at once, in halos whose growth is known: the least `loss`.

    rate           : (n, T) Msun/yr, at the times of the grid; mass formed, without return to the gas
    mah_parameters : (n, 5), see HaloGrowth
    today          : Gyr, the age at z = 0 that the growth refers to

    TRIED starts lie around one that follows from the halo's mass; the STARTS with the least loss are followed to their
    minima, and the lowest minimum is taken. There is no fit where a rate is missing or where there are fewer than
    FEWEST_POINTS times with mass enough.
    Holds for galaxies of more than 10^7 Msun; the baryon fraction is BARYON_FRACTION, absorbed in lgy_at_mcrit.
    Error: the median loss is that of diffstar's own fits; of 40, one in ten is above twice that
    (tests/agreement/test_fits.py).
    Source: Alarcon et al. 2023, MNRAS 518, 562, Sect. 4; the loss as diffstar 1.0 evaluates it.
    """
    rate = rate.T
    gaps = jnp.any(~jnp.isfinite(rate) & (grid.used > 0)[:, None], axis=0)
    target = stellar_targets(grid, jnp.where(jnp.isfinite(rate), jnp.maximum(rate, 0.0), 0.0) * grid.used[:, None])
    halo = log10_mass(HaloGrowth(*mah_parameters.T), grid.time[:, None], today)
    good = (target.points >= FEWEST_POINTS) & jnp.all(jnp.isfinite(mah_parameters), axis=1) & ~gaps
    halo = jnp.where(good, halo, 12.0)  # any mass, so that what is not fitted stays finite
    shifts = jax.random.normal(jax.random.key(SEED, impl="threefry2x32"), (TRIED, 8), jnp.float32)
    starts = first_guesses(grid, target, halo, start(halo[-1]), shifts * jnp.asarray(SPREADS, jnp.float32))
    u, losses, converged = jax.lax.map(lambda at: minimize(grid, target, halo, at), starts)
    best = jnp.nanargmin(losses, axis=0)
    u, losses, converged = (
        jnp.take_along_axis(a, at, axis=0)[0]
        for a, at in ((u, best[None, None]), (losses, best[None]), (converged, best[None]))
    )
    quality = jnp.where(converged, FitQuality.FITTED, FitQuality.NOT_CONVERGED)
    quality = jnp.where(good, quality, jnp.where(gaps, FitQuality.GAPS, FitQuality.TOO_FEW_POINTS))
    return StellarFit(
        jnp.where(good[:, None], jnp.stack(bounded(u), axis=-1), jnp.nan),
        jnp.where(good, losses, jnp.nan),
        target.points,
        quality.astype(jnp.int8),
    )


class StellarGrid(NamedTuple):
    """What of a fit follows from its times alone: products of matrices with rates [Msun/yr] at T times."""

    time: Vector  # (T,) Gyr
    log10_time: Vector  # (T,)
    formed: Vector  # (T, T) to masses formed [Msun]
    recent: Vector  # (T, T) to rates averaged over the last DELAY [Msun/yr]
    seed_mass: Scalar  # Msun formed by the lowest rate before the first time
    used: Vector  # (T,) 1, or 0 for padding
    last: Vector  # (T,) 1 at the last time that is no padding


def stellar_grid(time: np.ndarray, size: int | None = None) -> StellarGrid:
    """Tables of a time grid (T,) [Gyr], ascending, padded to `size` times; trapezoids from FIRST_TIME on."""
    t = np.concatenate([[FIRST_TIME], np.asarray(time, np.float64)])
    step = np.diff(t)
    n, size = len(step), size or len(step)
    each = np.zeros((n, n + 1))  # mass formed in each step, from rates at all times
    each[np.arange(n), np.arange(n)] += 0.5e9 * step
    each[np.arange(n), np.arange(n) + 1] += 0.5e9 * step
    formed = np.cumsum(each, axis=0)
    earlier = np.stack([np.interp(t[1:] - DELAY, t[1:], column) for column in formed.T], axis=1)
    recent = (formed - earlier) / 1e9

    def padded(table: np.ndarray) -> np.ndarray:
        return np.pad(table[:, 1:], (0, size - n)).astype(np.float32)

    times = np.pad(t[1:], (0, size - n), mode="edge").astype(np.float32)
    number = np.arange(size)
    used, last = (number < n).astype(np.float32), (number == n - 1).astype(np.float32)
    seed = np.float32(formed[0, 0] * LOWEST_RATE)
    return StellarGrid(*map(vector, (times, np.log10(times), padded(formed), padded(recent), seed, used, last)))


class StellarTarget(NamedTuple):
    """What is fitted, times first: (T, n), or (n,) where one number a history."""

    log10_mass: Vector  # dex(Msun)
    log10_recent_rate: Vector  # dex(Msun/yr)
    rate: Vector  # Msun/yr
    rate_unit: Vector  # 1/(1e-8 per yr of the mass), yr/Msun
    mass_root: Vector  # root of the weight of residuals of mass and rate, which sum to one if none is singled out
    recent_root: Vector  # likewise of the averaged rate
    log10_peak_time: Vector  # dex(Gyr) of the highest averaged rate
    points: Vector  # int32, times that take part


def stellar_targets(grid: StellarGrid, rate: Vector) -> StellarTarget:
    """What is fitted of rates (T, n) [Msun/yr]."""
    mass = _product(grid.formed, rate) + grid.seed_mass
    recent = jnp.maximum(_product(grid.recent, rate), LEAST_SPECIFIC_RATE * mass)
    recent = jnp.maximum(recent, RATE_RANGE * jnp.max(recent * grid.used[:, None], axis=0))
    log_mass, log_recent = jnp.log10(mass), jnp.log10(recent)
    n_time = jnp.sum(grid.used)
    final = jnp.max(log_mass, axis=0)
    used = (log_mass > final - MASS_RANGE) & (log_mass > jnp.minimum(LOWEST_MASS, final - 0.5))
    used = used & (grid.time >= FIRST_FITTED)[:, None] & (grid.used > 0)[:, None]
    highest = jnp.max(jnp.where(grid.used[:, None] > 0, log_recent, -jnp.inf), axis=0)
    mass_weight = jnp.where(final - log_mass < 0.1, 4.0, 1.0 * used) * grid.used[:, None] / n_time
    rate_weight = jnp.where(highest - log_recent < 0.1, 4.0, 1.0 * used)
    rate_weight = rate_weight * ((grid.time >= DELAY + 0.01) * grid.used)[:, None] / n_time
    peak = jnp.argmax(jnp.where(grid.used[:, None] > 0, recent, -1.0), axis=0)
    return StellarTarget(
        log_mass,
        log_recent,
        rate,
        1e8 / mass,
        jnp.sqrt(mass_weight),
        jnp.sqrt(rate_weight),
        grid.log10_time[peak],
        jnp.sum(used, axis=0).astype(jnp.int32),
    )


def _product(table: Vector, rates: Vector) -> Vector:
    return jnp.matmul(table, rates, precision=jax.lax.Precision.HIGHEST)


class _Model(NamedTuple):
    """Rates [Msun/yr] and masses [Msun] of the model, (T, n)."""

    rate: Vector
    mass: Vector
    recent: Vector


def _model(grid: StellarGrid, rate: Scalar) -> _Model:
    rate = jnp.asarray(rate)
    return _Model(rate, _product(grid.formed, rate) + grid.seed_mass, _product(grid.recent, rate))


def _residuals(
    grid: StellarGrid, target: StellarTarget, model: _Model, sfh: StarFormation
) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """Residuals whose squares sum to the loss: three of (T, n), two (n,)."""
    floor = LEAST_MODEL_RATE * model.mass
    mass = target.mass_root * (jnp.log10(model.mass) - target.log10_mass)
    recent = jnp.log10(jnp.maximum(model.recent, floor)) - target.log10_recent_rate
    rate = jnp.clip((jnp.maximum(model.rate, floor) - target.rate) * target.rate_unit, -1.0, 1.0)
    last = FINAL_ROOT * jnp.sum(grid.last[:, None] * recent, axis=0)
    # no quenching before the highest rate; exp of the logarithm, as the root of 0 has no derivative
    early = 10.0 * jnp.exp(0.5 * jax.nn.log_sigmoid(-EARLY_STEEPNESS * (sfh.lg_qt - target.log10_peak_time)))
    return MASS_ROOT * mass, target.recent_root * recent, target.mass_root * rate, last, early


def _sum_of_squares(residuals: Sequence[Vector]) -> Vector:
    squares = [jnp.sum(r * r, axis=0) if r.ndim == 2 else r * r for r in residuals]
    return sum(squares[1:], start=squares[0])


def loss(grid: StellarGrid, target: StellarTarget, halo: Vector, u: Vector) -> Vector:
    """Loss (n,) of histories with unbounded coordinates u (8, n), in halos of mass `halo` (T, n) [dex(Msun)].

    30 <dm^2> + <df^2> + <ds^2> + df(last)^2 / 2 + 100 / (1 + exp(50 (lg_qt - lg_t_max))) with dm and df the residuals
    of the logarithms of mass and averaged rate, ds that of the rate over mass in units of 1e-8/yr, at most 1, and means
    over all times, weighted; the last term keeps quenching from before the highest rate.
    """
    sfh = bounded(u)
    rate = star_formation_rate(sfh, halo, grid.time[:, None])
    return _sum_of_squares(_residuals(grid, target, _model(grid, rate), sfh))


def linearized(grid: StellarGrid, target: StellarTarget, halo: Vector, u: Vector) -> tuple[Vector, Vector, Vector]:
    """`loss` (n,), half its gradient (8, n) and half its curvature J'J (8, 8, n), J the Jacobian of the residuals."""
    rate, push = jax.linearize(lambda at: star_formation_rate(bounded(at), halo, grid.time[:, None]), u)
    basis = jnp.broadcast_to(jnp.eye(8, dtype=u.dtype)[:, :, None], (8, *u.shape))
    slopes = jax.vmap(push, out_axes=1)(basis)  # (T, 8, n)
    model, sfh = _model(grid, rate), bounded(u)
    residuals = _residuals(grid, target, model, sfh)
    moved = jax.jvp(lambda at: _residuals(grid, target, model, bounded(at))[4], (u,), (basis[4],))[1]
    jacobian = _jacobian(grid, target, model, slopes, jnp.abs(residuals[2]) < target.mass_root)
    last = FINAL_ROOT * jnp.sum(grid.last[:, None, None] * jacobian[3], axis=0)
    j, r = jnp.concatenate(jacobian[:3]), jnp.concatenate(residuals[:3])
    gradient = jnp.sum(j * r[:, None], axis=0) + last * residuals[3] + basis[4] * (moved * residuals[4])
    half: dict[tuple[int, int], Vector] = {}
    for i in range(8):
        for k in range(i + 1):
            at = jnp.sum(j[:, i] * j[:, k], axis=0) + last[i] * last[k]
            half[i, k] = half[k, i] = at + moved**2 if i == k == 4 else at
    curvature = jnp.stack([jnp.stack([half[i, k] for k in range(8)]) for i in range(8)])
    return _sum_of_squares(residuals), gradient, curvature


def _jacobian(
    grid: StellarGrid, target: StellarTarget, model: _Model, slopes: Vector, free: Vector
) -> tuple[Vector, Vector, Vector, Vector]:
    """Derivatives (T, 8, n) of the first three residuals, and of the logarithm of the averaged rate."""
    flat = slopes.reshape(slopes.shape[0], -1)
    of_mass = _product(grid.formed, flat).reshape(slopes.shape)
    of_recent = _product(grid.recent, flat).reshape(slopes.shape)
    floor = LEAST_MODEL_RATE * model.mass
    above = (model.recent > floor)[:, None]
    of_recent = jnp.where(above, of_recent, LEAST_MODEL_RATE * of_mass)
    of_recent = of_recent / (LN10 * jnp.maximum(model.recent, floor))[:, None]
    of_rate = jnp.where((model.rate > floor)[:, None], slopes, LEAST_MODEL_RATE * of_mass)
    return (
        (MASS_ROOT * target.mass_root / (LN10 * model.mass))[:, None] * of_mass,
        target.recent_root[:, None] * of_recent,
        jnp.where(free, target.mass_root * target.rate_unit, 0.0)[:, None] * of_rate,
        of_recent,
    )


def start(log10_halo_mass: Vector) -> Vector:
    """Unbounded coordinates (8, n) from which a fit starts, of halos of a mass (n,) [dex(Msun)] at the last time."""
    x = log10_halo_mass - 11.0
    default = StarFormation()
    sfh = default._replace(
        lgmcrit=jnp.clip(0.3 * x + 11.4, 11.0, 13.0),
        lgy_at_mcrit=jnp.clip(0.2 * x - 9.7, -10.5, -9.2),
        indx_lo=jnp.clip(0.7 * x - 0.3, 0.2, 3.0),
    )
    return unbounded(StarFormation(*[jnp.broadcast_to(jnp.asarray(value, x.dtype), x.shape) for value in sfh]))


def first_guesses(grid: StellarGrid, target: StellarTarget, halo: Vector, u: Vector, shifts: Vector) -> Vector:
    """The STARTS starts of least loss, (STARTS, 8, n), of those around u (8, n) that are shifted by shifts (K, 8).

    The efficiency of each is scaled so that it forms the mass that was formed.
    """

    def tried(shift):
        at = _within_reach(u + shift[:, None])
        sfh = bounded(at)
        model = _model(grid, star_formation_rate(sfh, halo, grid.time[:, None]))
        lift = jnp.sum(grid.last[:, None] * (target.log10_mass - jnp.log10(model.mass)), axis=0)
        lgy = jnp.clip(sfh.lgy_at_mcrit + lift, *EFFICIENCIES)
        scale = 10.0 ** (lgy - sfh.lgy_at_mcrit)
        model = _Model(model.rate * scale, model.mass * scale, model.recent * scale)
        at = _within_reach(at.at[1].set(unbounded(sfh._replace(lgy_at_mcrit=lgy))[1]))
        return _sum_of_squares(_residuals(grid, target, model, sfh)), at

    losses, starts = jax.lax.map(tried, shifts)
    order = jnp.argsort(losses, axis=0)[:STARTS]
    return jnp.take_along_axis(starts, order[:, None], axis=0)


class Descent(NamedTuple):
    """State of the fits of n histories."""

    u: Vector  # (8, n), where the loss is lowest yet, and what `linearized` says there
    loss: Vector
    gradient: Vector
    curvature: Vector
    damping: Vector
    stalled: Vector  # steps that gained nothing to speak of, one after the other
    done: Vector


def minimize(grid: StellarGrid, target: StellarTarget, halo: Vector, u: Vector) -> tuple[Vector, Vector, Vector]:
    """Unbounded coordinates (8, n) of a minimum, its loss (n,) and whether it was reached: Levenberg-Marquardt.

    Source: Marquardt 1963, J. SIAM 11, 431; damping relative to the diagonal.
    """
    zero = jnp.zeros(u.shape[1:], u.dtype)
    eye = jnp.eye(8, dtype=u.dtype)[:, :, None]
    # the first step moves nothing, and finds what `linearized` says of the start
    s = Descent(
        *(_within_reach(u), zero + jnp.inf, jnp.zeros_like(u), eye + zero, zero + FIRST_DAMPING),
        *(zero.astype(jnp.int32), zero > 0.0),
    )

    def go_on(state):
        step, s = state
        return (step < MOST_STEPS) & jnp.any(~s.done)

    def move(state):
        step, s = state
        damped = s.curvature + eye * (s.damping * s.curvature + LEAST_DAMPING)
        to = _within_reach(s.u - solve_positive(damped, s.gradient))
        new = (to, *linearized(grid, target, halo, to))
        better = (new[1] < s.loss) & ~s.done
        stalled = jnp.where(better & ~(s.loss - new[1] <= TOLERANCE * s.loss), 0, s.stalled + 1)
        damping = jnp.clip(s.damping * jnp.where(better, 0.25, 4.0), LEAST_DAMPING, 1.0 / LEAST_DAMPING)
        kept = [jnp.where(better, a, b) for a, b in zip(new, (s.u, s.loss, s.gradient, s.curvature))]
        done = s.done | (stalled >= PATIENCE) | (kept[1] < EXACT)
        return step + 1, Descent(*kept, damping, stalled, done)

    _, s = jax.lax.while_loop(go_on, move, (0, s))
    return s.u, s.loss, s.done & jnp.isfinite(s.loss)


def _within_reach(u: Vector) -> Vector:
    """Unbounded coordinates (8, n) not nearer to their bounds than exp(-REACH) of a range."""
    middle = jnp.asarray([0.5 * (within.lo + within.hi) for within in LIMITS.values()], u.dtype)[:, None]
    reach = jnp.asarray([REACH * 0.25 * (within.hi - within.lo) for within in LIMITS.values()], u.dtype)[:, None]
    return jnp.clip(u, middle - reach, middle + reach)
