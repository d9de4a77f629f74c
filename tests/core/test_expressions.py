"""Conditions in text: what they select, what they say of blocks, and how they fail."""

import builtins
import operator
import pickle
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.expressions import condition

BAND = (("band", ("lsst_r", "lsst_i")),)
KNOWN = {
    "mag_true": BAND,
    "lsst_y10/mag_obs": BAND,
    "flux_by_burst": (("burst", ("without", "with")), ("wavelength", (500.0, -2.5))),
    "redshift": (),
    "log10_stellar_mass": (),
    "is_central": (),
    "galaxy_id": (),
    "mah_fit_quality": (),
    "x": (),
    "y": (),
}
ROWS = {
    ("mag_true", ("lsst_i",)): np.array([23.0, 24.0, 25.0, 22.0], np.float32),
    ("lsst_y10/mag_obs", ("lsst_i",)): np.array([23.5, 23.5, 24.5, np.nan], np.float32),
    ("flux_by_burst", ("with", -2.5)): np.array([1.0, 2.0, 3.0, 4.0]),
    ("redshift", ()): np.array([0.3, 0.5, 0.4, 0.1]),
    ("is_central", ()): np.array([True, True, False, False]),
    ("galaxy_id", ()): np.array([2**60, 2**60 + 1, -5, 7]),
    ("mah_fit_quality", ()): np.array([0, 1, 2, 3], np.int8),
    ("x", ()): np.array([1.0, np.nan, -np.inf, 100.0]),
    ("y", ()): np.array([2.0, 2.0, 2.0, 2.0]),
}


def rows(text: str) -> list[int]:
    """Rows that a condition selects."""
    return np.flatnonzero(condition(text, KNOWN).evaluate(lambda *read: ROWS[read])).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mag_true[lsst_i] < 24 & is_central", [0]),
        ("mag_true['lsst_i'] <= 24 and is_central", [0, 1]),
        ("mag_true[lsst_i] < 24 | ~is_central", [0, 2, 3]),
        ("not is_central", [2, 3]),
        ("is_central", [0, 1]),
        ("0.3 <= redshift < 0.5", [0, 2]),
        ("lsst_y10/mag_obs[lsst_i] < 24", [0, 1]),
        ("lsst_y10 / mag_obs[lsst_i] / y > 12", [2]),
        ("mag_true[lsst_i] - lsst_y10/mag_obs[lsst_i] > 0", [1, 2]),
        ("flux_by_burst[with, -2.5] >= 3", [2, 3]),
        ("galaxy_id == 1152921504606846977", [1]),
        ("galaxy_id in (1152921504606846976, -5)", [0, 2]),
        ("galaxy_id not in (7, -5)", [0, 1]),
        ("mah_fit_quality in (fitted, 'gaps')", [0, 3]),
        ("mah_fit_quality != fitted", [1, 2, 3]),
        ("isfinite(x)", [0, 3]),
        ("x < 50", [0, 2]),
        ("~(x < 50)", [1, 3]),
        ("x != 1", [2, 3]),
        ("log10(x) == 2", [3]),
        ("max(x, y) == 2 & sqrt(y) < 1.5", [0, 2]),
        ("-y ** 2 == -4 & 2 ** 3 ** y == 512", [0, 1, 2, 3]),
        ("x < 9 ** 9 ** 9 ** 9", [0, 2, 3]),
        ("exp10(min(y, 1)) == abs(-10)", [0, 1, 2, 3]),
        ("x < 50 &\n\tredshift < 0.35", [0]),
    ],
)
def test_a_condition_selects(text, expected):
    assert rows(text) == expected


def test_a_condition_says_what_it_reads_and_can_be_sent_to_another_process():
    one = condition("mag_true[lsst_i] - mag_true[lsst_r] < redshift & mag_true[lsst_i] < 24", KNOWN)
    assert one.columns == (("mag_true", ("lsst_i",)), ("mag_true", ("lsst_r",)), ("redshift", ()))
    assert pickle.loads(pickle.dumps(one)) == one


def test_each_column_is_read_once():
    read = []
    condition("0 < x < 3 | x > 4 | x in (5, 6)", KNOWN).evaluate(lambda *one: read.append(one) or np.ones(3))
    assert read == [("x", ())]


