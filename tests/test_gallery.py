"""The statistics of the gallery on a small population, and the page that shows them."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from diffsky_factory.inputs.entries import entry_names, entry_path
from diffsky_factory.physics.halos.mass_function import log10_cumulative_density
from diffsky_factory.physics.halos.subhalo_mass_function import mean_satellites
from tests.reference import reference

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "gallery.md").read_text()


def load(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def gallery():
    return load("gallery_statistics")


@pytest.fixture(scope="module")
def page():
    pytest.importorskip("matplotlib")
    load("gallery_statistics")
    return load("make_gallery")


@pytest.mark.thorough
def test_every_statistic_of_a_calibration_is_a_number(gallery, page):
    reference("obs", "index.csv")
    _, distances = gallery.all_distances("cs261020", 150)
    seen = gallery.planes("cs261020", page.CONDITIONS, 60)
    distances |= dict(zip(("M0 mass", "M0 rate"), gallery.plane_distances(seen)))
    for name, found in distances.items():
        assert found.n > 0, name
        assert np.isfinite([found.rms, found.offset]).all(), name
        assert found.rms >= abs(found.offset) - 1e-9, name
    table = page.tables({"cs261020": distances})["distances"]
    assert len(table.splitlines()) == 4
    assert "nan" not in table


def test_the_page_has_a_row_for_every_calibration_of_galaxies(gallery):
    named = [*gallery.whole_calibrations(), *gallery.history_calibrations()]
    texts = [entry_path("calibrations", name).read_text() for name in entry_names("calibrations")]
    assert len(named) == sum("\n  diffstarpop:" in text for text in texts)
    for table in re.findall(r"<!-- (?:distances|errors) -->(.*?)<!-- end", PAGE, re.S):
        rows = re.findall(r"^\| `(.*?)` \|", table, re.M)
        assert rows == [name.replace("c260710+diffstarpop", "+diffstarpop") for name in named], "run make_gallery.py"


def test_every_figure_is_shown():
    made = {path.name for path in (DOCS / "figures" / "gallery").glob("*.png")}
    assert made == set(re.findall(r"figures/gallery/(\S+\.png)", PAGE))


@pytest.mark.thorough
def test_the_weights_add_up_to_the_mass_functions(gallery):
    g = gallery.halos((0.5,), 8_000)
    centrals = g["is_central"]
    for limit in (10.8, 12.0, 13.0):
        found = g["weight"][centrals & (g["log10_halo_mass"] > limit)].sum()
        assert np.log10(found) == pytest.approx(float(log10_cumulative_density(gallery.HOSTS, limit, 0.5)), abs=0.01)
    host = g["log10_halo_mass"][g["host_row"]]
    of_groups = (host > 12.9) & (host < 13.1)
    number = g["satellite_weight"][of_groups & ~centrals].sum() / np.count_nonzero(of_groups & centrals)
    assert number == pytest.approx(float(mean_satellites(gallery.SUBHALOS, gallery.LIGHTEST - 13.0, 13.0)), rel=0.05)


def test_half_the_mass_is_within_the_half_radius(gallery):
    disk, bulge = np.array([5.0, 5.0, 5.0]), np.array([2.0, 2.0, 2.0])
    radius = gallery.half_radius(disk, bulge, np.array([0.0, 1.0, 0.5]))
    assert radius[:2] == pytest.approx([5.0, 2.0], rel=1e-3)
    assert 2.0 < radius[2] < 5.0


def test_the_distance_of_a_shifted_curve_is_the_shift(gallery):
    statistic = gallery.STATISTICS[0]
    x = np.linspace(11.0, 14.0, 7)
    points = gallery.Curve(x, x - 1.0, np.full(7, 0.05))
    found = gallery.distance([(points, gallery.Curve(x, x - 0.9, points.error))], statistic)
    assert (found.rms, found.offset, found.within) == pytest.approx((0.1, 0.1, 0.0))
