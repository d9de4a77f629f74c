"""Fits of tabulated halo histories: for each the five numbers of its growth, thousands at a time.

The history is linear in three of the four numbers that are fitted,

    log M = logm0 + early_index (1 - f) x + late_index f x,
    x = log t' - log today,  f = sigmoid(log t'; logtc, 3.5, 0, 1),

so at a given logtc the other three, bounds included, follow in closed form, and what remains is a function of logtc
alone (variable projection; Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). It is scanned, as it may have several
minima, and the lowest one is refined by the secant method on its derivative.
"""

from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.types import Scalar, Vector
from diffsky_factory.core.unfinished import advance_unfinished
from diffsky_factory.physics.halos.growth import LIMITS, TRANSITION_STEEPNESS

MASS_RANGE = 2.5  # dex below the largest mass; Hearin et al. 2021, OJAp 4, 7, Sect. 3
FIRST_TIME = 1.0  # Gyr; ibid.
FEWEST_POINTS = 3  # below the largest mass; chosen: with the largest mass itself, as many as there are numbers
MARGIN = 1e-4  # of the range of a number; chosen: kept from its bounds, so that unbounded coordinates are finite
SCANNED = 48  # values of logtc that are tried; chosen: 0.04 dex apart, where the transition is 0.3 dex wide
FIRST_STEPS = 2  # steps that every fit takes; chosen: four of five fits take no more
PARTS = 8  # groups of a block in which the other fits are gathered; chosen
MOST_STEPS = 12  # chosen: half of the fits take one, the slowest of 1,239 real histories take 10
TOLERANCE = 3e-4  # of the loss: a fit ends where the next step may gain no more; chosen
FLOOR = 1e-9  # dex^2, likewise; chosen: 3e-5 dex, a few roundings of a mass in 32 bits
CLOSE = 0.01  # dex, chosen: of a history that is followed this closely, no more is asked
LARGEST_RMS = 0.2  # dex, chosen: 99 % of 2,600 histories of nine merger trees are within 0.16, most others jump
# of ln t from 1 Gyr to the largest mass, chosen: a factor 3 in time today. With less, a fit is farther from the whole
# history than a draw of the population is, for most of 716 histories of which the beginning was hidden
LEAST_COVERED = 0.4
COLLINEAR = 1e-6  # of the product of two variances, below which they are one direction; chosen: the rounding of 32 bits


class FitQuality(IntEnum):
    """What became of a fit: the flags of the columns `mah_fit_quality` and `sfh_fit_quality`."""

    FITTED = 0  # growth: within LARGEST_RMS, over most of the time in which the halo grew
    TOO_FEW_POINTS = 1  # fewer than can tell the numbers apart, or no history at all
    NOT_CONVERGED = 2  # large and still falling when the steps were used up; the numbers are of the lowest loss
    GAPS = 3  # a star formation history with missing times, which cannot be summed to masses
    POOR = 4  # growth that is no such curve: the numbers of least loss miss it by more than LARGEST_RMS
    SHORT = 5  # growth that is followed, over a short time; before `mah_fit_first_time` it is a guess, 0.5 dex off


class GrowthFit(NamedTuple):
    """Fits of n histories."""

    mah_parameters: Vector  # (n, 5), in the order of HaloGrowth; NaN where there are too few points
    mah_fit_loss: Vector  # (n,) dex^2, mean squared residual of log10 mass; NaN likewise
    mah_fit_points: Vector  # (n,) int32, points below the largest mass that took part
    mah_fit_quality: Vector  # (n,) int8, see FitQuality
    mah_fit_first_time: Vector  # (n,) Gyr, the earliest that took part; NaN where there are too few points


class Target(NamedTuple):
    """What is fitted, times first: (T, n), or (n,) where one number a history."""

    log10_mass: Vector  # dex, running maximum relative to the largest mass
    weight: Vector  # of each time, 1 in sum; all times from the peak on, when nothing changes, count at the peak
    points: Vector  # times before the peak that take part
    log10_largest_mass: Vector  # dex(Msun)
    peak: Vector  # number of the first time of the largest mass

    @property
    def enough(self) -> Vector:
        """Whether there are points enough to fit, (n,)."""
        return self.points >= FEWEST_POINTS


class Indices(NamedTuple):
    """The best history at one logtc, any shape."""

    level: Scalar  # dex, logm0 less the largest mass
    early: Scalar
    late: Scalar
    loss: Scalar  # dex^2


