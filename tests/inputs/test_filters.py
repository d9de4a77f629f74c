"""Filter curves: by name, pinned; of one's own; and what a bad curve says."""

import gzip
import os
import sys
from contextlib import suppress

import numpy as np
import pytest
from astropy import units
from hypothesis import strategies as st

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.resources import USER_PATH
from diffsky_factory.inputs.curve_tables import read_curves, write_curves
from diffsky_factory.inputs.entries import entry_names, entry_path
from diffsky_factory.inputs.filter_curves import FilterCurve, curve_sha256, read_curve_file
from diffsky_factory.inputs.filter_sets import set_entry
from diffsky_factory.inputs.filters import Curve, band_list, band_names, list_filters, load_filters
from diffsky_factory.inputs.freeze_filters import freeze
from diffsky_factory.inputs.package_curves import package_curve_names
from tests.fuzz import HARMS, Restored, few_and_many, holds

ECSV = """# %ECSV 1.0
# ---
# datatype:
# - {name: wavelength, unit: nm, datatype: float64}
# - {name: transmission, datatype: float64}
wavelength transmission
"""
TRIANGLE = (np.array([4000.0, 5000.0, 6000.0]), np.array([0.0, 1.0, 0.0]))
CURVE = {"wavelength": [4000.0, 5000.0, 6000.0], "transmission": [0.0, 1.0, 0.0]}


def test_every_listed_filter_loads_and_is_a_sound_curve():
    names = list_filters()
    curves = load_filters(names)
    assert [curve.name for curve in curves] == names
    for curve in curves:
        assert np.all(np.diff(curve.wavelength) > 0.0)
        assert curve.transmission.min() >= 0.0
        assert curve.wavelength[0] < curve.effective_wavelength < curve.wavelength[-1]


@pytest.mark.parametrize(
    "name",
    [
        *("lsst_u", "lsst_y", "roman_F062", "roman_F213", "euclid_VIS", "euclid_H", "decam_g", "decam_Y"),
        *("sdss_u", "hsc_y", "wise_W1", "wise_W4", "twomass_Ks", "galex_FUV", "galex_NUV", "panstarrs_y"),
        *("cfht_u", "vista_Z", "vista_Ks", "spitzer_irac1", "spitzer_irac4", "spherex_102", "bessell_V"),
    ],
)
def test_the_bands_of_the_surveys_are_there(name):
    assert name in list_filters(name.partition("_")[0])


@pytest.mark.parametrize(
    ("name", "angstrom", "tolerance"),
    [
        ("galex_FUV", 1538.6, 1.0),  # Morrissey et al. 2007, table 1
        ("galex_NUV", 2315.7, 1.0),  # Morrissey et al. 2007, table 1
        ("lsst_r", 6220.0, 30.0),  # rubin throughputs: between 5380 and 6910 at half height
        ("twomass_Ks", 21590.0, 100.0),  # Cohen et al. 2003: isophotal wavelength
        ("wise_W1", 33526.0, 500.0),  # Wright et al. 2010: isophotal wavelength
        ("spitzer_irac1", 35500.0, 100.0),  # Fazio et al. 2004
    ],
)
def test_effective_wavelengths_are_the_published_ones(name, angstrom, tolerance):
    assert abs(load_filters([name])[0].effective_wavelength - angstrom) < tolerance


def test_bands_of_a_set_are_ordered_in_wavelength_as_listed():
    for filter_set in ("lsst", "roman", "sdss", "twomass", "wise", "spherex", "spitzer", "vista"):
        wavelengths = [curve.effective_wavelength for curve in load_filters(list_filters(filter_set))]
        if filter_set == "roman":
            wavelengths.pop(4)  # F146 is wide and spans four others
        assert wavelengths == sorted(wavelengths)


