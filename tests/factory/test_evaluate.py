"""The stages on plain arrays: what is refused, and that the order of rows is the caller's."""

import numpy as np
import pytest
import xarray as xr
from astropy import units

from diffsky_factory.core.errors import InputError
from diffsky_factory.factory.evaluate import evaluate
from diffsky_factory.inputs.filters import load_filters

LOST = np.array([[0.0, 0.0], [0.0, 0.5], [0.0, 0.999999]])
MASS = {
    "log10_stellar_mass_in_situ": np.array([10.0, 9.0, 9.5]),
    "merging_probability_by_round": LOST,
    "merging_remainder_by_round": 1.0 - LOST,
}


def refused(columns, wanted=("log10_stellar_mass",), **options):
    with pytest.raises(InputError) as caught:
        evaluate(columns, wanted, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_satellites_give_to_their_host_wherever_the_rows_are():
    expected = evaluate({**MASS, "host_row": np.array([0, 0, 0])}, ["log10_stellar_mass"])["log10_stellar_mass"]
    order = np.array([2, 0, 1])
    turned = {name: values[order] for name, values in MASS.items()}
    found = evaluate({**turned, "host_row": np.array([1, 1, 1])}, ["log10_stellar_mass"])["log10_stellar_mass"]
    np.testing.assert_array_equal(found, expected[order])
    assert expected[0] == pytest.approx(np.log10(1e10 + 0.5e9 + 10.0**9.5), abs=1e-5)
    assert expected[1] == pytest.approx(9.0 + np.log10(0.5), abs=1e-5)


def test_no_rows_give_no_rows():
    empty = {name: values[:0] for name, values in MASS.items()}
    assert evaluate(empty, ["log10_stellar_mass"])["log10_stellar_mass"].shape == (0,)


def test_a_row_stands_for_one_object_unless_it_says_otherwise():
    np.testing.assert_array_equal(evaluate(MASS, ["weight"])["weight"], np.ones(3))
    given = np.array([3.0, 1.0, 20.0])
    np.testing.assert_array_equal(evaluate({**MASS, "weight": given}, ["weight"])["weight"], given)


def test_hosts_follow_from_their_ids_wherever_the_rows_are():
    ids, of = np.array([70, 30, 20, 10]), np.array([70, 70, 30, 10])  # 20 in 30, 30 in 70; 10 alone
    first = np.array([70, 70, 30, 10])
    halos = {"log10_halo_mass": np.array([13.0, 12.0, 11.0, 12.5]), "redshift": 0.5}
    rows = {"host_row": np.array([0, 0, 0, 3]), "penultimate_host_row": np.array([0, 0, 1, 3]), "galaxy_id": ids}
    wanted = ["mah_parameters", "host_row", "penultimate_host_row", "is_central"]
    found = evaluate({**halos, "halo_id": ids, "host_halo_id": of, "penultimate_host_halo_id": first}, wanted)
    expected = evaluate({**halos, **rows}, wanted)
    for name in wanted:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    np.testing.assert_array_equal(found["is_central"], [True, False, False, True])
    assert "'halo_id': an id is there twice" in refused({**halos, "halo_id": of, "host_halo_id": of}, wanted)


def test_a_box_has_one_redshift():
    rows = {"log10_halo_mass": ("halo", np.array([12.0, 13.0]))}
    box = xr.Dataset(rows, attrs={"redshift": 0.5})
    found = evaluate(box, ["mah_parameters"])["mah_parameters"]
    one = {"log10_halo_mass": np.array([12.0, 13.0]), "redshift": np.full(2, 0.5)}
    np.testing.assert_array_equal(found, evaluate(one, ["mah_parameters"])["mah_parameters"])
    other = evaluate(box.assign(redshift=("halo", np.full(2, 1.5))), ["mah_parameters"])["mah_parameters"]
    assert np.any(other != found)


def test_given_draws_take_the_place_of_drawn_ones():
    columns = {"merging_probability_mean_by_round": np.array([[0.0, 0.3], [0.0, 0.3]])}
    draws = {"merging_monte_carlo.draw_merging": np.array([0.1, 0.9])}
    found = evaluate(columns, ["merging_probability"], draws=draws)["merging_probability"]
    assert sorted(found.tolist()) == pytest.approx([0.0, 1.0], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"merging_remainder_by_round": np.where(LOST == 0.5, np.nan, 0.0)},
            ["'merging_remainder_by_round'", "row 1", "not finite"],
        ),
        (
            {"merging_remainder_by_round": np.zeros(2)},
            ["'merging_remainder_by_round'", "of shape (2,)", "(galaxy, merging_round)"],
        ),
        ({"merging_remainder_by_round": np.array(0.0)}, ["'merging_remainder_by_round'", "one row per galaxy"]),
        ({"merging_remainder_by_round": np.array(["a", "b", "c"])}, ["'merging_remainder_by_round'", "numbers"]),
        ({"redshift": np.array([0.1, -0.2, 0.3])}, ["'redshift'", "row 1", "outside"]),
        ({"host_row": np.array([0, 0, 1])}, ["'host_row'", "itself hosted"]),
        ({"host_row": np.array([0, 0, 3])}, ["'host_row'", "0 to 2"]),
        ({"host_row": np.array([0.0, 0.0, 0.0])}, ["'host_row'"]),
        (
            {"host_row": np.array([0, 0, 2]), "penultimate_host_row": np.array([0, 2, 2])},
            ["'penultimate_host_row'", "row 1", "group of another host"],
        ),
        (
            {"host_row": np.zeros(3, int), "penultimate_host_row": np.array([0, 2, 1])},
            ["'penultimate_host_row'", "row 1", "chain of hosts"],
        ),
    ],
    ids=str,
)
def test_bad_columns_are_refused_by_name_and_row(changes, wanted):
    message = refused({**MASS, **changes})
    for part in wanted:
        assert part in message