class Moments(NamedTuple):
    """Weighted means, and moments about them, of e = (1 - f) x, l = f x and y = log M less the largest, any shape."""

    e: Scalar
    l: Scalar
    y: Scalar
    ee: Scalar
    el: Scalar
    ll: Scalar
    ey: Scalar
    ly: Scalar
    yy: Scalar

    def about(self, y: Scalar) -> "Moments":
        """Moments about e = 0, l = 0 and a given y, for lines that go through a given level."""
        off = self.y - y
        return self._replace(
            ee=self.ee + self.e**2,
            el=self.el + self.e * self.l,
            ll=self.ll + self.l**2,
            ey=self.ey + self.e * off,
            ly=self.ly + self.l * off,
        )

    def misfit(self, early: Scalar, late: Scalar) -> Scalar:
        """Mean squared residual of early e + late l, about the means, less that of y."""
        squares = early**2 * self.ee + 2.0 * early * late * self.el + late**2 * self.ll
        return squares - 2.0 * (early * self.ey + late * self.ly)


def fit_growth(log10_mass: Vector, time: Vector, today: Scalar, lowest: Scalar = -jnp.inf) -> GrowthFit:
    """Growth of n halos at once: the least mean squared residual of log10 mass, t_peak the first time of the largest.

    log10_mass : (n, T) dex(Msun), no h, not finite where the halo has no mass
    time       : (T,) Gyr, ascending; the last one may be repeated with no masses, as padding
    today      : Gyr, the age at z = 0 of the cosmology in which the numbers will be used
    lowest     : dex(Msun), at and below which masses do not take part

    What is fitted is the running maximum of the masses within 2.5 dex of the largest, from 1 Gyr on, all times alike.
    Where FEWEST_POINTS are not to be had there is no fit, and the parameters are NaN. Such halos go without a history
    (`has_mah_fit` is false for them) and are to be given one of the population at their mass and time, rescaled to the
    mass they have when they are observed; diffsky leaves it at the mass of the population today.
    Holds for 0.05 < time < 20 Gyr. A fit that has one of its bounds stops short of it by 1e-4 of its range.
    Error: losses are at most 1.004 times those of diffmah for each of 1,600 histories, 0.99 in the median
    (tests/agreement/test_fits.py).
    Source: Hearin et al. 2021, OJAp 4, 7, Sect. 3.
    """
    dtype = log10_mass.dtype
    time, today = jnp.asarray(time, dtype), jnp.asarray(today, dtype)
    target = targets(log10_mass.T, time, jnp.asarray(lowest, dtype))
    x = jnp.log10(time / today)
    logtc, best, converged = refine(target, x, today, *scan(target, x, today))
    numbers = (target.log10_largest_mass + best.level, logtc, best.early, best.late, time[target.peak])
    first = time[jnp.argmax(target.weight > 0.0, axis=0)]
    quality = jnp.where(covered(first, numbers[-1]) < LEAST_COVERED, FitQuality.SHORT, FitQuality.FITTED)
    quality = jnp.where(best.loss > LARGEST_RMS**2, FitQuality.POOR, quality)
    quality = jnp.where(converged | (best.loss < CLOSE**2), quality, FitQuality.NOT_CONVERGED)
    return GrowthFit(
        jnp.where(target.enough[:, None], jnp.stack(numbers, axis=-1), jnp.nan),
        jnp.where(target.enough, best.loss, jnp.nan),
        target.points.astype(jnp.int32),
        jnp.where(target.enough, quality, FitQuality.TOO_FEW_POINTS).astype(jnp.int8),
        jnp.where(target.enough, first, jnp.nan),
    )


def covered(first: Scalar, peak: Scalar) -> Scalar:
    """Share of the logarithm of time, from FIRST_TIME to that of the largest mass, in which there are masses."""
    return jnp.log(peak / first) / jnp.log(peak / FIRST_TIME)


def targets(log10_mass: Vector, time: Vector, lowest: Scalar) -> Target:
    """What is fitted of histories (T, n), with time (T,)."""
    known = jnp.isfinite(log10_mass) & (log10_mass > lowest)
    mass = jnp.where(known, log10_mass, -jnp.inf)
    largest, peak = jnp.max(mass, axis=0), jnp.argmax(mass, axis=0)
    running = jax.lax.cummax(mass, axis=0) - largest
    used = known & (running > -MASS_RANGE) & (time >= FIRST_TIME)[:, None]
    number = jnp.arange(time.shape[0])[:, None]
    before = used & (number < peak)
    later = jnp.sum(used & (number >= peak), axis=0)
    weight = jnp.where(number == peak, later, before) / jnp.maximum(jnp.sum(used, axis=0), 1)
    return Target(jnp.where(weight > 0, running, 0.0), weight, jnp.sum(before, axis=0), largest, peak)


