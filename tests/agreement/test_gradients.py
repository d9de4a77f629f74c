"""Gradients of every branch of the model against finite differences, in 64 bits with common draws.

What is drawn by a threshold (quenched or not, in a burst or not, merged or not, disk or bulge dominated) is held fixed:
a loss of it is a step, with no derivative that differences could show.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.parameters import bounds
from diffsky_factory.core.plan import plan
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.factory.tables import tables
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.inputs.halo_growth import halo_growth_parameters
from diffsky_factory.physics import INGREDIENTS, default_parameters, stages
from diffsky_factory.sky.cosmology import Cosmology, age_64
from tests.agreement.golden import FLAT

N = 200
BANDS, LINES = ("lsst_u", "lsst_r", "euclid_H"), ("Halpha", "OII_3726")
INERT = {"fburst_scatter", "lgmet_scatter"}
"""Parameters that no equation of the default model contains; each acts in a rival."""

INPUTS = (
    *("mah_parameters", "redshift", "cosmic_time", "infall_time", "penultimate_infall_time"),
    *("log10_halo_mass_at_infall", "log10_host_mass_at_infall"),
    *("log10_halo_mass_at_penultimate_infall", "log10_host_mass_at_penultimate_infall"),
)
"""What is known of a halo as real numbers."""

FIXED = ("is_quenched", "is_bursty")
"""Columns that follow from a threshold."""

OUTPUTS = {
    "mag_mean": (),
    "flux_by_population": (),
    "population_weights": (),
    "log10_stellar_mass_by_population": (),
    "log10_ssfr_by_population": (),
    "mag_true": FIXED,
    "component_mag": FIXED,
    "line_luminosity": FIXED,
    "component_line_luminosity": FIXED,
    "spectrum_rest": FIXED,
    "spectrum_observed": FIXED,
    "log10_surviving_mass": FIXED,
    "mag_nodes": FIXED,
    "log10_stellar_mass_nodes": FIXED,
    "disk_half_light_radius": FIXED,
    "log10_black_hole_mass": FIXED,
    "log10_black_hole_accretion_rate": FIXED,
}
"""Outputs, and the columns held fixed for each."""


def halos() -> dict[str, np.ndarray]:
    """Groups of a central, a satellite of it, and a satellite of that satellite; inputs of the smooth kind."""
    rng = np.random.default_rng(6)
    number = np.arange(N)
    host = 4 * (number // 4)
    rank = number % 4
    redshift = rng.uniform(0.1, 1.8, N // 4)[host // 4]
    time = age_64(Cosmology(), redshift)
    central = rank == 0
    mass = np.where(central, rng.uniform(12.0, 14.5, N // 4)[host // 4], rng.uniform(11.0, 12.0, N))
    penultimate = np.where(rank == 3, host + 2, host)
    infall = np.where(central, 13.8, time * rng.uniform(0.3, 0.9, N))
    earlier = np.where(rank == 3, 0.8 * infall, infall)
    at_infall = mass - 0.1
    own_host = np.where(central, at_infall, mass[host] - rng.uniform(0.05, 0.4, N))
    peak = np.where(central, rng.uniform(3.0, 16.0, N), infall)
    growth = np.stack(
        [mass, rng.uniform(-0.1, 0.4, N), rng.uniform(1.9, 3.2, N), rng.uniform(0.2, 0.9, N), peak], axis=1
    )
    return {
        "mah_parameters": growth,
        "redshift": redshift,
        "cosmic_time": time,
        "infall_time": infall,
        "penultimate_infall_time": earlier,
        "log10_halo_mass_at_infall": at_infall,
        "log10_host_mass_at_infall": own_host,
        "log10_halo_mass_at_penultimate_infall": at_infall,
        "log10_host_mass_at_penultimate_infall": own_host - np.where(rank == 3, 0.7, 0.0),
        "is_central": central,
        "host_row": host,
        "penultimate_host_row": penultimate,
        "satellite_weight": np.ones(N),
        "x": rng.normal(size=N),
        "y": rng.normal(size=N),
        "z": rng.normal(size=N),
    }


@pytest.fixture(scope="module", autouse=True)
def in_64_bits():
    with jax.enable_x64(True):
        yield


@cache
def constants() -> dict[type, object]:
    """Tables and parameters in 64 bits; the galaxy's own are away from the defaults, where some levels are equal."""
    rng = np.random.default_rng(0)
    known = {
        **default_parameters(stages()),
        **halo_growth_parameters(),
        **load_calibration("c260710").by_class(),
        **tables("bc03_miles_kroupa", BANDS, Cosmology(), 2.0, lines=LINES, wavelengths=(2000.0, 2100.0)),
    }
    for group in FLAT:
        kind = INGREDIENTS[group]
        limits = bounds(kind)
        moved = {}
        for name, value in known[kind]._asdict().items():
            room = limits[name]
            step = 0.02 * min(room.hi - room.lo, max(abs(value), 1.0)) * rng.choice([-1.0, 1.0])
            inside = room.lo < value + step < room.hi
            moved[name] = value + (step if inside else -step)
        known[kind] = kind(**moved)
    return {kind: jax.tree.map(lambda x: jnp.asarray(x, float), value) for kind, value in known.items()}


