"""Sky coordinates: the same number for a position wherever it stands."""

import numpy as np
import pytest

from diffsky_factory.sky.coordinates import cartesian, sky


def test_a_position_has_the_same_coordinates_in_any_company():
    rng = np.random.default_rng(0)
    for n in rng.integers(50, 3000, 40):
        position = rng.normal(0.0, 1000.0, (n, 3))
        whole, cut = sky(position), int(rng.integers(1, n))
        parts = zip(sky(position[:cut]), sky(position[cut:]))
        for one, pair in zip(whole, parts):
            np.testing.assert_array_equal(one, np.concatenate(pair))


def test_positions_come_back():
    position = np.random.default_rng(1).normal(0.0, 1000.0, (1000, 3))
    np.testing.assert_allclose(cartesian(*sky(position)), position, rtol=1e-12, atol=1e-9)
    with pytest.raises(ValueError, match="no direction"):
        sky(np.zeros((1, 3)))
