"""The population of halo histories, given mass and time: a conditional Gaussian mixture.

One mixture for satellites and one for centrals, over the six numbers of `coordinates`, of which the first two are
given. Where DiffmahPop prescribes how the means of two sub-populations depend on mass and time, the mixture learns
the whole density from draws or from fits of histories (`inputs/fit_halo_growth.py`).
Source: mixtures of normals by conditioning, e.g. Bishop 2006, Pattern Recognition and Machine Learning, Sec. 2.3;
the form of one history is of Hearin et al. 2021, OJAp 4, 7.
"""

from dataclasses import replace
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from diffsky_factory.core.parameters import Within
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

SHALLOWEST = 1e-12  # chosen: square of the slope of M(t / 2), in dex, below which a direction has no meaning
LEAST_SHARE = 1e-7  # chosen: keeps the normal of a place finite in 32 bits


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


class SatelliteOrbitParameters(NamedTuple):
    """How much the distance of a satellite from its host says of when it stopped growing.

    Satellites that fell in earlier are on tighter orbits, as hosts grow from the inside out. With the default, which is
    chosen, ranks in time of peak mass and in distance correlate by 0.36 to 0.44, whatever the mass and the time.
    Source: Gao et al. 2004, MNRAS 355, 819; van den Bosch et al. 2016, MNRAS 455, 158; Rhee et al. 2017, ApJ 843, 128.
    """

    correlation: Annotated[
        Scalar,
        Within(-0.95, 0.95, "", "correlation of the time of peak mass of satellites with distance from the host"),
    ] = 0.4


@stage
def halo_growth_history(
    p: GrowthMixtureParameters,
    orbits: SatelliteOrbitParameters,
    times: TimeGrid,
    *,
    log10_halo_mass: Scalar,
    cosmic_time: Scalar,
    is_central: Scalar,
    satellite_radius_score: Scalar,
    draw_component: Uniform,
    draw_growth: Normal4,
) -> HaloGrowthHistory:
    """A history for one halo, drawn from the population of its mass and time; of satellites, by where they are.

    P(k) ~ w_k N(c; mean_k, covariance_k),  x = mean_x + L_xc r + L_xx N,  with L the factor of component k,
    r = L_cc^-1 (c - mean_c) and N the four normals draw_growth; c, x: given and drawn `coordinates`. logm0 follows
    from M(cosmic_time), the halo's mass.
    A satellite whose radius is known, by a score s that is not 0, finds its component in order of their mean ln t_peak:
    N_k' = rho s + (1 - rho^2)^(1/2) N_k,  N_k = Phi^-1(draw_component),  rho the correlation; then N_t, the part of the
    four normals along which ln t_peak grows, is replaced likewise with what of the score N_k' does not know,
    (s - rho N_k') / (1 - rho^2)^(1/2). As s is a unit normal, the population at fixed mass and time stays as it is.

    Reads
        log10_halo_mass : dex(solMass), largest mass so far
        cosmic_time : Gyr
        is_central : 1
        satellite_radius_score : 1
    Writes
        mah_parameters : see HaloGrowth; logm0 may exceed its bound 17 for massive halos at early times
    Holds for 10 < log10_halo_mass < 14.5 and 1.2 < cosmic_time < 13.8; beyond, the coordinates of the edge.
    Error: log10_halo_mass at cosmic_time is met to 1e-4 dex in 32 bit (tests/physics/halos/test_mixture.py)
    Source: the fit in catalogs/halo_growth; the form of one history of Hearin et al. 2021, OJAp 4, 7;
    the copula is ours.
    """
    given = _given(log10_halo_mass, cosmic_time)
    halo = _by_radius(p, orbits, given, is_central, satellite_radius_score, draw_component, draw_growth)
    at = halo.kind, component(halo.log_weight, halo.u)
    x = _drawn(halo.mean[at], halo.factor[at], given, halo.normals)
    return _history(x, log10_halo_mass, cosmic_time, times)


def _without_radius(
    p: GrowthMixtureParameters,
    times: TimeGrid,
    *,
    log10_halo_mass: Scalar,
    cosmic_time: Scalar,
    is_central: Scalar,
    draw_component: Uniform,
    draw_growth: Normal4,
) -> HaloGrowthHistory:
    """A history that does not know where a satellite is: that of halo_growth_history where the score is 0.

    Reads
        log10_halo_mass : dex(solMass), largest mass so far
        cosmic_time : Gyr
        is_central : 1
    Writes
        mah_parameters : see HaloGrowth; logm0 may exceed its bound 17 for massive halos at early times
    Holds as halo_growth_history.
    Source: as of halo_growth_history.
    """
    given = _given(log10_halo_mass, cosmic_time)
    satellites, centrals = component_log_weights(p, given)
    at = jnp.where(is_central, 1, 0), component(jnp.where(is_central, centrals, satellites), draw_component)
    x = _drawn(p.mean[at], p.factor[at], given, draw_growth)
    return _history(x, log10_halo_mass, cosmic_time, times)