def limits(name: str) -> tuple[float, float]:
    """Bounds of one of the five numbers, less a margin."""
    within = LIMITS[name]
    margin = MARGIN * (within.hi - within.lo)
    return within.lo + margin, within.hi - margin


def _transition(x: Vector, logtc: Scalar, today: Scalar) -> Vector:
    """f of the equation above."""
    return jax.nn.sigmoid(TRANSITION_STEEPNESS * (x - (logtc - jnp.log10(today))))


def scan(target: Target, x: Vector, today: Scalar) -> tuple[Vector, Vector, tuple[Vector, Vector]]:
    """logtc of the lowest minimum, the second derivative of the loss there, and a bracket around it, each (n,).

    At given values of logtc, e and l are the same for all halos, and their moments are products of matrices.
    """
    values = jnp.linspace(*limits("logtc"), SCANNED, dtype=x.dtype)
    f = _transition(x, values[:, None], today)  # (K, T)
    e, l = (1.0 - f) * x, f * x
    w, y = target.weight, target.log10_mass
    mean_y = jnp.sum(w * y, axis=0)
    wy = w * (y - mean_y)
    mean_e, mean_l = _product(e, w), _product(l, w)
    moments = Moments(
        *(mean_e, mean_l, mean_y),
        _product(e * e, w) - mean_e * mean_e,
        _product(e * l, w) - mean_e * mean_l,
        _product(l * l, w) - mean_l * mean_l,
        *(_product(e, wy), _product(l, wy), jnp.sum(wy * (y - mean_y), axis=0)),
    )
    loss = best_indices(moments, target.log10_largest_mass).loss
    lowest = jnp.clip(jnp.argmin(loss, axis=0), 1, SCANNED - 2)
    # the parabola through it and its neighbours
    below, at, above = (jnp.take_along_axis(loss, (lowest + i)[None], axis=0)[0] for i in (-1, 0, 1))
    step = values[1] - values[0]
    bend = jnp.maximum(below - 2.0 * at + above, jnp.finfo(x.dtype).tiny ** 0.5)
    vertex = values[lowest] + step * jnp.clip(0.5 * (below - above) / bend, -1.0, 1.0)
    return vertex, bend / step**2, (values[lowest - 1], values[lowest + 1])


def _product(table: Vector, values: Vector) -> Vector:
    return jnp.matmul(table, values, precision=jax.lax.Precision.HIGHEST)


def best_indices(moments: Moments, log10_largest_mass: Scalar) -> Indices:
    """Level, early and late index of least squares, within their bounds."""
    early, late = _within_bounds(moments)
    level = moments.y - early * moments.e - late * moments.l
    # where the mass today would be above its bound, the level is on the bound
    highest = limits("logm0")[1] - log10_largest_mass
    pinned = _within_bounds(moments.about(highest))
    early, late = (jnp.where(level > highest, p, free) for p, free in zip(pinned, (early, late)))
    level = jnp.minimum(level, highest)
    miss = moments.y - level - early * moments.e - late * moments.l
    return Indices(level, early, late, moments.yy + moments.misfit(early, late) + miss**2)


def _within_bounds(m: Moments) -> tuple[Scalar, Scalar]:
    """Early and late index of the least misfit, of all with lo <= late <= hi and late < early <= top.

    The misfit is convex: its minimum is inside, or the least is on one of the four sides.
    """
    lo, hi = limits("late_index")
    top = limits("early_index")[1]
    gap = MARGIN * top
    tiny = jnp.finfo(jnp.result_type(m.ee)).tiny
    determinant = m.ee * m.ll - m.el**2
    apart = determinant > COLLINEAR * m.ee * m.ll
    determinant = jnp.where(apart, determinant, 1.0)
    early, late = (m.ey * m.ll - m.ly * m.el) / determinant, (m.ly * m.ee - m.ey * m.el) / determinant
    inside = apart & (late >= lo) & (late <= hi) & (early >= late + gap) & (early <= top)

    def with_late(late):
        return jnp.clip((m.ey - late * m.el) / jnp.maximum(m.ee, tiny), late + gap, top), jnp.full_like(m.ee, late)

    steepest = jnp.clip((m.ly - top * m.el) / jnp.maximum(m.ll, tiny), lo, hi)
    single = m.ey + m.ly - gap * (m.ee + m.el)
    single = jnp.clip(single / jnp.maximum(m.ee + 2.0 * m.el + m.ll, tiny), lo, hi)
    sides = [with_late(hi), (jnp.full_like(m.ee, top), steepest), (single + gap, single)]
    best = with_late(lo)
    for side in sides:
        better = m.misfit(*side) < m.misfit(*best)
        best = tuple(jnp.where(better, a, b) for a, b in zip(side, best))
    return jnp.where(inside, early, best[0]), jnp.where(inside, late, best[1])