def test_every_set_cites_its_source_with_its_licence_and_date():
    for name in entry_names("filters"):
        entry = set_entry(name)
        assert entry.reference.doi or entry.reference.url
        assert (entry.source.package, entry.source.license) in (("speclite", "BSD-3-Clause"), ("astro-sedpy", "MIT"))
        assert "Copyright" in (entry_path("filters", name).parent / f"licenses/{entry.source.package}.txt").read_text()
        assert entry.retrieved == "2026-11-23"


@pytest.mark.parametrize(
    ("name", "near"),
    [("lsst_Y", "lsst_y"), ("roman_F185", "roman_F184"), ("lsts_u", "lsst_u"), ("hsc_R", "hsc_r")],
)
def test_an_unknown_band_lists_near_ones(name, near):
    with pytest.raises(ValueError, match=rf"no filter {name!r}; did you mean .*{near}"):
        load_filters([name])


def test_one_name_by_itself_is_one_band_or_one_set():
    assert load_filters("lsst_r") == load_filters(["lsst_r"])
    assert band_names("euclid") == tuple(list_filters("euclid"))
    with pytest.raises(ValueError, match=r"no filter 'lsst_Y'; did you mean .*lsst_y"):
        load_filters("lsst_Y")


def test_a_set_among_bands_is_all_of_its_bands_in_its_order():
    expected = ("sdss_u", "lsst_u", "lsst_g", "lsst_r", "lsst_i", "lsst_z", "lsst_y", "roman_F106")
    assert band_list(["sdss_u", "lsst", "roman_F106"]) == band_names(["sdss_u", "lsst", "roman_F106"]) == expected


@pytest.mark.parametrize("bands", [["lsst_r", "lsst_r"], ["lsst_r", "lsst"], ["lsst_r", {"name": "lsst_r", **CURVE}]])
def test_two_bands_of_one_name_are_refused_by_that_name(bands):
    for function in (band_list, band_names, load_filters):
        with pytest.raises(InputError, match="band 'lsst_r' is given twice"):
            function(bands)


# files of curves


@pytest.fixture
def own_set(tmp_path, monkeypatch):
    """File of the curves of a set `mine` on the user's path, which has the two bands of `bass`."""
    folder = tmp_path / "filters"
    folder.mkdir()
    entry = entry_path("filters", "bass")
    (folder / "mine.yaml").write_text(entry.read_text())
    (folder / "bass.csv").write_bytes(entry.with_name("bass.csv").read_bytes())
    monkeypatch.setenv(USER_PATH, str(tmp_path))
    return folder / "bass.csv"


def test_a_set_on_the_path_of_a_user_has_its_curves_beside_it(own_set):
    assert band_names("mine") == ("mine_g", "mine_r")
    for mine, known in zip(load_filters("mine"), load_filters("bass")):
        np.testing.assert_array_equal(mine.transmission, known.transmission)


@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (lambda text: text.replace("0.3", "0.4", 1), r"bass\.csv has another curve .* than .*mine\.yaml pins .*update"),
        (lambda text: text[: len(text) // 4], r"bass\.csv (has another curve|cannot be read as filter curves)"),
        (lambda text: text[: text.index("\n") + 1], r"bass\.csv has no curve 'g'; restore it"),
        (lambda text: text.replace("g,", "", 1), r"bass\.csv: cannot be read as filter curves .* restore it"),
        (lambda text: "a" + text, r"bass\.csv: cannot be read as filter curves \(its first line is 'aband,wave"),
        (lambda text: "", r"bass\.csv: cannot be read as filter curves"),
    ],
    ids=["edited", "truncated", "one line", "a column short", "other columns", "empty"],
)
def test_curves_that_are_damaged_are_an_error_that_names_the_file(own_set, harm, wanted):
    load_filters("mine")
    own_set.write_text(harm(own_set.read_text()))
    with pytest.raises(InputError, match=wanted):
        load_filters("mine")


def test_curves_that_are_not_there_are_an_error_that_names_the_file(own_set):
    own_set.unlink()
    with pytest.raises(InputError, match=r"bass\.csv: cannot be read .* restore it"):
        load_filters("mine_g")


