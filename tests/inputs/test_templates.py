"""Stellar population templates: the embedded table, files of users, and what goes wrong with files."""

import time
from contextlib import suppress

import h5py
import numpy as np
import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.resources import USER_PATH, resource
from diffsky_factory.inputs import entries
from diffsky_factory.inputs.band_tables import spectrum_luminosity_table
from diffsky_factory.inputs.filters import list_filters, load_filters
from diffsky_factory.inputs.templates import TemplatesEntry, list_templates, load_templates
from tests.fuzz import HARMS, Restored, few_and_many, holds

SOLAR = 4  # index of the solar metallicity
SOLAR_LUMINOSITY = 3.828e33  # erg/s


# the embedded table


def test_the_embedded_table_has_the_shape_its_entry_states(templates):
    assert list_templates() == ["bc03_miles_kroupa"]
    assert templates.flux.shape == (7, 220, 833)
    assert templates.line_luminosity.shape == (7, 220, len(templates.line_name))
    assert templates.flux.dtype == np.float64


def test_the_embedded_table_loads_within_a_second():
    start = time.process_time()
    load_templates("bc03_miles_kroupa")
    assert time.process_time() - start < 1.0


def test_templates_cannot_be_changed(templates):
    with pytest.raises(ValueError, match="read-only"):
        templates.flux[0, 0, 0] = 1.0


def test_stars_die_and_never_more_than_were_born(templates):
    assert np.all(templates.living_mass <= 1.0)
    assert np.all(templates.living_mass > 0.3)
    assert np.all(np.diff(templates.living_mass, axis=1) < 5e-3)


def test_lines_come_from_young_populations_only(templates):
    old = templates.log10_age > np.log10(10.0**7.5 / 1e9)
    assert np.all(templates.line_luminosity[:, old] == 0.0)
    assert np.all(templates.line_luminosity[:, ~old].sum(axis=-1) > 0.0)


def test_balmer_decrement_is_that_of_case_b(templates):
    h_alpha, h_beta = (templates.line_name.index(name) for name in ("H_1_6562_80A", "H_1_4861_32A"))
    age = np.searchsorted(templates.log10_age, -2.5)  # 3 Myr
    lines = templates.line_luminosity[:6, age]  # the most metal-rich gas is too cool for case B
    assert np.all(np.abs(lines[:, h_alpha] / lines[:, h_beta] - 2.9) < 0.2)  # Osterbrock & Ferland 2006, table 4.2


def test_h_alpha_of_constant_star_formation_is_the_stated_one(templates):
    age = 1e9 * 10.0**templates.log10_age
    h_alpha = templates.line_luminosity[SOLAR, :, templates.line_name.index("H_1_6562_80A")]
    recent = age < 1e8
    luminosity = np.trapezoid(h_alpha[recent], age[recent]) * SOLAR_LUMINOSITY  # erg/s per Msun/yr
    assert abs(np.log10(luminosity) - 41.44) < 0.02


def test_gas_takes_the_lyman_continuum_of_young_stars_and_leaves_that_of_old_ones(templates):
    below = (templates.wavelength > 300.0) & (templates.wavelength < 900.0)
    above = (templates.wavelength > 950.0) & (templates.wavelength < 1200.0)
    contrast = templates.flux[SOLAR][:, below].mean(axis=-1) / templates.flux[SOLAR][:, above].mean(axis=-1)
    age = 10.0 ** (templates.log10_age + 9.0)
    assert np.all(contrast[age < 10.0**6.5] < 0.25)
    just_older = np.searchsorted(age, 10.0**7.55)
    assert contrast[just_older] > 0.0
    assert np.all(templates.flux[SOLAR][age > 10.0**7.6][:, below].sum(axis=-1) > 0.0)


def test_the_embedded_table_agrees_with_the_reference_point_by_point(templates, reference_templates):
    for name in ("log10_metallicity", "log10_age", "wavelength", "living_mass"):
        np.testing.assert_allclose(getattr(templates, name), getattr(reference_templates, name), rtol=1e-9)
    lines, expected_lines = templates.line_luminosity, reference_templates.line_luminosity
    np.testing.assert_allclose(lines, expected_lines, rtol=1e-3, atol=1e-30)
    visible = templates.wavelength > 1216.0
    peak = reference_templates.flux.max(axis=-1, keepdims=True)
    difference = np.abs(templates.flux - reference_templates.flux)[..., visible] / peak
    # single points at sharp features follow how the projection weighs wavelengths
    assert difference.max() < 0.02
    assert np.percentile(difference, 99) < 2e-3


def test_magnitudes_agree_with_the_reference(templates, reference_templates, composites):
    curves = load_filters([*list_filters("lsst"), *list_filters("roman"), "galex_FUV", "galex_NUV", "wise_W1"])
    redshifts = np.array([0.0, 0.3, 1.0, 2.0, 3.0])
    ours, theirs = (
        np.einsum("zbma,kma->zbk", spectrum_luminosity_table(table, curves, redshifts), composites)
        for table in (templates, reference_templates)
    )
    start = [curve.wavelength[np.argmax(curve.transmission > 0.1 * curve.transmission.max())] for curve in curves]
    redward = np.array(start) / (1.0 + redshifts[:, None]) > 912.0
    assert redward.sum() > 60
    assert np.abs(-2.5 * np.log10(ours / theirs))[redward].max() < 0.005


# files of users


