"""Maps of matter: nothing lost, the same in any region, and the power that linear theory gives."""

import healpy
import numpy as np
import pytest
import xarray as xr
import xdggs
from scipy.special import spherical_jn

import diffsky_factory as dff
from diffsky_factory.halos.synthetic import matter as synthetic_matter
from diffsky_factory.halos.synthetic import structure as synthetic_structure
from diffsky_factory.halos.synthetic.universe import Synthetic, _structure
from diffsky_factory.physics.structure import long_waves
from diffsky_factory.sky.cosmology import comoving_distance_64

EDGES = (0.02, 0.035, 0.05)
NEAR = {"cone": {"ra": 80.0, "dec": 20.0, "radius": 12.0}}


@pytest.mark.thorough
def test_the_map_of_a_region_is_that_of_all_particles_of_all_chunks(tmp_path):
    maps = dff.matter_maps("synthetic", EDGES, 32, region=NEAR, seed=42)
    assert maps.overdensity.dims == ("shell", "pixel")
    cells = xdggs.decode(maps, convention="cf").dggs
    assert (cells.grid_info.level, cells.grid_info.indexing_scheme) == (5, "nested")
    maps.to_netcdf(tmp_path / "maps.nc")
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "maps.nc"), maps)
    known = _structure(Synthetic(redshift_min=EDGES[0], redshift_max=EDGES[-1], seed=42))
    distance = comoving_distance_64(known.theory.cosmology, np.array(EDGES))
    counts = np.zeros((2, 12 * 32**2))
    for place in np.ndindex(4, 4, 4):  # all within 512 Mpc of the observer
        cells = synthetic_structure.cells_on_light_cone(known, tuple(np.array(place) - 2))
        x, _ = synthetic_structure.moved_points(known.cell, cells, synthetic_matter._particles())
        radius, pixel = np.linalg.norm(x, axis=1), healpy.vec2pix(32, *x.T, nest=True)
        for shell in range(2):
            some = (radius >= distance[shell]) & (radius < distance[shell + 1])
            counts[shell] += np.bincount(pixel[some], minlength=12 * 32**2)
    mean = 4.0 * np.pi / (12 * 32**2) * np.diff(distance**3)[:, None] / 3.0 * (2.0 / known.cell) ** 3
    np.testing.assert_allclose(maps.overdensity, (counts / mean - 1.0)[:, maps.pixel], atol=1e-5)
    # what a shell gains, its neighbours lose: over the sky the mean is that of waves as long as the shell
    assert abs((counts / mean - 1.0).mean()) < 0.15


@pytest.mark.parametrize(
    ("redshift", "nside", "message"),
    [((0.1,), 32, "two or more"), ((0.2, 0.1), 32, "ascending"), ((0.1, 0.2), 33, "two")],
)
def test_bad_shells_are_refused(redshift, nside, message):
    with pytest.raises(dff.InputError, match=message):
        dff.matter_maps("synthetic", redshift, nside, region=NEAR)


@pytest.mark.slow
def test_the_power_of_a_shell_is_that_of_linear_theory():
    z = 0.12, 0.14
    maps = dff.matter_maps("synthetic", z, 64, seed=42)
    found = healpy.anafast(healpy.reorder(maps.overdensity.values[0].astype(float), n2r=True), lmax=60, iter=3)
    theory = _structure(Synthetic(redshift_max=z[1], seed=42)).theory
    near, far = comoving_distance_64(theory.cosmology, np.array(z))
    radius, weight = np.polynomial.legendre.leggauss(40)
    radius, weight = 0.5 * (far - near) * radius + 0.5 * (far + near), 0.5 * (far - near) * weight
    weight = weight * radius**2 / np.sum(weight * radius**2)
    k = np.linspace(2e-4, 0.4, 6000)
    grown = theory.growth.at(np.array([0.13]))[0][0]
    # displacements of short waves are smoothed by half a cell, and the map by its pixels
    power = theory.power(k) * np.exp(-((4.0 * k) ** 2) * (1.0 - long_waves.long_share(k))) * grown**2
    pixel = healpy.nside2pixarea(64) / 12.0
    ratios = []
    for l in range(4, 60):
        shell = sum(w * spherical_jn(l, k * r) for r, w in zip(radius, weight))
        expected = 2.0 / np.pi * np.trapezoid(k**2 * power * shell**2, k) * np.exp(-l * (l + 1) * pixel)
        ratios.append(found[l] / expected)
    degrees = 2.0 * np.arange(4, 60) + 1.0
    for part in (slice(0, 26), slice(26, 56)):
        scatter = np.sqrt(2.0 / degrees[part].sum())  # 2 / (2 l + 1) in each
        # displacements are not small: the power of second order is some 5 % below linear theory here
        assert abs(np.average(ratios[part], weights=degrees[part]) - 0.95) < 3.0 * scatter + 0.02
