"""The population of halo histories, given mass and time: a conditional Gaussian mixture.

One mixture for satellites and one for centrals, over the six numbers of `coordinates`, of which the first two are
given. Where DiffmahPop prescribes how the means of two sub-populations depend on mass and time, the mixture learns
the whole density from draws or from fits of histories (`inputs/fit_halo_growth.py`).
Source: mixtures of normals by conditioning, e.g. Bishop 2006, Pattern Recognition and Machine Learning, Sec. 2.3;
the form of one history is of Hearin et al. 2021, OJAp 4, 7.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffsky_factory.core.stage import stage
from diffsky_factory.core.types import Normal4, Scalar, Uniform, Vector
from diffsky_factory.physics.halos.growth import HaloGrowth, TimeGrid, log10_mass

LOWEST, HIGHEST = 10.0, 14.5  # dex(Msun), range of the training
EARLIEST, LATEST = 1.2, 13.8  # Gyr, range of the training
PIVOT_MASS = 12.0  # dex(Msun), chosen: middle of the range
GIVEN = 2  # of the six coordinates: mass and time
STEEPER, ABOVE_LOWEST = 0.02, 0.001  # chosen: keep the logarithms finite where a history sits on a bound
LOWEST_INDEX = 0.1  # bound of late_index; Hearin et al. 2021
LATE_RANGE = 0.1001, 4.99  # just within the bounds of late_index
HIGHEST_EARLY = 9.99  # just below the bound of early_index
LOGTC_RANGE = -0.999, 0.999  # dex(Gyr), just within the bounds of logtc
PEAK_RANGE = 0.1, 19.9  # Gyr, within the bounds of t_peak


class GrowthMixtureParameters(NamedTuple):
    """Two mixtures of K normals over the six numbers of `coordinates`; axis 0 is satellites, centrals.

    factor is the lower Cholesky factor of a component's covariance. As the given coordinates come first, it holds
    their own factor, the regression of the others on them and the factor of what scatter remains, side by side.
    Arrays, so without bounds: any log_weight and mean, and any factor of positive diagonal, are a density.
    """

    log_weight: jax.Array  # natural logarithm, (2, K); normalised when used
    mean: jax.Array  # (2, K, 6)
    factor: jax.Array  # (2, K, 6, 6)


def coordinates(growth: HaloGrowth, m: Scalar, t: Scalar) -> tuple[Scalar, ...]:
    """The six numbers of one history whose density is a mixture; m [dex(Msun)] at cosmic time t [Gyr].

    m - 12, ln t, logtc, ln(early - late + 0.02), ln(late - 0.1 + 0.001), ln(t_peak / t); logm0 follows from m.
    """
    return (
        m - PIVOT_MASS,
        jnp.log(t),
        growth.logtc,
        jnp.log(growth.early_index - growth.late_index + STEEPER),
        jnp.log(growth.late_index - LOWEST_INDEX + ABOVE_LOWEST),
        jnp.log(growth.t_peak / t),
    )


def growth_of(x: Vector, m: Scalar, t: Scalar, today: Scalar) -> HaloGrowth:
    """The history whose last four coordinates are x, within its bounds, of mass m [dex(Msun)] at time t [Gyr]."""
    late_index = jnp.clip(LOWEST_INDEX - ABOVE_LOWEST + jnp.exp(x[2]), *LATE_RANGE)
    steeper = late_index + jnp.exp(x[1]) - STEEPER
    drawn = HaloGrowth(
        logm0=jnp.zeros_like(m),
        logtc=jnp.clip(x[0], *LOGTC_RANGE),
        early_index=jnp.clip(steeper, late_index + ABOVE_LOWEST, HIGHEST_EARLY),
        late_index=late_index,
        t_peak=jnp.clip(t * jnp.exp(x[3]), *PEAK_RANGE),
    )
    return drawn._replace(logm0=m - log10_mass(drawn, t, today))


def whitened(mean: jax.Array, factor: jax.Array, given: Vector) -> tuple[jax.Array, jax.Array]:
    """Residual r of the given coordinates in standard deviations, L r = given - mean: two arrays of any shape."""
    first = (given[0] - mean[..., 0]) / factor[..., 0, 0]
    second = (given[1] - mean[..., 1] - factor[..., 1, 0] * first) / factor[..., 1, 1]
    return first, second


def component_log_weights(p: GrowthMixtureParameters, given: Vector) -> jax.Array:
    """ln w_k N(given; mean_k, covariance_k) of every component, up to a constant, (2, K).

    ln w - ln det L - |r|^2 / 2,  with r the residual in standard deviations.
    """
    first, second = whitened(p.mean, p.factor, given)
    log_volume = jnp.log(p.factor[..., 0, 0]) + jnp.log(p.factor[..., 1, 1])
    return p.log_weight - log_volume - 0.5 * (first**2 + second**2)


def component(log_weight: Vector, u: Scalar) -> jax.Array:
    """Index of the component that a uniform u in (0, 1) picks: the first whose cumulative probability exceeds u."""
    cumulative = jnp.cumsum(jax.nn.softmax(log_weight))
    return jnp.minimum(jnp.sum(cumulative <= u * cumulative[-1]), len(log_weight) - 1)


class HaloGrowthHistory(NamedTuple):
    mah_parameters: Vector


@stage
def halo_growth_history(
    p: GrowthMixtureParameters,
    times: TimeGrid,
    *,
    log10_halo_mass: Scalar,
    cosmic_time: Scalar,
    is_central: Scalar,
    draw_component: Uniform,
    draw_growth: Normal4,
) -> HaloGrowthHistory:
    """A history for one halo, drawn from the population of its mass and time.

    P(k) ~ w_k N(c; mean_k, covariance_k),  x = mean_x + L_xc r + L_xx N,  with L the factor of component k,
    r = L_cc^-1 (c - mean_c) and N the four normals draw_growth; c, x: given and drawn `coordinates`. logm0 follows
    from M(cosmic_time), the halo's mass.

    Reads
        log10_halo_mass : dex(solMass), largest mass so far
        cosmic_time : Gyr
        is_central : 1
    Writes
        mah_parameters : see HaloGrowth; logm0 may exceed its bound 17 for massive halos at early times
    Holds for 10 < log10_halo_mass < 14.5 and 1.2 < cosmic_time < 13.8; beyond, the coordinates of the edge.
    Error: log10_halo_mass at cosmic_time is met to 1e-4 dex in 32 bit (tests/physics/test_mixture.py)
    Source: the fit in catalogs/halo_growth; the form of one history of Hearin et al. 2021, OJAp 4, 7.
    """
    given = jnp.stack(
        [
            jnp.clip(log10_halo_mass, LOWEST, HIGHEST) - PIVOT_MASS,
            jnp.log(jnp.clip(cosmic_time, EARLIEST, LATEST)),
        ]
    )
    satellites, centrals = component_log_weights(p, given)
    k = component(jnp.where(is_central, centrals, satellites), draw_component)
    kind = jnp.where(is_central, 1, 0)
    mean, factor = p.mean[kind, k], p.factor[kind, k]
    residual = jnp.concatenate([jnp.stack(whitened(mean, factor, given)), draw_growth])
    # a sum, not a matrix product: accelerators round the latter to 10 bits
    x = mean[GIVEN:] + jnp.sum(factor[GIVEN:] * residual, axis=-1)
    return HaloGrowthHistory(jnp.stack(growth_of(x, log10_halo_mass, cosmic_time, times.time[-1])))