halo_growth_without_radius = replace(
    stage(_without_radius), name="halo_growth_without_radius", streams=halo_growth_history.streams
)


class _Knowing(NamedTuple):
    """The mixture of one halo, and draws from it that know its radius."""

    mean: jax.Array  # (3, K, 6): satellites, centrals, satellites in order of ln t_peak
    factor: jax.Array  # (3, K, 6, 6)
    kind: jax.Array  # 0 to 2
    log_weight: Vector  # of its components
    u: Scalar
    normals: Vector


def _by_radius(
    p: GrowthMixtureParameters, orbits: SatelliteOrbitParameters, given: Vector, is_central, score, u, normals
) -> _Knowing:
    """The mixture of a halo, and its draws moved by its radius; as they are where the score is 0."""
    order, known, rho = jnp.argsort(p.mean[0, :, -1]), score != 0.0, orbits.correlation
    every = GrowthMixtureParameters(*(jnp.concatenate([field, field[:1, order]]) for field in p))
    satellites, centrals, in_order = component_log_weights(every, given)
    log_weight = jnp.where(known, in_order, jnp.where(is_central, centrals, satellites))
    kind = jnp.where(known, 2, jnp.where(is_central, 1, 0))
    moved, rest = _shared(u, rho, score)
    u = jnp.where(known, ndtr(moved), u)
    grows = every.factor[kind, component(log_weight, u), -1, GIVEN:]
    normals = jnp.where(known, _correlated_along(grows, normals, rho, rest), normals)
    return _Knowing(every.mean, every.factor, kind, log_weight, u, normals)


class AssemblyBiasParameters(NamedTuple):
    """How much of a halo's growth its surroundings know.

    With the default, of halos of 10^12 Msun at z = 0.5 the half that forms early correlates with matter 1.4 times as
    much as the half that forms late (tests/agreement/test_assembly_bias.py).
    Source: the idea is of Gao, Springel & White 2005, MNRAS 363, L66; the default is chosen.
    """

    correlation: Annotated[
        Scalar, Within(-0.95, 0.95, "", "correlation of the early formation of halos with their environment")
    ] = 0.12


def _with_environment(
    p: GrowthMixtureParameters,
    bias: AssemblyBiasParameters,
    orbits: SatelliteOrbitParameters,
    times: TimeGrid,
    *,
    log10_halo_mass: Scalar,
    cosmic_time: Scalar,
    is_central: Scalar,
    environment: Scalar,
    satellite_radius_score: Scalar,
    draw_component: Uniform,
    draw_growth: Normal4,
) -> HaloGrowthHistory:
    """A history that knows its surroundings: as halo_growth_history, earlier where the environment is denser.

    Two of the random numbers are replaced: N_k = Phi^-1(v), with v the place of the drawn component among all, in
    order of M(t / 2); and then N_w, the part of the four normals along the direction w in which M(t / 2) grows fastest.
    N' = rho e + (1 - rho^2)^(1/2) N,  with rho the correlation and e the environment; for N_w, what of the environment
    N_k' does not know, (e - rho N_k') / (1 - rho^2)^(1/2), a unit normal again
    As e is a unit normal at any mass and time, and independent of the draws, the population at fixed mass and time is
    that of halo_growth_history, exactly; with rho = 0 every history is.

    Reads
        log10_halo_mass : dex(solMass), largest mass so far
        cosmic_time : Gyr
        is_central : 1
        environment : 1
        satellite_radius_score : 1
    Writes
        mah_parameters : see HaloGrowth; logm0 may exceed its bound 17 for massive halos at early times
    Holds as halo_growth_history, for simulations that write environment.
    Source: the idea that growth follows the environment at fixed mass is of Gao, Springel & White 2005, MNRAS 363, L66;
    the copula is ours.
    """
    given, today = _given(log10_halo_mass, cosmic_time), times.time[-1]
    halo = _by_radius(p, orbits, given, is_central, satellite_radius_score, draw_component, draw_growth)
    mean, factor, log_weight, draw_growth = halo.mean[halo.kind], halo.factor[halo.kind], halo.log_weight, halo.normals

    def half_mass(normals, k):  # M(t / 2) over M(t), dex
        x = _drawn(mean[k], factor[k], given, normals)
        history = growth_of(x, log10_halo_mass, cosmic_time, today)
        return log10_mass(history, 0.5 * cosmic_time, today) - log10_halo_mass

    none = jnp.zeros_like(draw_growth)
    order = jnp.argsort(jax.vmap(lambda k: half_mass(none, k))(jnp.arange(len(log_weight))))
    k, rest = _correlated_component(log_weight, order, halo.u, bias.correlation, environment)
    slope = jax.grad(half_mass)(none, k)
    # a unit vector always: where no coordinate moves the history, the first
    steep = jnp.sum(slope**2) > SHALLOWEST
    slope = jnp.where(steep, slope, none.at[0].set(1.0))
    x = _drawn(mean[k], factor[k], given, _correlated_along(slope, draw_growth, bias.correlation, rest))
    return _history(x, log10_halo_mass, cosmic_time, times)