def test_a_set_that_names_no_source_is_not_frozen(own_set, capsys):
    entry = own_set.with_name("mine.yaml")
    entry.write_text("".join(line for line in entry.open() if not line.startswith("source")))
    before = own_set.read_bytes()
    freeze("mine")
    assert own_set.read_bytes() == before
    assert "mine.yaml: names no source" in capsys.readouterr().out


def test_numbers_of_a_table_come_back_bit_for_bit(tmp_path):
    values = np.random.default_rng(1).uniform(0.0, 1.0, 200) ** 40
    curves = {"a": (np.cumsum(values), values), "b": (np.array([0.1, 1e300]), np.array([5e-324, -0.0]))}
    write_curves(tmp_path / "two.csv", curves)
    for band, found in read_curves(tmp_path / "two.csv").items():
        assert [part.tobytes() for part in found] == [part.tobytes() for part in curves[band]]


# curves of an installed package


def test_without_the_package_of_a_curve_the_error_says_what_to_install(monkeypatch):
    for name, module in (("speclite:decam2014-q", "speclite.filters"), ("sedpy:sdss_r9", "sedpy.observate")):
        monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
        monkeypatch.setitem(sys.modules, module, None)
        package_curve_names.cache_clear()
        with pytest.raises(InputError, match=rf"no filter '{name}': .*pip install 'diffsky_factory\[filters\]'"):
            load_filters([name])


def test_the_hash_does_not_see_the_last_bits_of_a_change_of_unit():
    wavelength, transmission = TRIANGLE
    assert curve_sha256(wavelength * (1.0 + 2e-16), transmission) == curve_sha256(wavelength, transmission)
    assert curve_sha256(wavelength + 1e-5, transmission) != curve_sha256(wavelength, transmission)


# curves of one's own


def test_a_pair_of_arrays_is_a_curve():
    (curve,) = load_filters({"mine": TRIANGLE})
    assert curve.name == "mine"
    assert curve.effective_wavelength == pytest.approx(5000.0)


@pytest.mark.parametrize(
    "band",
    [{"name": "mine", **CURVE}, Curve(name="mine", **CURVE), FilterCurve("mine", *TRIANGLE)],
    ids=lambda b: type(b),
)
def test_a_curve_is_a_band_by_itself_and_among_others(band):
    assert band_names(band) == ("mine",)
    assert band_names(["lsst_r", band]) == ("lsst_r", "mine")
    assert load_filters(band) == load_filters([band]) == load_filters({"mine": TRIANGLE})


def test_quantities_are_converted_to_angstrom():
    wavelength = [400.0, 500.0, 600.0] * units.nm
    assert load_filters({"mine": (wavelength, TRIANGLE[1])}) == load_filters({"mine": TRIANGLE})
    percent = [0.0, 100.0, 0.0] * units.percent
    assert load_filters({"name": "mine", "wavelength": wavelength, "transmission": percent}) == load_filters(
        {"mine": TRIANGLE}
    )
    with pytest.raises(InputError, match=r"filter 'mine': wavelength: .*Angstrom.*not convertible"):
        load_filters({"mine": (TRIANGLE[0] * units.s, TRIANGLE[1])})


def test_curves_are_equal_where_their_names_and_numbers_are():
    curve = FilterCurve("t", *TRIANGLE)
    same, other = FilterCurve("t", *TRIANGLE, note="again"), FilterCurve("t", TRIANGLE[0], 0.5 * TRIANGLE[1])
    assert curve == same != other != FilterCurve("u", *TRIANGLE)
    assert hash(curve) == hash(same)
    assert len({curve, same, other}) == 2