def at_transition(target: Target, x: Vector, today: Scalar, logtc: Scalar) -> tuple[Indices, Scalar]:
    """The best history with each logtc (n,), and the derivative of its loss with respect to logtc.

    At the best indices the loss does not change with them, so its derivative is the partial one.
    """
    w, y, x = target.weight, target.log10_mass, x[:, None]
    f = _transition(x, logtc, today)
    e, l = (1.0 - f) * x, f * x
    means = [jnp.sum(w * v, axis=0) for v in (e, l, y)]
    de, dl, dy = (v - mean for v, mean in zip((e, l, y), means))
    pairs = ((de, de), (de, dl), (dl, dl), (de, dy), (dl, dy), (dy, dy))
    best = best_indices(Moments(*means, *(jnp.sum(w * a * b, axis=0) for a, b in pairs)), target.log10_largest_mass)
    residual = y - best.level - best.early * e - best.late * l
    slope = 2.0 * TRANSITION_STEEPNESS * (best.late - best.early) * jnp.sum(w * residual * x * f * (1.0 - f), axis=0)
    return best._replace(loss=jnp.sum(w * residual**2, axis=0)), slope


class Search(NamedTuple):
    """State of the search for the logtc (n,) of the least loss."""

    at: Vector  # logtc to evaluate next
    before: Vector  # the one evaluated last, and the derivative there
    slope: Vector
    bend: Vector  # second derivative to go by, until a second derivative is known
    lo: Vector  # bracket of the minimum
    hi: Vector
    logtc: Vector  # the best one yet, and its history
    best: Indices
    done: Vector


def refine(
    target: Target, x: Vector, today: Scalar, logtc: Vector, curvature: Vector, bracket: tuple[Vector, Vector]
) -> tuple[Vector, Indices, Vector]:
    """logtc of the least loss in a bracket, its Indices, and whether it was reached, each (n,): the secant method."""
    zero = jnp.zeros_like(logtc)
    nothing = Indices(zero, zero, zero, jnp.full_like(zero, jnp.inf))
    s = Search(logtc, logtc, zero, curvature, *bracket, logtc, nothing, ~target.enough)
    s = _searched(target, x, today, s, 0, FIRST_STEPS)

    def more(target: Target, s: Search) -> Search:
        return _searched(target, x, today, s, FIRST_STEPS, MOST_STEPS)

    s = advance_unfinished(more, target, s, s.done, PARTS)
    return s.logtc, s.best, s.done


def _searched(target: Target, x: Vector, today: Scalar, s: Search, first: int, last: int) -> Search:
    """The search after the steps from `first` to `last`, or as many as are needed."""

    def go_on(state):
        step, s = state
        return (step < last) & jnp.any(~s.done)

    def move(state):
        step, s = state
        best, slope = at_transition(target, x, today, s.at)
        better = best.loss < s.best.loss
        kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), (s.at, best), (s.logtc, s.best))
        lo, hi = jnp.where(slope > 0, s.lo, s.at), jnp.where(slope > 0, s.at, s.hi)
        run = s.at - s.before
        bend = jnp.where(run == 0, s.bend, (slope - s.slope) / jnp.where(run == 0, 1.0, run))
        # by the secant, or to the middle where it leaves the bracket; to its end where the loss bends down
        to = jnp.clip(s.at - slope / jnp.where(bend > 0, bend, 1.0), *limits("logtc"))
        to = jnp.where((to >= lo) & (to <= hi), to, 0.5 * (lo + hi))
        to = jnp.where(bend > 0, to, jnp.where(slope > 0, lo, hi))
        done = s.done | (jnp.abs(slope * (to - s.at)) < TOLERANCE * best.loss + FLOOR)
        return step + 1, Search(jnp.where(done, s.at, to), s.at, slope, bend, lo, hi, *kept, done)

    return jax.lax.while_loop(go_on, move, (first, s))[1]