def _given(log10_halo_mass: Scalar, cosmic_time: Scalar) -> Vector:
    """The two coordinates that are given, within the range of the training."""
    return jnp.stack(
        [
            jnp.clip(log10_halo_mass, LOWEST, HIGHEST) - PIVOT_MASS,
            jnp.log(jnp.clip(cosmic_time, EARLIEST, LATEST)),
        ]
    )


def _drawn(mean: Vector, factor: jax.Array, given: Vector, normals: Vector) -> Vector:
    """The four coordinates that are drawn, from one component and four normals."""
    residual = jnp.concatenate([jnp.stack(whitened(mean, factor, given)), normals])
    # a sum, not a matrix product: accelerators round the latter to 10 bits
    return mean[GIVEN:] + jnp.sum(factor[GIVEN:] * residual, axis=-1)


def _history(x: Vector, log10_halo_mass: Scalar, cosmic_time: Scalar, times: TimeGrid) -> HaloGrowthHistory:
    return HaloGrowthHistory(jnp.stack(growth_of(x, log10_halo_mass, cosmic_time, times.time[-1])))


def _correlated(normal: Scalar, correlation: Scalar, score: Scalar) -> Scalar:
    """rho s + (1 - rho^2)^(1/2) N; N itself, to the last bit, where rho is 0."""
    mixed = correlation * score + jnp.sqrt(1.0 - correlation**2) * normal
    return jnp.where(correlation == 0.0, normal, mixed)


def _shared(u: Scalar, correlation: Scalar, score: Scalar) -> tuple[Scalar, Scalar]:
    """The normal of a uniform u, correlated with a score, and what of the score it does not know: two unit normals."""
    moved = _correlated(ndtri(jnp.clip(u, LEAST_SHARE, 1.0 - LEAST_SHARE)), correlation, score)
    return moved, (score - correlation * moved) / jnp.sqrt(1.0 - correlation**2)


def _correlated_along(direction: Vector, normals: Vector, correlation: Scalar, score: Scalar) -> Vector:
    """Normals whose part along a direction is correlated with a score."""
    direction = direction / jnp.sqrt(jnp.sum(direction**2))
    along = jnp.sum(direction * normals)
    return normals + direction * (_correlated(along, correlation, score) - along)


def _correlated_component(
    log_weight: Vector, order: Vector, u: Scalar, correlation: Scalar, environment: Scalar
) -> tuple[jax.Array, Scalar]:
    """Index of a component, that which u picks, moved along an order of all by the environment; and what is left of it.

    What is left is a unit normal that does not depend on which component it is.
    """
    weight = jax.nn.softmax(log_weight)
    first = component(log_weight, u)
    cumulative = jnp.cumsum(weight)
    within = jnp.clip((u - cumulative[first] + weight[first]) / weight[first], 0.0, 1.0)
    ranked = jnp.cumsum(weight[order])
    place = jnp.argmax(order == first)
    v = ranked[place] - weight[first] * (1.0 - within)
    moved, rest = _shared(v, correlation, environment)
    picked = order[jnp.minimum(jnp.sum(ranked <= ndtr(moved) * ranked[-1]), len(order) - 1)]
    return jnp.where(correlation == 0.0, first, picked), rest


halo_growth_with_environment = replace(
    stage(_with_environment),
    name="halo_growth_with_environment",
    streams=halo_growth_history.streams,  # the same random numbers, so that only the correlation makes a difference
)