@pytest.mark.parametrize(
    ("band", "wanted"),
    [
        ({"name": "mine", "wavelength": [1, 2]}, "filter 'mine': transmission: Field required"),
        ({"name": "mine", "wavelenght": [1, 2]}, "no field 'wavelenght'; did you mean wavelength"),
        ({**CURVE}, "name: Field required"),
        ({"name": "a/b", **CURVE}, "name: a name has no slash"),
        ({"name": "mine", "wavelength": ["a", "b"], "transmission": [1, 1]}, "wavelength: numbers are wanted"),
        ({"name": "mine", "wavelength": [[1, 2]], "transmission": [[1, 1]]}, "filter 'mine': wavelength.0"),
        ({"name": "mine", "wavelength": [2, 1], "transmission": [1, 1]}, "filter 'mine': wavelengths must be positive"),
        (5, "5 is neither the name of a band, a path nor a curve"),
    ],
    ids=str,
)
def test_a_band_that_is_none_says_what_is_wrong(band, wanted):
    with pytest.raises(InputError, match=wanted) as caught:
        load_filters([band])
    assert "\n" not in str(caught.value)


def test_what_is_no_list_of_bands_is_refused():
    with pytest.raises(InputError, match="5 is no list of bands"):
        load_filters(5)
    with pytest.raises(InputError, match="filter 'mine': 'lsst' has 6 bands"):
        load_filters({"mine": "lsst"})


def test_a_mapping_may_rename_a_known_band():
    (curve,) = load_filters({"red": "lsst_r"})
    assert curve.name == "red"
    np.testing.assert_array_equal(curve.transmission, load_filters(["lsst_r"])[0].transmission)


def test_a_text_file_is_a_curve(tmp_path):
    path = tmp_path / "narrow.dat"
    path.write_text("# wavelength transmission\n4000 0\n5000 0.8\n6000 0\n")
    (by_path,) = load_filters([path])
    (by_text,) = load_filters({"narrow": str(path)})
    assert by_path.name == by_text.name == "narrow"
    np.testing.assert_array_equal(by_path.wavelength, TRIANGLE[0])


def test_an_ecsv_file_is_converted_to_angstrom(tmp_path):
    from astropy.table import Table

    path = tmp_path / "narrow.ecsv"
    table = Table({"wavelength": TRIANGLE[0] / 10.0, "transmission": TRIANGLE[1]}, units={"wavelength": "nm"})
    table.write(path, format="ascii.ecsv")
    np.testing.assert_allclose(load_filters([path])[0].wavelength, TRIANGLE[0])


@pytest.mark.parametrize("suffix", [".txt", ".ecsv"])
def test_a_packed_file_is_the_text_it_holds_and_home_is_known(suffix, tmp_path, monkeypatch):
    text = b"wavelength transmission\n" if suffix == ".ecsv" else b""
    if suffix == ".ecsv":
        columns = b"# - {name: wavelength, datatype: float64}\n# - {name: transmission, datatype: float64}\n"
        text = b"# %ECSV 1.0\n# ---\n# datatype:\n" + columns + text
    text += b"4000 0\n5000 1\n6000 0\n"
    (tmp_path / f"narrow{suffix}.gz").write_bytes(gzip.compress(text))
    monkeypatch.setenv("HOME", str(tmp_path))
    (curve,) = load_filters([f"~/narrow{suffix}.gz"])
    assert curve.name == "narrow"
    np.testing.assert_array_equal(curve.wavelength, [4000.0, 5000.0, 6000.0])
    (tmp_path / f"cut{suffix}.gz").write_bytes(gzip.compress(text)[:-10])
    with pytest.raises(ValueError, match=rf"cut{suffix}\.gz: cannot be unpacked"):
        load_filters([f"~/cut{suffix}.gz"])


def test_a_value_that_is_missing_in_an_ecsv_file_is_no_zero(tmp_path):
    path = tmp_path / "narrow.ecsv"
    path.write_text(f'{ECSV}400 0\n500 1\n600 ""\n')
    with pytest.raises(InputError, match=r"narrow\.ecsv does not have two columns of numbers: a value is missing"):
        load_filters([path])