@cache
def evaluated(wanted: tuple[str, ...], fixed: tuple[str, ...]):
    """wanted(parameters, inputs) of the galaxies, compiled, with parameters by group and inputs by column."""
    columns = {name: jnp.asarray(value) for name, value in halos().items()}
    known = constants()
    if fixed:
        first = plan(stages(), columns, fixed)
        draws = drawn(first)
        columns.update(jax.jit(lambda: first.run(columns, known, draws))())
    replace = {"merging_monte_carlo": "merging_mean"}
    order = plan(stages(replace), columns, wanted)
    draws = drawn(order)

    def run(parameters, inputs):
        own = {type(p): p for p in parameters.values()}
        return order.run({**columns, **inputs}, {**known, **own}, draws)

    return run


def drawn(order):
    return {
        name: jnp.asarray(x, float) for name, x in draw_all(row_keys(3, id_words(np.arange(N))), order.draws).items()
    }


def smooth(value):
    """Something that every entry of an output moves, and that light of many decades does not swamp."""
    positive = jnp.min(value) > 0.0
    size = jnp.where(positive, jnp.log(jnp.where(positive, value, 1.0) + 1e-30), value)
    weight = jnp.cos(jnp.arange(value.size, dtype=float)).reshape(value.shape) + 1.5
    return jnp.mean(weight * size)


@cache
def losses(wanted: tuple[str, ...], fixed: tuple[str, ...]):
    """Loss of each output as (values, value with gradients); one compilation for all outputs with one set fixed."""
    run = evaluated(wanted, fixed)

    def all_losses(parameters, inputs):
        out = run(parameters, inputs)
        return jnp.stack([smooth(out[name]) for name in wanted])

    return compiled(all_losses), compiled(jax.jacrev(all_losses, argnums=(0, 1)))


def compiled(function):
    """Compiled in two thirds of the time, to code that is slower: it runs a few hundred times, in milliseconds."""
    quickly = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=quickly)


def groups():
    return {group: constants()[INGREDIENTS[group]] for group in FLAT}


def inputs():
    return {name: jnp.asarray(value) for name, value in halos().items() if name in INPUTS}


NAMES = [name for group in FLAT for name in INGREDIENTS[group]._fields]


def flat(tree) -> np.ndarray:
    """Parameters by group as (..., 216)."""
    return np.stack([np.asarray(value) for group in FLAT for value in tree[group]], axis=-1)


def unflat(values):
    values, parts = list(values), {}
    for group in FLAT:
        kind = INGREDIENTS[group]
        parts[group], values = kind(*values[: len(kind._fields)]), values[len(kind._fields) :]
    return parts


def steps() -> np.ndarray:
    return 1e-6 * np.maximum(np.abs(flat(groups())), 0.1)


SETS = sorted(set(OUTPUTS.values()))


def of_set(fixed) -> tuple[str, ...]:
    return tuple(name for name, held in OUTPUTS.items() if held == fixed)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", SETS, ids=lambda fixed: "drawn" if fixed else "mean")