def test_types_of_columns_that_are_not_in_the_schema_are_told():
    held = {"mine": np.array([2**53, 2**53 + 1]), "flag": np.array([1, 1])}
    one = condition("mine == 9007199254740993 & flag", {"mine": (), "flag": ()}, {"mine": "int64", "flag": "bool"})
    assert one.evaluate(lambda name, labels: held[name]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", None, "a condition on columns is wanted"),
        (3, None, "a condition on columns is wanted"),
        ("1 < 2", None, "it reads no column"),
        ("redshift < 1 &" + " " * 10_000 + "is_central", None, "10,024 characters, and 10,000 are the most"),
        ("redshift < 1 & mag_tru[lsst_i] < 24", 16, "did you mean mag_true?"),
        ("lsst_y10/mag_ob[lsst_i] < 24", 1, "did you mean lsst_y10/mag_obs?"),
        ("a_word < 24", 1, "there are mag_true, lsst_y10/mag_obs"),
        ("mag_true < 24", 1, "'mag_true' has an axis 'band': write mag_true[lsst_r]"),
        ("flux_by_burst[with] < 24", 1, "write flux_by_burst[without, 500.0]"),
        ("redshift[lsst_i] < 24", 1, "'redshift' has no axis: write redshift"),
        ("mag_true[lsst_q] < 24", 10, "axis 'band' has no lsst_q; did you mean lsst_r, lsst_i?"),
        ("flux_by_burst[with, 3] < 24", 21, "it has 500.0, -2.5"),
        ("mag_true[lsst_i]", 1, "is a number; compare it with one, as in mag_true[lsst_i] < 1"),
        ("redshift & is_central", 1, "is a number; compare it"),
        ("is_central + 1 < 2", 1, "is true or false and no number"),
        ("is_central == 1", 1, "is true or false and no number"),
        ("x < 9007199254740993", 5, "an integer above 2^53"),
        ("galaxy_id + 9007199254740993 < 1", 13, "an integer above 2^53"),
        ("mah_fit_quality == fited", 20, "no flag or column 'fited'; there are fitted"),
        ("mah_fit_quality in (fitted, x)", 29, "a number or one of fitted"),
        ("mah_fit_quality in (1)", 1, "as in (1, 2) or (1,)"),
        ("0 < x in (1, 2)", 1, "'in' stands alone"),
        ("x < 'fitted'", 5, "a text is no number"),
        ("x in [1, 2]", 1, "in brackets"),
        ("exp(x) < 1", 1, "did you mean exp10?"),
        ("open('a')", 1, "no function 'open'"),
        ("max(x) < 1", 1, "max takes two numbers"),
        ("max(*x) < 1", 1, "max takes two numbers"),
        ("x < +1", 5, "a sign is -"),
        ("x is y", 3, "cannot be read here"),
        ("x < 1 if y else 2", 7, "cannot be read here"),
        ("x < 1 &", 7, "cannot be read here"),
        ("lambda: x", 7, "not part of a condition"),
        ("[x for x in y]", 2, "cannot be read here"),
        ("().__class__", 3, "not part of a condition"),
        ("x.__class__ < 1", 2, "not part of a condition"),
        ("f'{x}' < 3", 2, "cannot be read here"),
        ("(x := 3) < 4", 4, "not part of a condition"),
        ("{x} < 3", 1, "not part of a condition"),
        ("x @ y < 3", 3, "not part of a condition"),
        ("x // y < 3", 4, "cannot be read here"),
        ("x < 0x10", 5, "not part of a condition"),
        ("x < 1  # all", 8, "not part of a condition"),
        ("x < 1; y", 6, "not part of a condition"),
        ("x = 3", 3, "not part of a condition"),
        ("~" * 9000 + "is_central", None, "nested too deep"),
        ("+".join(["x"] * 4000) + " < 3", None, "nested too deep"),
        ("mag_true[" * 90 + "x" + "]" * 90 + " < 3", None, "a label is"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_is_shown_with_its_place(text, place, said):
    with pytest.raises(InputError, match="condition") as caught:
        condition(text, KNOWN)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400
    if place is not None:
        assert f"character {place}, " in message


# random conditions, against plain numpy

COLUMNS = ("x", "y", "redshift")
FINITE = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -2.5, 3.0, 1e-3, 10.0, 308.0]
ODD = [*FINITE, np.inf, -np.inf, 1e308, -1e308, 5e-324]
NUMPY = {"abs": np.abs, "log10": np.log10, "sqrt": np.sqrt, "exp10": lambda x: np.power(10.0, x)}
BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power}
COMPARED = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}
COMPARED["!="] = lambda a, b: (a != b) & ~np.isnan(a) & ~np.isnan(b)


