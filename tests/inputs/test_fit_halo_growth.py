"""The fit of a mixture of halo histories: what went in comes out."""

import numpy as np
import pytest
import yaml

from diffsky_factory.inputs.halo_growth import load_growth_mixture


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Histories whose logtc is 0.3 + 0.1 (m - 12), with a scatter of 0.1, in all else alike."""
    rng = np.random.default_rng(1)
    number = 4000
    m, t = rng.uniform(11.0, 13.0, number), rng.uniform(3.0, 13.0, number)
    ones = np.ones(number)
    logtc = 0.3 + 0.1 * (m - 12.0) + 0.1 * rng.standard_normal(number)
    early, t_peak = 2.5 * np.exp(0.1 * rng.standard_normal(number)), t * np.exp(0.1 * rng.standard_normal(number))
    path = tmp_path_factory.mktemp("fit") / "samples.npz"
    mah = np.column_stack([m, logtc, early, 0.2 * ones, t_peak])
    np.savez(path, log10_halo_mass=m, cosmic_time=t, is_central=rng.random(number) < 0.5, mah_parameters=mah)
    return path


def test_a_fit_is_reproducible_and_finds_mean_and_scatter_at_given_mass(samples, tmp_path):
    pytest.importorskip("sklearn")
    from diffsky_factory.inputs.fit_halo_growth import fit_file

    entries = [fit_file(samples, components=1, seed=3, title="a test", cite="made up") for _ in range(2)]
    assert entries[0] == entries[1]
    path = tmp_path / "mixture.yaml"
    path.write_text(yaml.safe_dump(entries[0]))
    p = load_growth_mixture(path)
    assert p.mean.shape == (2, 1, 6)
    gain = p.factor[:, 0, 2, 0] / p.factor[:, 0, 0, 0]
    np.testing.assert_allclose(gain, 0.1, atol=0.02)
    np.testing.assert_allclose(p.mean[:, 0, 2] - gain * p.mean[:, 0, 0], 0.3, atol=0.01)
    np.testing.assert_allclose(p.factor[:, 0, 2, 2], 0.1, rtol=0.1)
