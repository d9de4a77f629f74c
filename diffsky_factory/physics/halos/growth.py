"""Growth of one halo: a power law of time with an index that rolls from early to late.

Source: Hearin et al. 2021, OJAp 4, 7 (Diffmah).
"""

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from diffsky_factory.core.parameters import STEEPNESS, Within, bounds
from diffsky_factory.core.smooth import inverse_sigmoid, sigmoid
from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Scalar, Vector

TRANSITION_STEEPNESS = 3.5  # per dex of time; Hearin et al. 2021, Eq. 4


class TimeGrid(NamedTuple):
    """Cosmic times on which histories are tabulated [Gyr], ascending and uniform; the last one is today."""

    time: Vector


class HaloGrowth(NamedTuple):
    """The five numbers of one history; `mah_parameters` holds them in this order."""

    logm0: Annotated[Scalar, Within(0.0, 17.0, "dex(solMass)", "mass today of a halo that never stops growing")] = 12.0
    logtc: Annotated[
        Scalar, Within(-1.0, 1.0, "dex(Gyr)", "cosmic time around which the index of growth rolls from early to late")
    ] = 0.05
    early_index: Annotated[
        Scalar,
        Within(0.1, 10.0, "", "power-law index of mass in cosmic time, long before the transition", above="late_index"),
    ] = 2.6137643
    late_index: Annotated[
        Scalar, Within(0.1, 5.0, "", "power-law index of mass in cosmic time, long after the transition")
    ] = 0.12692805
    t_peak: Annotated[Scalar, Within(0.05, 20.0, "Gyr", "cosmic time of peak mass, after which the mass stays")] = 14.0


LIMITS = bounds(HaloGrowth)


def log10_mass(growth: HaloGrowth, time: Scalar, today: Scalar) -> Scalar:
    """Largest mass so far [dex(Msun)] at a cosmic time [Gyr], any shape that broadcasts.

    log M = logm0 + index(t') (log t' - log today),  t' = min(t, t_peak),
    index = sigmoid(log t'; logtc, 3.5, early_index, late_index).
    """
    log_time = jnp.log10(jnp.minimum(time, growth.t_peak))
    index = sigmoid(log_time, growth.logtc, TRANSITION_STEEPNESS, growth.early_index, growth.late_index)
    return growth.logm0 + index * (log_time - jnp.log10(today))


def accretion_rate(growth: HaloGrowth, time: Scalar, today: Scalar) -> Scalar:
    """dM/dt [Msun/yr], the derivative of `log10_mass`; 0 after t_peak."""
    log_time = jnp.log10(jnp.minimum(time, growth.t_peak))
    index = sigmoid(log_time, growth.logtc, TRANSITION_STEEPNESS, growth.early_index, growth.late_index)
    step = sigmoid(log_time, growth.logtc, TRANSITION_STEEPNESS, 0.0, 1.0)
    bend = TRANSITION_STEEPNESS * (growth.late_index - growth.early_index) * step * (1.0 - step)
    slope = index + bend * (log_time - jnp.log10(today))
    mass = 10.0 ** (growth.logm0 + index * (log_time - jnp.log10(today)))
    return jnp.where(time > growth.t_peak, 0.0, mass / time * slope / 1e9)


def unbounded_growth(growth: HaloGrowth) -> HaloGrowth:
    """Unbounded coordinates u of one history, in which its scatter is normal; any shape that broadcasts.

    u = inverse_sigmoid(p; (lo + hi)/2, 0.1, lo, hi), but for early_index inverse_sigmoid(p; 0, 0.1, late_index, 10).
    NaN or infinite where a value lies on or outside its bounds.
    """
    u = {name: inverse_sigmoid(getattr(growth, name), *_limits(name, growth.late_index)) for name in growth._fields}
    return HaloGrowth(**u)


def bounded_growth(u: HaloGrowth) -> HaloGrowth:
    """One history from its unbounded coordinates: the inverse of `unbounded_growth`."""
    late_index = sigmoid(u.late_index, *_limits("late_index", None))
    p = {name: sigmoid(getattr(u, name), *_limits(name, late_index)) for name in u._fields}
    return HaloGrowth(**p)


def _limits(name: str, late_index: Scalar | None) -> tuple:
    """Arguments x0, k, lo, hi of the sigmoid that bounds one of the five numbers."""
    within = LIMITS[name]
    if name == "early_index":  # growth slows down with time, so the early index is above the late one
        return 0.0, STEEPNESS, late_index, within.hi
    return 0.5 * (within.lo + within.hi), STEEPNESS, within.lo, within.hi


class MassToday(NamedTuple):
    log10_halo_mass_today: Scalar


@stage
def halo_mass_today(times: TimeGrid, *, mah_parameters: Vector) -> MassToday:
    """Mass that a halo has reached today.

    Reads
        mah_parameters : see HaloGrowth
    Writes
        log10_halo_mass_today : dex(solMass)
    Source: Hearin et al. 2021, OJAp 4, 7.
    """
    today = times.time[-1]
    return MassToday(log10_mass(HaloGrowth(*mah_parameters), today, today))
