"""Entries of simulations say numbers that belong together."""

import pytest

from diffsky_factory.inputs.entries import entry_names, read_entry
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry

CRITICAL = 2.77536627e11  # Msun/h per (Mpc/h)^3: 3 (100 km/s/Mpc)^2 / (8 pi G)
ENTRIES = {name: read_entry("simulations", name, SimulationEntry)[0] for name in entry_names("simulations")}
# simulations of dark matter alone, of one kind of particle and without neutrinos
COUNTED = [
    *("smdpl_rockstar", "smdpl_hlist", "smdpl_universemachine", "bolshoi_planck_cone"),
    *("last_journey_cores", "discovery_lcdm_cores", "discovery_w0wa_cores"),
]


@pytest.mark.parametrize("name", COUNTED)
def test_box_mass_and_matter_density_make_a_whole_number_of_particles(name):
    """All matter is in particles of one mass, on a grid that is a multiple of 32 per side."""
    entry = ENTRIES[name]
    h, matter = entry.cosmology["h"], entry.cosmology["Om0"]
    side = (matter * CRITICAL * h**2 * entry.box_size**3 / entry.particle_mass) ** (1 / 3)
    assert side == pytest.approx(32 * round(side / 32), rel=1e-3)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_has_its_own_name_a_title_and_a_reference(name):
    entry = ENTRIES[name]
    assert entry.name == name
    assert entry.title
    assert entry.reference
    assert entry.mass_definition
