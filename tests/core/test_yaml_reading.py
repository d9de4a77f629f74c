"""YAML of users: what scalars are, and one line for everything that is refused."""

import math
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diffsky_factory.core.errors import LONGEST, InputError, shown
from diffsky_factory.core.yaml_reading import parsed, read_yaml_file
from tests.fuzz import few_and_many, holds

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6), ("1.0e+6", 1e6), ("1e-05", 1e-5), (".5", 0.5), ("-3.", -3.0), ("-.inf", -math.inf),
        ("10", 10), ("+3", 3), ("010", 10), ("0x1F", 31), ("0o17", 15), ("18446744073709551615", 2**64 - 1),
        ("-1:30", "-1:30"), ("1:30:00", "1:30:00"), ("190:20:30.15", "190:20:30.15"), ("1_000", "1_000"),
        ("2001-99-99", "2001-99-99"), ("2026-11-23", "2026-11-23"), ("yes", "yes"), ("off", "off"), ("no", "no"),
        ("true", True), ("False", False), ("~", None), ("", None), ("'1'", "1"), ("!!str 1", "1"), ("!!float 1", 1.0),
        ("- &a [1, 2]\n- *a\n", [[1, 2], [1, 2]]), ('{"a": 1, b: {c: null}}', {"a": 1, "b": {"c": None}}),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = parsed(text, "here")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "here, line 3: 'a' is given twice"),
        ("a: {b: 1, b: 2}\n", "here, line 1: 'b' is given twice"),
        ("a: 1\nb: 123456789012345678901\n", "here, line 2: an integer of 21 digits"),
        ("a: !!int ''\n", "here, line 1: '' is no int"),
        ("a: !!bool maybe\n", "here, line 1: 'maybe' is no bool"),
        ("a: !!timestamp never\n", "the tag '!!timestamp' means nothing here"),
        ("\na: !!python/object/apply:os.system [ls]\n", "here, line 2: the tag '!!python/object/apply:os.system'"),
        ("a: !mine {b: 1}\n", "the tag '!mine' means nothing here"),
        ("? [a, b]\n: 1\n", "a name is wanted before the colon"),
        ("a: &a {x: 1}\nb: {<<: *a}\n", "here, line 2: '<<' merges nothing here"),
        ("&a [*a]\n", "in themselves"),
        ("[" * 300 + "]" * 300, "more than 100 deep"),
        ("[" * 100_000, "not valid YAML"),
        ("- " * 100_000, "not valid YAML"),
        ("a: [1\n", "here, line 2: not valid YAML"),
        ("a: *nowhere\n", "here, line 1: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("a: \ud800", "not valid YAML"),
        (BOMB, "its aliases (*name) stand for far more than is written"),
        (f"a: &a {'x' * 5000}\nb: [{', '.join(['*a'] * 100)}]\n", "its aliases (*name) stand for far more"),
    ],
)
def test_what_is_refused_is_one_short_line_that_says_where(text, said):
    with pytest.raises(InputError) as caught:
        parsed(text, "here")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_long_list_without_aliases_is_read():
    numbers = list(range(60_000))
    assert parsed(f"pixels: {numbers}", "here") == {"pixels": numbers}


def test_messages_are_cut_short():
    assert len(str(InputError("x" * 10**6))) <= LONGEST
    assert len(shown([["x" * 10**6] * 1000] * 1000)) < 20_000
    assert str(InputError("a file")) == "a file"


@given(PLAIN)
def test_what_is_written_comes_back(value):
    assert parsed(yaml.safe_dump(value), "here") == value


@few_and_many(100)
def test_any_text_is_a_value_or_bad_input(examples):
    def check(text):
        with suppress(InputError):
            parsed(text, "here")

    holds(examples, check, st.text() | st.text(alphabet="-:{}[]&*!#|>'\",? \n\tab01.e", max_size=60))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for name in ("absent.yaml", "folder.yaml"):
        (tmp_path / "folder.yaml").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=name):
            read_yaml_file(tmp_path / name)
