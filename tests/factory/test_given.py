"""What a caller gives is what the schema says, or an error that names column and row."""

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.table import Column as TableColumn
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import diffsky_factory as dff
from diffsky_factory.core.columns import columns
from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.given import given_column
from tests.fuzz import few_and_many, holds

WANTED = ["log10_stellar_mass", "cosmic_time"]
HALOS = {"log10_halo_mass": np.linspace(11.0, 14.0, 6), "redshift": np.full(6, 1.0)}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("x", u.Quantity([5000.0, 1.0], "kpc"), [5.0, 0.001]),
        ("x", u.Quantity([5.0], "Mpc"), [5.0]),
        ("x", TableColumn([5000.0], unit="kpc"), [5.0]),
        ("x", TableColumn([5.0]), [5.0]),
        ("x", xr.DataArray([5000.0], attrs={"units": "kpc"}), [5.0]),
        ("x", xr.DataArray([5.0], attrs={"units": "Mpc"}), [5.0]),
        ("log10_halo_mass", u.Quantity([1e12], "solMass"), [12.0]),
        ("redshift", [1, 2], [1.0, 2.0]),
        ("redshift", 1, 1.0),
        ("redshift", np.ma.masked_array([0.5], [False]), [0.5]),
        ("is_central", [0, 1], [False, True]),
        ("galaxy_id", np.array([7], np.uint8), [7]),
        ("lsst_y10/redshift", [1], [1.0]),
    ],
    ids=str,
)
def test_numbers_are_in_the_unit_and_type_of_the_schema(name, value, expected):
    found = given_column(name, value)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    kind = columns()[name.split("/")[-1]].dtype
    assert found.dtype.kind == np.dtype(kind).kind


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x", u.Quantity([5.0], "s"), "in units of 's'"),
        ("x", xr.DataArray([5.0], attrs={"units": "furlongs of old"}), "in units of 'furlongs of old'"),
        ("redshift", np.ma.masked_array([0.5, 0.7], [False, True]), "row 1: 0.7 is masked"),
        ("redshift", [0.5, np.nan], "row 1: nan is not finite"),
        ("redshift", [0.5, 1000.0], r"row 1: 1000.0 is outside \[0, 20\]"),
        ("redshift", [-0.5], "row 0: -0.5 is outside"),
        ("log10_halo_mass", [12.0, 1e12], "row 1: .* a logarithm, and is this the number itself"),
        ("galaxy_id", [1.5], "whole numbers are wanted, not float64"),
        ("galaxy_id", np.array([2.0**53]), "ids lose digits"),
        ("galaxy_id", np.array([2**63], np.uint64), "row 0: 9223372036854775808 is beyond 63 bits"),
        ("is_central", [0, 2], "row 1: 2 is neither true nor false"),
        ("redshift", ["near"], "an array of numbers"),
        ("mah_parameters", 3.0, "an array of numbers with one row per galaxy"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_column_and_row(name, value, said):
    with pytest.raises(InputError, match=said) as caught:
        given_column(name, value)
    assert f"column '{name}'" in str(caught.value)


@few_and_many(60)
def test_any_array_is_a_column_of_the_schema_or_an_input_error(examples):
    kinds = arrays.scalar_dtypes() | arrays.unicode_string_dtypes() | arrays.datetime64_dtypes()

    def check(name, value):
        try:
            found = given_column(name, value)
        except InputError:
            return
        known = columns()[name]
        assert np.dtype(known.dtype).kind == found.dtype.kind
        assert np.all(np.isfinite(found))
        if known.dtype != "bool" and not known.row_number:
            low, high = map(np.float64, known.range) if found.dtype.kind == "f" else known.range
            assert np.all((found >= low) & (found <= high))

    holds(
        examples,
        check,
        st.sampled_from(sorted(columns())),
        arrays.arrays(kinds, arrays.array_shapes(max_dims=3, max_side=4)),
    )


@pytest.mark.thorough
def test_integer_redshifts_are_those_of_real_numbers():
    whole = dff.evaluate({**HALOS, "redshift": np.ones(6, int)}, WANTED)
    real = dff.evaluate(HALOS, WANTED)
    for name in WANTED:
        np.testing.assert_array_equal(whole[name], real[name], err_msg=name)


def test_gradients_take_the_same_columns():
    with pytest.raises(InputError, match="outside"):
        dff.differentiable({**HALOS, "redshift": 1000.0}, WANTED)


@pytest.mark.parametrize("call", [dff.evaluate, dff.differentiable])
def test_light_from_no_distance_is_refused(call):
    with pytest.raises(InputError, match="column 'redshift', row 2: 0, where light has no magnitude"):
        call({**HALOS, "redshift": [0.1, 0.1, 0.0, 0.1, 0.1, 0.1]}, ["mag_true"], bands=["lsst_r"])
    assert np.isfinite(dff.evaluate({**HALOS, "redshift": 0.0}, WANTED)["log10_stellar_mass"]).all()


def test_ids_of_hosts_alone_find_no_hosts():
    with pytest.raises(InputError, match="column 'host_halo_id'"):
        dff.evaluate({**HALOS, "host_halo_id": np.arange(6)}, WANTED)


def test_a_column_has_the_axes_of_the_schema():
    for name, value in (("redshift", np.full((6, 2), 1.0)), ("mah_parameters", np.full(6, 1.0))):
        with pytest.raises(InputError, match=rf"column '{name}': of shape .* and \(galaxy.*\) is wanted"):
            dff.evaluate({**HALOS, name: value}, WANTED)
    with pytest.raises(InputError, match=r"columns by their names are wanted, .* not list"):
        dff.evaluate([HALOS], WANTED)


def test_a_name_that_is_nearly_one_of_ours_is_told():
    with pytest.warns(UserWarning, match=r"column 'is_cental' is not known and not used; did you mean 'is_central'\?"):
        dff.evaluate({**HALOS, "is_cental": np.ones(6, bool), "of_mine": np.ones(6)}, ["cosmic_time"])
