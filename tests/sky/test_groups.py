"""The order of halos in a tile, and what is refused."""

import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky import tiles
from diffsky_factory.sky.groups import SHELL_WIDTH, arrange


def halos(number: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    """A third of the halos are centrals; the rest belongs to them at random."""
    rng = np.random.default_rng(seed)
    halo_id = rng.permutation(10 * number)[:number].astype(np.int64) + 1
    is_central = np.arange(number) < number // 3
    host = np.where(is_central, np.arange(number), rng.integers(0, number // 3, number))
    shuffle = rng.permutation(number)
    columns = {
        "halo_id": halo_id,
        "host_halo_id": halo_id[host],
        "is_central": is_central,
        "ra": rng.uniform(10.0, 11.0, number)[host],
        "dec": rng.uniform(-1.0, 1.0, number)[host],
        "redshift": rng.uniform(0.1, 1.5, number)[host],
        "log10_halo_mass": rng.uniform(10.0, 15.0, number),
    }
    return {name: values[shuffle] for name, values in columns.items()}


def test_groups_are_contiguous_with_the_central_first_and_satellites_by_id():
    rows = arrange(halos())
    first = rows["host_row"]
    assert (np.diff(first) >= 0).all()
    np.testing.assert_array_equal(rows["halo_id"][first], rows["host_halo_id"])
    np.testing.assert_array_equal(rows["is_central"], first == np.arange(len(first)))
    same_group = (np.diff(first) == 0) & ~rows["is_central"][:-1]
    assert (np.diff(rows["halo_id"])[same_group] > 0).all()


def test_groups_follow_the_shell_of_the_central_and_then_its_place_on_the_sky():
    rows = arrange(halos())
    central = rows["is_central"]
    shell = np.floor(np.log1p(rows["redshift"][central]) / SHELL_WIDTH).astype(int)
    place = tiles.finest_pixel(rows["ra"][central], rows["dec"][central])
    keys = list(zip(shell, place, strict=True))
    assert keys == sorted(keys)


def test_the_order_does_not_depend_on_the_order_given():
    given = halos()
    shuffle = np.random.default_rng(9).permutation(len(given["ra"]))
    again = arrange({name: values[shuffle] for name, values in given.items()})
    for name, values in arrange(given).items():
        np.testing.assert_array_equal(values, again[name])


def test_a_chain_of_hosts_is_followed_to_the_top():
    given = halos()
    satellites = np.flatnonzero(~given["is_central"])
    top = given["host_halo_id"][satellites[0]]
    for inner, outer in zip(satellites[1:6], satellites[:5], strict=True):
        given["host_halo_id"][inner] = given["halo_id"][outer]
    rows = arrange(given)
    member = np.isin(rows["halo_id"], given["halo_id"][satellites[:6]])
    assert (rows["host_halo_id"][member] == top).all()


def test_a_satellite_marked_without_host_is_a_group_by_itself():
    given = halos()
    lost = np.flatnonzero(~given["is_central"])[3]
    given["host_halo_id"][lost] = 10**9
    given["host_in_catalog"] = np.arange(len(given["ra"])) != lost
    rows = arrange(given)
    row = np.flatnonzero(~rows["host_in_catalog"])
    assert rows["host_halo_id"][row] == 10**9
    assert rows["host_row"][row] == row
    assert not rows["is_central"][row].any()


def fell_in_together():
    """Halos of which some satellites were first satellites of another satellite of their central."""
    given = halos()
    given["penultimate_host_halo_id"] = given["host_halo_id"].copy()
    for host in given["halo_id"][given["is_central"]]:
        members = np.flatnonzero((given["host_halo_id"] == host) & ~given["is_central"])
        given["penultimate_host_halo_id"][members[1:]] = given["halo_id"][members[:-1]]
    return given


def test_the_host_of_the_first_infall_is_a_row_of_the_group():
    rows = arrange(fell_in_together())
    at = rows["penultimate_host_row"]
    assert at.dtype == np.int64
    np.testing.assert_array_equal(rows["halo_id"][at], rows["penultimate_host_halo_id"])
    np.testing.assert_array_equal(rows["host_row"][at], rows["host_row"])
    assert np.any(at != rows["host_row"])


def test_a_first_host_that_is_not_in_the_group_is_refused():
    given = fell_in_together()
    members = np.flatnonzero(given["penultimate_host_halo_id"] != given["host_halo_id"])
    first, above = members[0], np.flatnonzero(given["halo_id"] == given["penultimate_host_halo_id"][members[0]])[0]
    elsewhere = np.flatnonzero(given["host_halo_id"] != given["host_halo_id"][first])[0]
    for row, value, problem in (
        (first, 10**9, "no such halo in its group"),
        (first, given["halo_id"][elsewhere], "no such halo in its group"),
        (above, given["halo_id"][first], "does not end at the top"),
    ):
        wrong = {**given, "penultimate_host_halo_id": given["penultimate_host_halo_id"].copy()}
        wrong["penultimate_host_halo_id"][row] = value
        with pytest.raises(InputError, match=f"'penultimate_host_halo_id'.*{problem}"):
            arrange(wrong)


def test_no_halos_are_arranged_too():
    rows = arrange({name: values[:0] for name, values in halos().items()})
    assert len(rows["host_row"]) == 0
    assert rows["host_row"].dtype == np.int64


def broken(name, value, row=5):
    given = halos()
    given[name][row] = value(given) if callable(value) else value
    return given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (broken("redshift", np.nan), "'redshift', row 5.*not finite"),
        (broken("redshift", -0.1), "'redshift', row 5.*not positive"),
        (broken("log10_halo_mass", 1e12), "'log10_halo_mass', row 5.*log10"),
        (broken("halo_id", lambda given: given["halo_id"][4]), "'halo_id', row 5.*another row"),
        (broken("host_halo_id", 10**9, np.flatnonzero(~halos()["is_central"])[0]), "no such halo"),
        (broken("host_halo_id", 10**9, np.flatnonzero(halos()["is_central"])[0]), "is a central"),
        ({**halos(), "ra": np.zeros(3)}, "differ in length"),
        ({name: x for name, x in halos().items() if name != "dec"}, "no column dec"),
        ({**halos(), "halo_id": halos()["halo_id"].astype(float)}, "int64"),
        ({**halos(), "is_central": halos()["is_central"].astype(int)}, "booleans"),
    ],
)
def test_bad_halos_are_refused_by_column_and_row(given, message):
    with pytest.raises(ValueError, match=message):
        arrange(given)


def test_a_circle_of_hosts_is_refused():
    given = halos()
    one, two = np.flatnonzero(~given["is_central"])[:2]
    given["host_halo_id"][one], given["host_halo_id"][two] = given["halo_id"][two], given["halo_id"][one]
    with pytest.raises(ValueError, match="returns to itself"):
        arrange(given)
    given["host_halo_id"][one] = given["host_halo_id"][two] = given["halo_id"][one]
    with pytest.raises(ValueError, match="returns to itself"):
        arrange(given)
