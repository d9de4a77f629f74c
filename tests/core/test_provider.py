"""Providers: columns that are known of rows before any stage runs."""

from typing import NamedTuple

import numpy as np
import pytest

from diffsky_factory.core.declared import declared_at
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.provider import needed, providable, provided, provider
from diffsky_factory.core.types import Uniform


class Depth(NamedTuple):
    north: float = 26.0
    south: float = 27.0


class DepthHere(NamedTuple):
    depth: np.ndarray


class Noise(NamedTuple):
    noise: np.ndarray


class Both(NamedTuple):
    depth: np.ndarray
    other: np.ndarray


@provider
def depth_here(p: Depth, *, dec: np.ndarray) -> DepthHere:
    """Depth of a survey."""
    return DepthHere(np.where(dec > 0.0, p.north, p.south))


@provider
def noise_here(*, depth: np.ndarray) -> Noise:
    """Noise at a depth."""
    return Noise(10.0 ** (-0.4 * depth))


@provider
def two(*, ra: np.ndarray) -> Both:
    """Two columns, of which one may be given."""
    return Both(ra + 1.0, ra + 2.0)


COLUMNS = {"dec": np.array([-1.0, 1.0, 2.0])}


def test_what_is_provided_is_followed_through_providers():
    order = providable([noise_here, depth_here], COLUMNS)
    assert [one.name for one in order] == ["depth_here", "noise_here"]
    found = provided(order, {Depth: Depth()}, COLUMNS, ["noise"])
    np.testing.assert_array_equal(found["depth"], [27.0, 26.0, 26.0])
    np.testing.assert_allclose(found["noise"], 10.0 ** (-0.4 * found["depth"]))


def test_only_those_run_that_are_wanted():
    order = providable([noise_here, depth_here, two], {*COLUMNS, "ra"})
    assert [one.name for one in needed(order[:1], COLUMNS, ["depth"])] == ["depth_here"]
    assert needed(order, COLUMNS, ["dec"]) == ()
    assert set(provided(order, {}, COLUMNS, [])) == {"dec"}


def test_a_given_column_is_not_provided():
    columns = {"ra": np.zeros(2), "depth": np.full(2, 20.0)}
    order = providable([depth_here, two], columns)
    assert [one.name for one in order] == ["two"]
    found = provided(order, {}, columns, ["depth", "other"])
    np.testing.assert_array_equal(found["depth"], [20.0, 20.0])
    np.testing.assert_array_equal(found["other"], [2.0, 2.0])


def test_what_leads_nowhere_is_left_out():
    assert providable([noise_here], COLUMNS) == ()
    assert providable([depth_here], ["ra"]) == ()


def test_providers_of_two_surveys_have_columns_and_constants_of_their_own():
    surveys = [depth_here.under("lsst"), noise_here.under("lsst"), depth_here.under("roman"), depth_here]
    constants = {(Depth, "lsst"): Depth(24.0, 25.0), Depth: Depth()}
    found = provided(providable(surveys, COLUMNS), constants, COLUMNS, ["lsst/noise", "roman/depth"])
    np.testing.assert_array_equal(found["lsst/depth"], [25.0, 24.0, 24.0])
    np.testing.assert_array_equal(found["roman/depth"], [27.0, 26.0, 26.0])
    np.testing.assert_allclose(found["lsst/noise"], 10.0 ** (-0.4 * found["lsst/depth"]))
    assert "depth" not in found


def test_a_provider_is_found_by_its_path():
    assert declared_at(depth_here.path) is depth_here
    assert declared_at(depth_here.under("lsst").path) is depth_here.under("lsst")


def test_what_is_not_one_finite_row_each_is_refused():
    @provider
    def short(*, dec: np.ndarray) -> DepthHere:
        return DepthHere(dec[:-1])

    @provider
    def unknown(*, dec: np.ndarray) -> DepthHere:
        return DepthHere(np.where(dec > 1.5, np.nan, dec))

    with pytest.raises(InputError, match=r"provider 'short', column 'depth': has shape \(2,\) for 3 rows"):
        provided([short], {}, COLUMNS, ["depth"])
    with pytest.raises(InputError, match="provider 'unknown', column 'depth', row 2: not finite"):
        provided([unknown], {}, COLUMNS, ["depth"])


def test_a_signature_that_declares_no_provider_is_refused():
    def draws(*, dec: np.ndarray, draw_u: Uniform) -> DepthHere: ...
    def of_nothing(p: Depth) -> DepthHere: ...
    def of_anything(*, dec) -> DepthHere: ...
    def to_anything(*, dec: np.ndarray) -> np.ndarray: ...

    for function, said in (
        (draws, "has draws"),
        (of_nothing, "no column to read"),
        (of_anything, "no annotation of"),
        (to_anything, "not a NamedTuple"),
    ):
        with pytest.raises(TypeError, match=said):
            provider(function)