def test_what_cannot_be_had_is_named():
    assert "no columns are given" in refused({})
    assert "did you mean log10_stellar_mass" in refused(MASS, ["log10_stelar_mass"])
    message = refused({**MASS, "log10_halo_mas": MASS["log10_stellar_mass_in_situ"]}, ["log10_ssfr"])
    assert "wanted by" in message
    assert "did you mean c260710" in refused(MASS, calibration="c26071")


def test_wrong_draws_are_refused():
    columns = {"merging_probability_mean_by_round": np.array([[0.0, 0.3], [0.0, 0.3]])}
    known = "merging_monte_carlo.draw_merging"
    message = refused(columns, ["merging_probability"], draws={"merging.draw": np.zeros(2)})
    assert "no draw 'merging.draw'" in message
    assert known in message
    message = refused(columns, ["merging_probability"], draws={known: np.zeros(3)})
    assert known in message
    assert "(3,)" in message
    assert "(2,)" in message


def test_bands_are_asked_for_where_they_are_needed():
    columns = {
        "log10_halo_mass": np.full(2, 12.0),
        "redshift": np.full(2, 0.5),
        "is_central": np.ones(2, bool),
    }
    assert "mag_true: bands are needed and none are given" in refused(columns, ["mag_true"])


SHINING = {
    "log10_halo_mass": np.array([11.5, 12.5]),
    "redshift": np.array([0.1, 0.2]),
    "is_central": np.ones(2, bool),
}


def magnitudes(bands):
    return evaluate(SHINING, ["mag_mean"], bands=bands)["mag_mean"]


@pytest.mark.thorough
def test_bands_of_ones_own_are_seen_as_those_with_names():
    (curve,) = load_filters("lsst_i")
    of_arrays = {"mine": (0.1 * curve.wavelength * units.nm, curve.transmission)}
    expected = magnitudes(["lsst_i"])
    assert expected.shape == (2, 1)
    np.testing.assert_array_equal(magnitudes(["lsst_r", curve])[:, 1:], expected)
    np.testing.assert_allclose(magnitudes(of_arrays), expected, atol=1e-5)


@pytest.mark.thorough
def test_a_file_that_changes_is_another_band(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("4000 0\n4500 1\n5000 0\n")
    blue = magnitudes([file])
    file.write_text("8000 0\n8500 1\n9000 0\n")
    red = magnitudes([file])
    assert np.all(red < blue - 0.1)
    file.write_text("4000 0\n4500 1\n5000 0\n")
    np.testing.assert_array_equal(magnitudes([file]), blue)