def leaves():
    columns = st.sampled_from(COLUMNS).map(lambda name: (name, lambda rows: rows[name]))
    numbers = st.sampled_from([0, 1, 2, 3, 0.5, 2.5, 1e3, 10]).map(
        lambda value: (repr(value), lambda rows: np.full(len(rows["x"]), float(value)))
    )
    return columns | columns | numbers


def grown(parts):
    def binary(symbol, a, b):
        return f"({a[0]}) {symbol} ({b[0]})", lambda rows: BINARY[symbol](a[1](rows), b[1](rows))

    def call(name, a):
        return f"{name}({a[0]})", lambda rows: NUMPY[name](a[1](rows))

    def two(name, a, b):
        return f"{name}({a[0]}, {b[0]})", lambda rows: getattr(np, f"{name}imum")(a[1](rows), b[1](rows))

    return (
        st.builds(binary, st.sampled_from(sorted(BINARY)), parts, parts)
        | st.builds(call, st.sampled_from(sorted(NUMPY)), parts)
        | st.builds(two, st.sampled_from(["min", "max"]), parts, parts)
        | parts.map(lambda a: (f"-({a[0]})", lambda rows: -a[1](rows)))
    )


NUMBERS = st.recursive(leaves(), grown, max_leaves=5)


def compared(symbol, a, b):
    return f"({a[0]}) {symbol} ({b[0]})", lambda rows: COMPARED[symbol](a[1](rows), b[1](rows))


def chained(a, b, c):
    return f"{a[0]} < {b[0]} <= {c[0]}", lambda rows: (a[1](rows) < b[1](rows)) & (b[1](rows) <= c[1](rows))


def joined(parts):
    def pair(symbol, a, b):
        join = np.logical_and if symbol in ("&", "and") else np.logical_or
        return f"({a[0]}) {symbol} ({b[0]})", lambda rows: join(a[1](rows), b[1](rows))

    return st.builds(pair, st.sampled_from(["&", "|", "and", "or"]), parts, parts) | parts.map(
        lambda a: (f"~({a[0]})", lambda rows: ~a[1](rows))
    )


STATEMENTS = st.recursive(
    st.builds(compared, st.sampled_from(sorted(COMPARED)), NUMBERS, NUMBERS)
    | st.builds(chained, leaves(), leaves(), leaves())
    | NUMBERS.map(lambda a: (f"isfinite({a[0]})", lambda rows: np.isfinite(a[1](rows)))),
    joined,
    max_leaves=4,
).filter(lambda one: re.search(r"\b(x|y|redshift)\b", one[0]))


@st.composite
def tables(draw, values):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    table = st.lists(st.sampled_from(values), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    return {name: np.array(draw(table)).reshape(shape) for name in COLUMNS}


@settings(max_examples=400, deadline=None)
@given(STATEMENTS, tables([*ODD, np.nan]))
def test_values_are_those_of_plain_numpy(statement, table):
    text, function = statement
    held = {name: values.ravel() for name, values in table.items()}
    with np.errstate(all="ignore"):
        expected = function(held)
    found = condition(text, KNOWN).evaluate(lambda name, labels: held[name])
    np.testing.assert_array_equal(found, expected, err_msg=text)


BLOCKS = given(STATEMENTS, tables(ODD), st.booleans(), st.data())


@settings(max_examples=300, deadline=None)
@BLOCKS
def test_what_is_said_of_blocks_is_never_wrong(statement, table, nan, data):
    check_blocks(statement, table, nan, data)


@pytest.mark.thorough
@settings(max_examples=1500, deadline=None)
@BLOCKS
def test_what_is_said_of_blocks_is_never_wrong_of_more_statements(statement, table, nan, data):
    check_blocks(statement, table, nan, data)


def check_blocks(statement, table, nan, data):
    """No block is said to have no row, or rows alone, for which a condition holds, where it has others."""
    one = condition(statement[0], KNOWN)
    if nan:
        table = {name: np.where(values == 3.0, np.nan, values) for name, values in table.items()}
    with np.errstate(all="ignore"):
        holds = one.evaluate(lambda name, labels: table[name].ravel()).reshape(table["x"].shape)
    unknown = data.draw(st.sampled_from([None, "x", "y"]))

    def bounds(name, labels):
        if name == unknown:
            return None
        values = table[name]
        return np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)

    may_hold, may_fail = (np.broadcast_to(said, len(holds)) for said in one.possible(bounds, nan=nan))
    assert not np.any(holds.any(axis=1) & ~may_hold), one.text
    assert not np.any((~holds).any(axis=1) & ~may_fail), one.text


