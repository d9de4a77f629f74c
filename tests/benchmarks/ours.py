"""Our side of the benchmarks: one case per process, so that peak memory is its own."""

import numpy as np

from tests.benchmarks import population
from tests.benchmarks.measure import report

REDSHIFT_MAX = 3.05


def known():
    """Parameters and tables from the shared templates and bands; redshift nodes as a mock has them."""
    from diffsky_factory.factory.tables import redshift_nodes, time_grid
    from diffsky_factory.inputs.band_tables import band_luminosity_table, effective_wavelength_table
    from diffsky_factory.inputs.calibrations import load_calibration
    from diffsky_factory.inputs.filters import FilterCurve
    from diffsky_factory.inputs.templates import Templates
    from diffsky_factory.physics.halos.growth import TimeGrid
    from diffsky_factory.physics.light.photometry import BandTable
    from diffsky_factory.physics.stars.ages import TemplateGrid
    from diffsky_factory.sky.cosmology import Cosmology

    t = population.templates()
    none = np.zeros(0)
    no_lines = {"line_name": (), "line_wavelength": none, "line_luminosity": np.zeros((22, 94, 0))}
    ssp = Templates("benchmark", t["log_z"], t["log_age"], t["wavelength"], t["flux"], **no_lines,
                    living_mass=None, reference="")  # fmt: skip
    curves = [FilterCurve(*curve) for curve in population.curves()]
    nodes = np.asarray(redshift_nodes(REDSHIFT_MAX))
    table = band_luminosity_table(ssp, curves, nodes).transpose(0, 2, 1, 3)
    bands = BandTable(nodes, np.ascontiguousarray(table, np.float32), effective_wavelength_table(curves, nodes))
    constants = load_calibration("default_merging").by_class()
    constants[Cosmology] = Cosmology()
    constants[TimeGrid] = time_grid(Cosmology())
    constants[TemplateGrid] = TemplateGrid(ssp.log10_age, ssp.log10_metallicity)
    constants[BandTable] = bands
    return constants


def columns(n: int) -> dict[str, np.ndarray]:
    """The population in our words, host groups side by side."""
    from diffsky_factory.physics.halos.growth import HaloGrowth
    from diffsky_factory.sky.cosmology import Cosmology, age_64

    g = population.galaxies(n)
    rows = np.argsort(g["host_row"], kind="stable")
    place = np.empty_like(rows)
    place[rows] = np.arange(n)
    taken = {name: value[rows] for name, value in g.items()}
    return {
        "mah_parameters": np.stack([taken[name] for name in HaloGrowth._fields], axis=1),
        "redshift": taken["redshift"],
        "cosmic_time": age_64(Cosmology(), taken["redshift"]),
        "is_central": taken["is_central"],
        "satellite_weight": taken["satellite_weight"],
        "host_row": place[taken["host_row"]],
    }


def run_kernel(n: int, wanted, block: int = 16384):
    """A callable that computes the wanted columns of n galaxies."""
    from diffsky_factory.core.plan import plan
    from diffsky_factory.factory.kernel import Kernel
    from diffsky_factory.physics import stages

    given = columns(n)
    kernel = Kernel(plan(stages(), given, wanted), known(), seed=1, block=block)
    ids = np.arange(n)
    return lambda: kernel(given, ids)


def monte_carlo(n: int):
    """Halo growth to merged magnitudes of the drawn population."""
    return run_kernel(n, ["mag_true", "log10_stellar_mass", "log10_ssfr"])


def histories(n: int):
    """Halo growth to star formation histories and stellar masses of the drawn population."""
    return run_kernel(n, ["log10_stellar_mass_in_situ", "log10_ssfr"])


def gradient(n: int):
    """Mean magnitude over the populations and its gradient with respect to all parameters, in one block."""
    import jax
    import jax.numpy as jnp

    from diffsky_factory.core.plan import plan
    from diffsky_factory.core.random import draw_all, id_words, row_keys
    from diffsky_factory.physics import stages

    given = columns(n)
    order = plan(stages({"merging_monte_carlo": "merging_mean"}), given, ["mag_mean"])
    constants = {kind: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), known()[kind]) for kind in order.constants}
    moving = {kind.__name__: value for kind, value in constants.items() if kind.__name__.endswith("Parameters")}
    fixed = tuple(value for kind, value in constants.items() if kind.__name__ not in moving)
    given = {k: jnp.asarray(v, jnp.float32) if v.dtype.kind == "f" else jnp.asarray(v) for k, v in given.items()}
    words = id_words(np.arange(n))

    def loss(moving, fixed, given, words):
        draws = draw_all(row_keys(1, words), order.draws)
        values = {type(p): p for p in (*moving.values(), *fixed)}
        return jnp.mean(order.run(given, values, draws)["mag_mean"])

    step = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(step(moving, fixed, given, words))


if __name__ == "__main__":
    report({"monte_carlo": monte_carlo, "gradient": gradient, "histories": histories})
