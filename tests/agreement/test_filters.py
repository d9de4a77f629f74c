"""Filter curves as frozen here and as the packages have them from which they were taken: the same, bit for bit."""

import pytest

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.curve_tables import read_curves, write_curves
from diffsky_factory.inputs.entries import entry_names, entry_path
from diffsky_factory.inputs.filter_sets import set_entry
from diffsky_factory.inputs.filters import band_names, load_filters
from diffsky_factory.inputs.package_curves import package_curve_names, read_package_curve

for package in ("speclite", "sedpy"):
    pytest.importorskip(package, reason=f"NOT TESTED: no {package}; pip install 'diffsky_factory[filters]'")


@pytest.mark.parametrize("name", entry_names("filters"))
def test_every_frozen_curve_is_that_of_its_package(name, tmp_path):
    entry, path = set_entry(name), entry_path("filters", name)
    frozen = read_curves(path.with_name(entry.file))
    assert list(frozen) == list(entry.bands)
    packaged = {band: read_package_curve(entry.source.package, one.curve) for band, one in entry.bands.items()}
    for band in frozen:
        assert [part.tobytes() for part in frozen[band]] == [part.tobytes() for part in packaged[band]]
    write_curves(tmp_path / entry.file, packaged)
    assert (tmp_path / entry.file).read_bytes() == path.with_name(entry.file).read_bytes()


def test_a_band_of_a_package_is_read_as_it_is_there():
    unpinned, pinned = load_filters(["speclite:lsst2023-r", "lsst_r"])
    assert unpinned.name == "speclite:lsst2023-r"
    assert unpinned.transmission.tobytes() == pinned.transmission.tobytes()
    names = ["speclite:decam2014-g", "sedpy:sdss_r0", "sedpy:spherex_band1:ch01"]
    assert [curve.name for curve in load_filters(names)] == list(band_names(names)) == names


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("speclite:decam2014-q", "speclite has no curve 'decam2014-q'; did you mean .*decam2014-r"),
        ("sedpy:sdss_r9", "astro-sedpy has no curve 'sdss_r9'; did you mean .*sdss_r0"),
        ("sedpy:spherex_band1:ch99", "no filter 'sedpy:spherex_band1:ch99': astro-sedpy cannot read it"),
        ("speklite:decam2014-g", "no package 'speklite'; did you mean speclite"),
    ],
)
def test_an_unknown_curve_of_a_package_lists_near_ones(name, wanted):
    with pytest.raises(InputError, match=wanted):
        load_filters([name])


def test_every_curve_that_is_pinned_is_among_those_of_its_package():
    for name in entry_names("filters"):
        entry = set_entry(name)
        curves = {band.curve.split(":")[0] for band in entry.bands.values()}
        assert curves <= set(package_curve_names(entry.source.package))