EXACT = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
IDS = [-(2**63), -(2**53) - 1, -1, 0, 7, 2**53, 2**53 + 1, 2**60 + 1, 2**63 - 1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(IDS), min_size=1, max_size=4),
    st.sampled_from([*IDS, 2**70]),
    st.sampled_from(sorted(COMPARED)),
    st.sampled_from([np.int64, np.float64, np.float32]),
)
def test_ids_are_exact_whatever_their_bounds_are_held_in(ids, value, symbol, dtype):
    one = condition(f"galaxy_id {symbol} {value}", KNOWN)
    exact = [EXACT[symbol](one_id, value) for one_id in ids]
    assert one.evaluate(lambda *read: np.array(ids)).tolist() == exact
    low, high = np.array([min(ids)]).astype(dtype), np.array([max(ids)]).astype(dtype)
    may_hold, may_fail = one.possible(lambda *read: (low, high))
    assert may_hold[0] or not any(exact)
    assert may_fail[0] or all(exact)


def test_blocks_that_cannot_matter_are_known():
    one = condition("mag_true[lsst_i] < 24 & is_central & galaxy_id != 5", KNOWN)
    low = {"mag_true": [20.0, 25.0, 20.0, np.nan], "is_central": [1, 1, 0, 1], "galaxy_id": [6, 6, 6, 6]}
    high = {"mag_true": [21.0, 26.0, 26.0, np.nan], "is_central": [1, 1, 1, 1], "galaxy_id": [9, 9, 9, 9]}
    may_hold, may_fail = one.possible(lambda name, labels: (np.array(low[name]), np.array(high[name])))
    assert may_hold.tolist() == [True, False, True, True]
    assert may_fail.tolist() == [False, True, True, True]
    assert [said.shape for said in one.possible(lambda *read: None)] == [(), ()]


def test_a_square_and_the_opposite_of_a_comparison_are_bounded_well():
    bounds = (np.array([-3.0, 1.0]), np.array([2.0, 2.0]))
    said = condition("x ** 2 <= 9.001", KNOWN).possible(lambda *read: bounds)
    assert [part.tolist() for part in said] == [[True, True], [False, False]]
    surely = condition("~(x < 1)", KNOWN)
    assert [part.tolist() for part in surely.possible(lambda *read: bounds)] == [[True, True], [True, False]]
    assert surely.possible(lambda *read: (np.array([0.0]), np.array([0.5])))[0].tolist() == [False]
    assert surely.possible(lambda *read: (np.array([0.0]), np.array([0.5])), nan=True)[0].tolist() == [True]


SIGNS = [*"xy()[]<>=&|~+-*/,.'\"#:{}@!;\\ \n\té\0", "**", "<=", "==", "!=", ":=", "1", "2.5", "9e9"]
NAMES = ["redshift", "mag_true", "lsst_i", "is_central", "and", "or", "not", "in", "lambda", "for", "if", "None", "max"]
ALPHABET = st.sampled_from([*SIGNS, *NAMES, *[f" {name} " for name in NAMES]])


@settings(max_examples=1500, deadline=None)
@given(st.lists(ALPHABET, max_size=40).map("".join) | st.text(max_size=60))
@example("(" * 5000 + "x")
@example("x" + "[x" * 3000)
@example("not " * 2000 + "is_central")
@example("x" + "**x" * 2500 + "<1")
@example("9" * 9000 + "<x")
@example("__import__('os').system('true')")
def test_any_text_is_a_condition_or_an_input_error_and_runs_nothing(text):
    try:
        one = condition(text, KNOWN)
    except InputError:
        return
    n = 3
    assert one.evaluate(lambda name, labels: np.ones(n)).shape == (n,)
    for said in one.possible(lambda name, labels: (np.zeros(n), np.ones(n))):
        assert said.shape == (n,)
        assert said.dtype == bool


def test_no_text_reaches_python(monkeypatch):
    """Python's parser sees numbers of words and signs, and nothing is compiled or evaluated."""
    seen = []
    from diffsky_factory.core import expression_reading

    parse = expression_reading.ast.parse
    monkeypatch.setattr(
        expression_reading.ast, "parse", lambda text, **options: seen.append(text) or parse(text, **options)
    )
    for name in ("eval", "exec", "__import__"):
        monkeypatch.setattr(builtins, name, lambda *args, **options: pytest.fail("something was run"))
    condition("mag_true['lsst_i'] < 24 & ~is_central", KNOWN)
    monkeypatch.undo()
    assert seen == ["w0 [ w2 ] < w5 and not w8"]