@pytest.fixture
def arrays():
    """A small table in the layout of DSPS and FSPS."""
    rng = np.random.default_rng(3)
    return {
        "ssp_lgmet": np.array([-3.0, -2.0]),
        "ssp_lg_age_gyr": np.array([-3.0, -1.0, 1.0]),
        "ssp_wave": np.array([1000.0, 5000.0, 10000.0, 20000.0]),
        "ssp_flux": rng.uniform(size=(2, 3, 4)),
        "ssp_emline_name": np.array([b"Ha", b"Hb"]),
        "ssp_emline_wave": np.array([6562.8, 4861.3]),
        "ssp_emline_luminosity": rng.uniform(size=(2, 3, 2)),
    }


def _write(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def test_a_file_in_the_layout_of_dsps_opens(tmp_path, arrays):
    found = load_templates(_write(tmp_path / "ssp_data_fsps_mine.h5", arrays))
    assert found.name == "ssp_data_fsps_mine"
    assert found.line_name == ("Ha", "Hb")
    assert found.living_mass is None
    np.testing.assert_array_equal(found.flux, arrays["ssp_flux"])
    np.testing.assert_array_equal(found.line_luminosity, arrays["ssp_emline_luminosity"])


def test_the_spectra_of_a_file_hold_the_lines_unless_it_says_otherwise(tmp_path, arrays):
    path = _write(tmp_path / "lines.h5", arrays)
    assert load_templates(path).lines_in_flux
    with h5py.File(path, "a") as file:
        file.attrs["lines_in_flux"] = False
    assert not load_templates(path).lines_in_flux


def test_a_file_without_lines_has_none(tmp_path, arrays):
    without = {name: values for name, values in arrays.items() if "emline" not in name}
    found = load_templates(str(_write(tmp_path / "no_lines.hdf5", without)))
    assert found.line_name == ()
    assert found.line_luminosity.shape == (2, 3, 0)


@pytest.mark.parametrize("missing", ["ssp_flux", "ssp_wave", "ssp_lgmet", "ssp_lg_age_gyr", "ssp_emline_wave"])
def test_a_missing_dataset_is_named(tmp_path, arrays, missing):
    del arrays[missing]
    with pytest.raises(ValueError, match=rf"short\.h5 .*no dataset {missing}"):
        load_templates(_write(tmp_path / "short.h5", arrays))


@pytest.mark.parametrize(
    ("dataset", "where", "value", "message"),
    [
        ("ssp_flux", (0, 0, 0), np.nan, "flux has 1 values that are not finite"),
        ("ssp_flux", (1, 2, 3), -1.0, "flux has 1 negative values"),
        ("ssp_emline_luminosity", (0, 0, 0), -1.0, "line_luminosity has 1 negative values"),
        ("ssp_wave", 0, 6000.0, "wavelength does not increase"),
        ("ssp_wave", 0, -5.0, "wavelength starts at -5.0: it must be positive"),
        ("ssp_lg_age_gyr", 2, -1.0, "log10_age does not increase"),
        ("ssp_lgmet", 1, np.nan, "log10_metallicity is not a list"),
    ],
)
def test_unusable_numbers_are_named_with_their_file(tmp_path, arrays, dataset, where, value, message):
    arrays[dataset][where] = value
    with pytest.raises(ValueError, match=rf"bad\.h5 holds no usable templates: {message}"):
        load_templates(_write(tmp_path / "bad.h5", arrays))


def test_a_table_of_another_shape_than_its_grids_is_refused(tmp_path, arrays):
    arrays["ssp_flux"] = arrays["ssp_flux"][:, :, :3]
    with pytest.raises(ValueError, match=r"flux has shape \(2, 3, 3\), the grids and lines say \(2, 3, 4\)"):
        load_templates(_write(tmp_path / "bad.h5", arrays))


def test_a_truncated_file_is_one_clear_error(tmp_path, arrays):
    path = _write(tmp_path / "cut.h5", arrays)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ValueError, match=r"cut\.h5: cannot be read as HDF5 .*copy the file again"):
        load_templates(path)


def test_a_file_that_is_not_hdf5_is_one_clear_error(tmp_path):
    path = tmp_path / "page.h5"
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"page\.h5: cannot be read as HDF5"):
        load_templates(path)


@few_and_many(60)
def test_a_damaged_file_is_a_table_or_bad_input(tmp_path, arrays, examples):
    path = _write(tmp_path / "mine.h5", arrays)

    def check(harm):
        with Restored(path) as one, suppress(InputError):
            path.write_bytes(harm(one.content))
            load_templates(path)  # which is a sound table, where it is one

    holds(examples, check, HARMS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.h5"):
        load_templates(tmp_path / "nowhere.h5")


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(ValueError, match=r"no 'bc03_kroupa'.*did you mean bc03_miles_kroupa\?"):
        load_templates("bc03_kroupa")


# entries


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    """A copy of `catalogs/` that a test may damage."""
    folder = tmp_path / "catalogs" / "templates"
    folder.mkdir(parents=True)
    for path in resource("catalogs", "templates").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv(USER_PATH, str(tmp_path / "catalogs"))
    return folder


def test_a_damaged_table_is_found_by_its_hash(catalog):
    path = catalog / "bc03_miles_kroupa.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"bc03_miles_kroupa\.npz has sha256 .*reinstall"):
        load_templates("bc03_miles_kroupa")


def test_an_entry_with_an_unknown_field_is_refused(catalog):
    with (catalog / "bc03_miles_kroupa.yaml").open("a") as file:
        file.write("colour: blue\n")
    with pytest.raises(ValueError, match=r"bc03_miles_kroupa\.yaml: no field 'colour'"):
        load_templates("bc03_miles_kroupa")


def test_every_entry_cites_its_sources_and_its_imf():
    for name in list_templates():
        entry, _ = entries.read_entry("templates", name, TemplatesEntry)
        assert entry.imf
        assert entry.nebular
        assert all(reference.doi or reference.url for reference in entry.references)
