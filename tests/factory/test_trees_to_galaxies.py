"""From merger trees to galaxies: histories are fitted, and the light cone takes growth from the fits."""

import numpy as np
import pytest
import yaml

import diffsky_factory as dff
from diffsky_factory.halos.open import open_histories
from tests.reference import reference

COLUMNS = ["halo_id", "redshift", "log10_halo_mass", "has_mah_fit", "mah_parameters", "log10_stellar_mass"]


@pytest.mark.thorough
def test_fits_of_a_forest_are_the_growth_of_its_galaxies(tmp_path):
    path = reference("sims", "forests", "treeUNIT.hdf5")
    made = dff.fit_histories(path, tmp_path / "fits.zarr")
    assert made.rows == sum(open_histories(path).pieces)
    fits = dff.open_catalog(tmp_path / "fits.zarr")
    fitted = fits.has_mah_fit.values
    assert fitted.mean() > 0.5
    assert np.median(np.sqrt(fits.mah_fit_loss.values[fitted])) < 0.07  # dex

    entry = {"title": "trees", "format": "galacticus_forest", "files": [str(path)]}
    entry["options"] = {"fits": str(tmp_path / "fits.zarr")}
    (tmp_path / "trees.yaml").write_text(yaml.safe_dump(entry))
    recipe = {"simulation": str(tmp_path / "trees.yaml"), "redshift": [0.02, 0.6], "columns": COLUMNS}
    mock = dff.make_mock(recipe, tiles={"order": 0}).load()
    own = mock.has_mah_fit.values
    assert own.mean() > 0.8
    assert np.isfinite(mock.log10_stellar_mass).all()
    known = {tuple(np.round(row, 4)) for row in fits.mah_parameters.values[fitted]}
    assert all(tuple(np.round(row, 4)) in known for row in mock.mah_parameters.values[own])
    # the fit gives the mass at the time the halo is seen
    from diffsky_factory.physics.halos.growth import HaloGrowth, log10_mass
    from diffsky_factory.sky.cosmology import age_64, age_today_64

    cosmology = mock.sky.cosmology
    time, today = age_64(cosmology, mock.redshift.values), age_today_64(cosmology)
    there = np.asarray(log10_mass(HaloGrowth(*mock.mah_parameters.values.T), time, today))
    assert np.median(np.abs(there - mock.log10_halo_mass.values)[own]) < 0.05


def test_what_has_no_histories_is_refused(tmp_path):
    path = reference("sims", "universemachine_bpl_lightcone", "test_lightcone_0.dat")
    with pytest.raises(dff.InputError, match="no merger trees"):
        dff.fit_histories(path, tmp_path / "fits.zarr")
