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
    from diffsky_factory.physics.light.lines import LineTable
    from diffsky_factory.physics.light.photometry import BandTable
    from diffsky_factory.physics.light.spectra import SpectrumTable
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
    lines = LineTable(t["line_wavelength"], t["line_luminosity"].transpose(0, 2, 1))
    by_age = np.ascontiguousarray(t["flux"].swapaxes(0, 1), np.float32)
    spectra = SpectrumTable(t["wavelength"], t["wavelength"], by_age, nodes, np.ones((len(nodes), 1)))
    constants = load_calibration("default_merging").by_class()
    constants[Cosmology] = Cosmology()
    constants[TimeGrid] = time_grid(Cosmology())
    constants[TemplateGrid] = TemplateGrid(ssp.log10_age, ssp.log10_metallicity)
    return {**constants, BandTable: bands, LineTable: lines, SpectrumTable: spectra}


def columns(n: int) -> dict[str, np.ndarray]:
    """The population in our words, in the order of a mock: by redshift, host groups side by side."""
    from diffsky_factory.physics.halos.growth import HaloGrowth
    from diffsky_factory.sky.cosmology import Cosmology, age_64

    g = population.galaxies(n)
    rows = np.lexsort((g["host_row"], g["redshift"]))
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


def run_kernel(n: int, wanted, block: int = 16384, given=None):
    """A callable that computes the wanted columns of n galaxies."""
    from diffsky_factory.core.machine import cores
    from diffsky_factory.core.plan import plan
    from diffsky_factory.factory.kernel import Kernel
    from diffsky_factory.physics import stages

    given = given or columns(n)
    order = plan(stages(), given, wanted)
    kernel = Kernel(order, known(), seed=1, block=min(block, -(-n // cores())), at_once=cores())
    ids = np.arange(n)
    return lambda: kernel(given, ids)


def monte_carlo(n: int):
    """Halo growth to merged magnitudes of the drawn population."""
    return run_kernel(n, ["mag_true", "log10_stellar_mass", "log10_ssfr"])


def components(n: int):
    """The same with magnitudes and lines of disk, bulge and knots."""
    return run_kernel(n, ["mag_true", "line_luminosity", "component_mag", "component_line_luminosity"])


def spectra(n: int):
    """Spectra at rest, after merging."""
    return run_kernel(n, ["spectrum_rest"], block=2048)


def histories(n: int):
    """Halo growth to star formation histories and stellar masses of the drawn population, at 100 times."""
    return run_kernel(n, ["log10_sfr_history", "log10_stellar_mass_history"])


GRADIENT_BLOCK = 8192


def gradient(n: int):
    """Mean magnitude over the populations and its gradient with respect to all parameters, block by block."""
    from concurrent.futures import ThreadPoolExecutor

    import jax
    import jax.numpy as jnp

    from diffsky_factory.core.machine import cores
    from diffsky_factory.core.plan import plan
    from diffsky_factory.core.random import draw_all, row_keys
    from diffsky_factory.factory.kernel import blocks
    from diffsky_factory.physics import stages

    given, tables = columns(n), known()
    order = plan(stages({"merging_monte_carlo": "merging_mean"}), given, ["mag_mean"])
    constants = {kind: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tables[kind]) for kind in order.constants}
    moving = {kind.__name__: value for kind, value in constants.items() if kind.__name__.endswith("Parameters")}
    fixed = tuple(value for kind, value in constants.items() if kind.__name__ not in moving)

    def loss(moving, fixed, given, words, weight):
        draws = draw_all(row_keys(1, words), order.draws)
        values = {type(p): p for p in (*moving.values(), *fixed)}
        return jnp.sum(weight[:, None] * order.run(given, values, draws)["mag_mean"]) / n

    step = jax.jit(jax.value_and_grad(loss))
    parts = [padded(given, rows) for rows in blocks(given["host_row"], GRADIENT_BLOCK)]

    def one(part):
        return step(moving, fixed, *part)

    def whole():
        with ThreadPoolExecutor(cores()) as pool:
            found = list(pool.map(one, parts))
        return jax.block_until_ready(jax.tree.map(lambda *x: sum(x), *found))

    return whole


def padded(given, rows):
    """A block of GRADIENT_BLOCK rows in 32 bits, its ids, and weights that leave out its padding."""
    import jax.numpy as jnp

    from diffsky_factory.core.random import id_words

    n = rows.stop - rows.start
    take = np.concatenate([np.arange(rows.start, rows.stop), np.full(GRADIENT_BLOCK - n, rows.start)])
    block = {name: value[take] for name, value in given.items()}
    block["host_row"] = np.where(
        np.arange(GRADIENT_BLOCK) < n, block["host_row"] - rows.start, np.arange(GRADIENT_BLOCK)
    )
    block = {k: jnp.asarray(v, jnp.float32) if v.dtype.kind == "f" else jnp.asarray(v) for k, v in block.items()}
    return block, id_words(take), jnp.asarray(np.arange(GRADIENT_BLOCK) < n, jnp.float32)


CASES = {
    "monte_carlo": monte_carlo,
    "gradient": gradient,
    "components": components,
    "spectra": spectra,
    "histories": histories,
}

if __name__ == "__main__":
    report(CASES)
