"""Mass functions of hosts and subhalos: slopes, limits, validity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffsky_factory.core.parameters import bounds
from diffsky_factory.physics.halos import mass_function, subhalo_mass_function
from diffsky_factory.physics.halos.mass_function import HaloMassFunctionParameters
from diffsky_factory.physics.halos.subhalo_mass_function import SubhaloMassFunctionParameters

HOSTS, SUBHALOS = HaloMassFunctionParameters(), SubhaloMassFunctionParameters()


@pytest.mark.parametrize("redshift", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("mass", [10.5, 12.0, 13.5, 15.0])
def test_hosts_per_dex_are_the_slope_of_their_cumulative_number(mass, redshift):
    with jax.enable_x64(True):
        slope = jax.grad(lambda m: 10.0 ** mass_function.log10_cumulative_density(HOSTS, m, redshift))(mass)
        per_dex = mass_function.density_per_dex(HOSTS, mass, redshift)
    assert float(per_dex) == pytest.approx(-float(slope), rel=1e-10)


@pytest.mark.parametrize("host", [11.5, 13.0, 15.0])
@pytest.mark.parametrize("ratio", [-4.0, -1.0, -0.3, -0.01])
def test_subhalos_per_dex_are_the_slope_of_their_cumulative_number(ratio, host):
    with jax.enable_x64(True):
        slope = jax.grad(lambda x: 10.0 ** subhalo_mass_function.log10_cumulative_number(SUBHALOS, x, host))(ratio)
        per_dex = subhalo_mass_function.number_per_dex(SUBHALOS, ratio, host)
    assert float(per_dex) == pytest.approx(-float(slope), rel=1e-10)


def test_a_host_below_the_limit_of_subhalos_has_none():
    host = jnp.array([10.5, 11.0, 11.001, 12.0, 14.0])
    mean = subhalo_mass_function.mean_satellites(SUBHALOS, 11.0 - host, host)
    np.testing.assert_array_equal(mean[:2], 0.0)
    assert (np.diff(mean[1:]) > 0.0).all()


def test_the_mass_function_is_known_to_fail_at_low_mass_and_high_redshift():
    assert mass_function.falls_with_mass(HOSTS, jnp.linspace(10.0, 16.0, 50), 5.0).all()
    assert not mass_function.falls_with_mass(HOSTS, 8.5, 11.0)


@pytest.mark.parametrize("kind", [HaloMassFunctionParameters, SubhaloMassFunctionParameters])
def test_defaults_lie_within_their_bounds(kind):
    for name, value in kind()._asdict().items():
        assert bounds(kind)[name].lo < value < bounds(kind)[name].hi