def test_every_gradient_with_respect_to_parameters_is_finite_and_that_of_differences(fixed):
    wanted = of_set(fixed)
    value, gradient = losses(wanted, fixed)
    slopes = flat(gradient(groups(), inputs())[0])
    assert slopes.shape == (len(wanted), 216)
    assert np.all(np.isfinite(slopes))
    centre, rng = flat(groups()), np.random.default_rng(1)
    for _ in range(4):
        step = steps() * rng.normal(size=216)
        ahead, behind = (np.asarray(value(unflat(centre + sign * step), inputs())) for sign in (1.0, -1.0))
        expected = slopes @ step
        scale = np.abs(slopes) @ np.abs(step)  # where parts cancel, what is left is of their size
        for name, a, b, s in zip(wanted, (ahead - behind) / 2.0, expected, scale):
            assert a == pytest.approx(b, rel=1e-3, abs=2e-5 * s), name


@pytest.mark.slow
def test_the_gradient_of_the_mean_magnitude_is_that_of_differences_for_each_parameter():
    wanted = of_set(())
    at = wanted.index("mag_mean")
    value, gradient = losses(wanted, ())
    slopes = flat(gradient(groups(), inputs())[0])[at]
    centre, step, given = flat(groups()), steps(), inputs()
    for i, name in enumerate(NAMES):
        one = step[i] * np.eye(216)[i]
        ahead, behind = (float(value(unflat(centre + sign * one), given)[at]) for sign in (1.0, -1.0))
        # the loss is 25, so that a difference is good to 1e-14, and that by the step
        assert (ahead - behind) / 2.0 == pytest.approx(slopes[i] * step[i], rel=1e-3, abs=1e-13), name


@pytest.mark.thorough
def test_every_parameter_acts_but_the_documented_inert_ones():
    alive = np.zeros(216, bool)
    for fixed in SETS:
        slopes = flat(losses(of_set(fixed), fixed)[1](groups(), inputs())[0])
        alive |= np.any(slopes != 0.0, axis=0)
    assert {name for name, acts in zip(NAMES, alive) if not acts} == INERT


@pytest.mark.thorough
@pytest.mark.parametrize("fixed", SETS, ids=lambda fixed: "drawn" if fixed else "mean")
def test_every_gradient_with_respect_to_halos_is_finite_and_that_of_differences(fixed):
    wanted = of_set(fixed)
    value, gradient = losses(wanted, fixed)
    slopes = {name: np.asarray(slope) for name, slope in gradient(groups(), inputs())[1].items()}
    rng, given = np.random.default_rng(2), inputs()
    # a satellite with one infall has it as its first and its last: one number, as two times it is another satellite
    once = np.asarray(given["infall_time"] == given["penultimate_infall_time"])
    for name in INPUTS:
        step = 1e-6 * rng.normal(size=given[name].shape)
        moves = {name: step}
        if name == "penultimate_infall_time":
            moves = {name: np.where(once, 0.0, step)}
        if name == "infall_time":
            moves["penultimate_infall_time"] = np.where(once, step, 0.0)
        assert all(np.all(np.isfinite(slopes[moved])) for moved in moves), name
        along = sum((slopes[moved] * by).reshape(len(wanted), -1) for moved, by in moves.items())
        ahead, behind = (
            np.asarray(value(groups(), {**given, **{moved: given[moved] + sign * by for moved, by in moves.items()}}))
            for sign in (1.0, -1.0)
        )
        for output, found, parts in zip(wanted, (ahead - behind) / 2.0, along):
            size = np.abs(parts).sum()
            assert found == pytest.approx(parts.sum(), rel=1e-3, abs=1e-4 * size + 1e-12), (name, output)


@pytest.mark.thorough
@pytest.mark.parametrize("fixed", SETS, ids=lambda fixed: "drawn" if fixed else "mean")
def test_forward_derivatives_are_those_of_the_gradient(fixed):
    wanted = of_set(fixed)
    run, given = evaluated(wanted, fixed), inputs()
    direction = unflat(jnp.asarray(np.random.default_rng(3).normal(size=216)))

    def all_losses(parameters):
        out = run(parameters, given)
        return jnp.stack([smooth(out[name]) for name in wanted])

    forward = compiled(lambda p, d: jax.jvp(all_losses, (p,), (d,))[1])(groups(), direction)
    slopes = flat(losses(wanted, fixed)[1](groups(), given)[0])
    np.testing.assert_allclose(np.asarray(forward), slopes @ flat(direction), rtol=1e-8, atol=1e-10)
