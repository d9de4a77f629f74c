"""What holds for every stage of the model, whatever it computes."""

import inspect
import re
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffsky_factory.core.branch import Branch
from diffsky_factory.core.columns import column
from diffsky_factory.core.parameters import bounds
from diffsky_factory.core.plan import plan
from diffsky_factory.core.random import draw_all, id_words, row_keys
from diffsky_factory.core.stage import Stage
from diffsky_factory.factory.axis_labels import axis_labels
from diffsky_factory.factory.tables import tables
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.inputs.halo_growth import halo_growth_parameters
from diffsky_factory.physics import INGREDIENTS, RIVALS, STAGES, default_parameters, stages
from diffsky_factory.sky.cosmology import Cosmology, age_64
from tests.physics.draws import compiled

LINES = ("Halpha", "OII_3726")
BANDS = ("lsst_u", "lsst_r", "euclid_H")
ALL = (*STAGES, *RIVALS)
GIVEN = (
    *("log10_halo_mass", "cosmic_time", "redshift", "is_central", "host_row", "satellite_weight"),
    *("x", "y", "z", "halo_minor_axis", "environment"),
    "satellite_radius_score",
)
N = 48
QUICKLY = {"xla_backend_optimization_level": 0}  # compiles in two thirds of the time, where one run is all there is