NUMBERS = st.sampled_from(["4000", "5e3", "6000.0", "0", "1", "-1", "nan", "inf", '""', "", "x", "1_0", "#", "9" * 400])
ROWS = st.lists(st.lists(NUMBERS, min_size=1, max_size=3).map(" ".join), max_size=5).map("\n".join)
HEADS = ["", "wavelength transmission\n", ECSV, ECSV.replace("float64", "string"), ECSV.replace("nm", "furlongs")]


def curve_or_refused(path):
    with suppress(InputError):
        read_curve_file("mine", path)  # which is a sound curve, where it is one


@pytest.mark.filterwarnings("ignore")  # of numpy and astropy, of texts that hold little
@few_and_many(100)
def test_any_text_is_a_curve_or_bad_input(tmp_path, examples):
    def check(text, suffix, packed):
        path = tmp_path / f"curve{suffix}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(text) if packed else text)
        curve_or_refused(path)

    texts = st.binary(max_size=60) | st.builds(
        lambda head, rows: f"{head}{rows}\n".encode(), st.sampled_from(HEADS), ROWS
    )
    holds(examples, check, texts, st.sampled_from([".txt", ".dat", ".csv", ".ecsv"]), st.booleans())


@pytest.mark.filterwarnings("ignore")
@few_and_many(100)
def test_a_damaged_curve_is_a_curve_or_bad_input(tmp_path, examples):
    path = tmp_path / "curve.ecsv"
    path.write_text(f"{ECSV}400 0\n500 1\n600 0\n")
    assert read_curve_file("mine", path).wavelength[0] == pytest.approx(4000.0)

    def check(harm):
        with Restored(path) as one:
            path.write_bytes(harm(one.content))
            curve_or_refused(path)

    holds(examples, check, HARMS)


def test_a_pipe_or_a_device_is_no_curve(tmp_path):
    os.mkfifo(tmp_path / "curve.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    for name in ("curve.txt", "zero.txt"):
        with pytest.raises(ValueError, match="not a file"):
            load_filters([tmp_path / name])


def test_needless_zeros_are_trimmed_and_one_is_kept_on_each_side():
    curve = FilterCurve("t", np.arange(1.0, 9.0), np.array([0, 0, 0, 1.0, 2.0, 0, 0, 0]))
    np.testing.assert_array_equal(curve.wavelength, [3.0, 4.0, 5.0, 6.0])
    with pytest.raises(ValueError, match="read-only"):
        curve.transmission[0] = 1.0


@pytest.mark.parametrize(
    ("wavelength", "transmission", "message"),
    [
        ([5000.0, 4000.0], [1.0, 1.0], "must be positive and increase"),
        ([4000.0, 4000.0], [1.0, 1.0], "must be positive and increase"),
        ([0.0, 4000.0], [1.0, 1.0], "must be positive and increase"),
        ([4000.0, 5000.0], [1.0, -1.0], "negative transmission, lowest -1"),
        ([4000.0, 5000.0], [1.0, np.nan], "not finite"),
        ([4000.0, 5000.0], [0.0, 0.0], "is empty"),
        ([4000.0], [1.0], "two points or more"),
        ([], [], "two points or more"),
        ([4000.0, 5000.0], [1.0], "same length"),
    ],
)
def test_a_bad_curve_says_what_is_wrong(wavelength, transmission, message):
    with pytest.raises(ValueError, match=rf"filter 'bad'.*{message}"):
        load_filters({"bad": (wavelength, transmission)})


def test_a_file_that_is_missing_or_no_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no file .*absent\.txt"):
        load_filters([tmp_path / "absent.txt"])
    path = tmp_path / "words.txt"
    path.write_text("these are words\n")
    with pytest.raises(ValueError, match=r"words\.txt does not have two columns of numbers"):
        load_filters([path])


def test_something_else_than_a_curve_is_refused():
    with pytest.raises(ValueError, match="neither a name, a path nor a pair"):
        load_filters({"mine": 5.0})