def halos(n: int = N, seed: int = 3) -> dict[str, np.ndarray]:
    """Centrals of all masses and redshifts of the range of validity, each followed by a satellite."""
    rng = np.random.default_rng(seed)
    central = np.arange(n) % 2 == 0
    mass = np.repeat(rng.uniform(9.3, 15.5, n // 2), 2)
    mass[~central] -= rng.uniform(0.2, 0.3, n // 2)
    redshift = np.repeat(rng.uniform(0.001, 6.0, n // 2), 2)
    position = np.repeat(rng.normal(size=(n // 2, 3)), 2, axis=0) * 2000.0
    position[:2] = [0.0, 0.0, 2000.0], [0.0, 0.0, -2000.0]  # the poles of the sky
    minor = rng.normal(size=(n, 3))
    minor = minor / np.linalg.norm(minor, axis=1, keepdims=True)
    minor[0] = 0.0  # a halo without a shape
    return {
        "log10_halo_mass": mass,
        "redshift": redshift,
        "cosmic_time": age_64(Cosmology(), redshift),
        "is_central": central,
        "host_row": np.repeat(np.arange(0, n, 2), 2),
        "satellite_weight": np.ones(n),
        **dict(zip("xyz", position.T)),
        "halo_minor_axis": minor,
        "environment": rng.normal(size=n),
        "satellite_radius_score": np.where(central, 0.0, rng.normal(size=n)),
    }


def known(precision=np.float32) -> dict[type, object]:
    constants = {
        **default_parameters(ALL),
        **halo_growth_parameters(),
        **load_calibration("c260710").by_class(),
        **tables("bc03_miles_kroupa", BANDS, Cosmology(), 6.1, lines=LINES),
    }
    return {kind: jax.tree.map(lambda x: jnp.asarray(x, precision), value) for kind, value in constants.items()}


def cast(values: dict, precision) -> dict:
    return {k: v.astype(precision) if v.dtype.kind == "f" else v for k, v in values.items()}


ORDER = plan(stages(), GIVEN, [name for stage in stages() for name in stage.writes])
RUN = jax.jit(lambda c, k, d: ORDER.run(c, {type(x): x for x in k}, d), compiler_options=QUICKLY)


def run(columns, constants, draws) -> dict[str, jax.Array]:
    """Every column of the model, compiled once for all parameters."""
    return RUN(columns, tuple(constants[kind] for kind in ORDER.constants), {name: draws[name] for name in ORDER.draws})


@pytest.fixture(scope="module")
def everything():
    """Every column and draw of the model for some galaxies, in 32 bits, and the constants."""
    columns, constants = cast(halos(), np.float32), known()
    draws = draw_all(row_keys(5, id_words(np.arange(N))), ORDER.draws)
    out = run(columns, constants, draws)
    rival_draws = {s.stream(name): law for s in RIVALS for name, law in s.draws.items()}
    draws = {**draws, **draw_all(row_keys(5, id_words(np.arange(N))), rival_draws)}
    return {**columns, **{k: np.asarray(v) for k, v in out.items()}}, draws, constants


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage.name)
def test_columns_are_in_the_schema(stage):
    for name in (*stage.reads, *stage.writes):
        column(name)


def documented_units(stage) -> dict[str, str]:
    """Unit of each column by the lines `name : unit` of the docstring."""
    text = inspect.getdoc(stage.function) or ""
    return dict(re.findall(r"^\s+(\w+) : ([^\n;,]+)", text, flags=re.MULTILINE))


def names_its_columns(stage) -> bool:
    """Whether the signature does; that of a stage made from the names of its columns does not."""
    return "VAR_KEYWORD" not in {p.kind.name for p in inspect.signature(stage.function).parameters.values()}


@pytest.mark.parametrize("stage", [s for s in ALL if names_its_columns(s)], ids=lambda stage: stage.name)
def test_the_docstring_gives_the_units_of_the_schema(stage):
    units = documented_units(stage)
    assert set(units) == {*stage.reads, *stage.writes}
    for name, unit in units.items():
        expected = column(name).unit
        if unit.startswith("see "):
            assert column(name).axes, f"{name} has one unit; state it"
        else:
            assert {"-": "", "1": ""}.get(unit.strip(), unit.strip()) == expected, name


@pytest.mark.parametrize("stage", ALL, ids=lambda stage: stage.name)
def test_the_docstring_begins_with_a_sentence(stage):
    assert re.match(r"[A-Z].*[.?]", (inspect.getdoc(stage.function) or "").split("\n\n")[0].replace("\n", " "))


def test_no_two_streams_share_a_code():
    streams = {s.stream(name) for s in ALL for name in s.draws}
    assert len({crc32(stream.encode()) for stream in streams}) == len(streams)


def test_no_two_streams_share_a_code_under_the_scopes_of_surveys_either():
    scopes = ("lsst_y1", "lsst_y10", "roman_hlwas", "euclid_wide", "desi", "spherex")
    streams = {s.stream(name) for s in ALL for name in s.draws}
    streams |= {s.under(scope).stream(name) for s in ALL for name in s.draws for scope in scopes}
    assert len({crc32(stream.encode()) for stream in streams}) == len(streams)
    assert len(streams) == (1 + len(scopes)) * len({s.stream(name) for s in ALL for name in s.draws})


@pytest.mark.parametrize("stage", [*ALL, stages()[-1]], ids=lambda stage: stage.name)
def test_a_stage_is_the_same_under_a_scope_but_for_names(stage):
    scoped = stage.under("lsst_y10")
    assert scoped.function is stage.function
    assert inspect.getdoc(scoped.function) == inspect.getdoc(stage.function)
    assert (scoped.of, scoped.draws, scoped.arguments) == (stage.of, stage.draws, stage.arguments)
    assert scoped.name == f"lsst_y10/{stage.name}"
    assert scoped.writes == tuple(f"lsst_y10/{name}" for name in stage.writes)
    assert scoped.constants == {name: (kind, "lsst_y10") for name, kind in stage.constants.items()}
    assert [scoped.stream(name) for name in scoped.draws] == [f"lsst_y10/{stage.stream(name)}" for name in stage.draws]
    assert scoped.among(scoped.writes).reads == stage.reads
    assert scoped.among({f"lsst_y10/{name}" for name in stage.reads}).reads == tuple(
        f"lsst_y10/{name}" for name in stage.reads
    )
    for name in scoped.writes:
        assert column(name).unit == column(name.removeprefix("lsst_y10/")).unit


def test_every_rival_writes_what_a_stage_writes():
    written = [set(stage.writes) for stage in STAGES]
    assert all(set(rival.writes) in written for rival in RIVALS)


def test_all_outputs_are_finite_and_within_the_range_of_the_schema(everything):
    columns, _, _ = everything
    for name, values in columns.items():
        low, high = column(name).range
        assert np.all(np.isfinite(values)), name
        assert values.min() >= low, (name, values.min())
        assert values.max() <= high, (name, values.max())


def test_every_output_has_the_axes_of_the_schema(everything):
    columns, _, constants = everything
    labels = axis_labels(BANDS, LINES, constants)
    for name, values in columns.items():
        assert values.shape[1:] == tuple(len(labels[axis]) for axis in column(name).axes), name


def some_thorough(*of: Stage) -> list:
    """Stages as parameters: rivals are thorough, and what compiles for long where another of its kind does not."""

    def marks(one: Stage):
        later = one.name.startswith(("burst_photometry", "component_", "spectrum_"))
        return pytest.mark.thorough if later or one not in STAGES else ()

    return [pytest.param(one, marks=marks(one)) for one in of]


OF_ONE_GALAXY = some_thorough(*(stage for stage in ALL if stage.of == "galaxy"))


@pytest.mark.parametrize("stage", OF_ONE_GALAXY, ids=lambda stage: stage.name)
def test_a_batch_equals_one_by_one(stage, everything):
    columns, draws, constants = everything
    rows = {name: columns[name] for name in stage.reads}
    rows.update({name: np.asarray(draws[stage.stream(name)]) for name in stage.draws})
    kinds = tuple(stage.constants.values())
    arguments = tuple(constants[kind] for kind in kinds)
    batch = compiled(stage, kinds)(arguments, rows)
    alone = jax.jit(lambda values, row: stage(*values, **row)._asdict(), compiler_options=QUICKLY)
    for row in range(0, N, 7):
        one = alone(arguments, {name: value[row] for name, value in rows.items()})
        for name, value in one.items():
            np.testing.assert_allclose(batch[name][row], value, rtol=2e-5, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("stage", some_thorough(*ALL, stages()[-1]), ids=lambda stage: stage.name)
def test_the_gradient_is_finite_for_every_parameter_and_column(stage, everything):
    columns, draws, constants = everything
    names = [*stage.reads, *stage.draws]
    rows = {name: jnp.asarray(columns[name]) for name in stage.reads}
    rows.update({name: jnp.asarray(draws[stage.stream(name)]) for name in stage.draws})
    moving = {name: rows.pop(name) for name in names if jnp.issubdtype(rows[name].dtype, jnp.floating)}
    kinds = tuple(stage.constants.values())

    def total(moving, values):
        out = stage.apply(dict(zip(kinds, values)), {**rows, **moving})
        parts = [jnp.sum(v) for v in out.values() if jnp.issubdtype(v.dtype, jnp.floating)]
        return sum(parts, jnp.zeros(()))

    constants = tuple(jax.tree.map(jnp.asarray, constants[kind]) for kind in kinds)
    gradient = jax.jit(jax.grad(total, argnums=(0, 1)), compiler_options=QUICKLY)(moving, constants)
    for path, value in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.all(np.isfinite(value)), jax.tree_util.keystr(path)


@pytest.mark.thorough
def test_32_bits_agree_with_64_bits_within_the_stated_errors(everything):
    columns, draws, _ = everything
    exact = ("log10_stellar_mass_in_situ", "log10_metallicity", "log10_burst_fraction", "dust_av")
    order = plan(stages(), GIVEN, [*exact, "mag_in_situ", "star_formation_type"])
    with jax.enable_x64(True):
        constants = known(np.float64)
        out = jax.jit(lambda c, k, d: order.run(c, {type(x): x for x in k}, d))(
            cast({name: columns[name] for name in GIVEN}, np.float64),
            tuple(constants[kind] for kind in order.constants),
            {name: jnp.asarray(draws[name], float) for name in order.draws},
        )
    same = np.asarray(out["star_formation_type"]) == columns["star_formation_type"]
    assert same.mean() > 0.95  # a draw within rounding of a threshold may fall on its other side
    for name in exact:
        np.testing.assert_allclose(columns[name][same], np.asarray(out[name])[same], atol=2e-4, rtol=2e-4, err_msg=name)
    bright = same[:, None] & (columns["mag_in_situ"] < 60.0)
    difference = np.abs(columns["mag_in_situ"] - np.asarray(out["mag_in_situ"]))
    assert difference[bright].max() < 2e-3


GALAXY_GROUPS = [name for name in INGREDIENTS if name not in ("hmf", "ccshmf")]
WANTED = [
    *("mag_true", "mag_mean", "log10_stellar_mass", "log10_component_mass", "component_age_weights"),
    *("disk_half_light_radius", "bulge_half_light_radius", "log10_black_hole_accretion_rate", "mag_nodes"),
    *("component_mag", "component_line_luminosity", "line_flux", "spectrum_observed", "log10_surviving_mass"),
]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_any_parameters_within_their_bounds_give_finite_galaxies(seed, everything):
    _, draws, constants = everything
    rng = np.random.default_rng(seed)
    drawn = {}
    for group in GALAXY_GROUPS:
        kind = INGREDIENTS[group]
        values = {name: rng.uniform(w.lo, w.hi) for name, w in bounds(kind).items()}
        for name, within in bounds(kind).items():
            if within.below:
                values[name] = rng.uniform(within.lo, values[within.below])
        drawn[kind] = kind(**{name: np.float32(value) for name, value in values.items()})
    constants = {**constants, **drawn}
    out = run(cast(halos(seed=seed), np.float32), constants, draws)
    for name in WANTED:
        assert np.all(np.isfinite(out[name])), name


def test_the_branch_shares_the_draws_of_the_main_run():
    population = stages()[-1]
    assert isinstance(population, Branch)
    own = {stage.stream(name) for stage in STAGES for name in stage.draws}
    assert set(population.draws) <= own
