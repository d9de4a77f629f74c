"""Make spectra, lines and gradients of diffsky 0.3, called as a black box on the galaxies of the photometry files.

`data/sed_<tag>.npz`, `data/lines_<tag>.npz` and `data/phot_<tag>_grad.npz`, for the reference's photometry files of the
same tag. Needs those, and the extra `peers`: `NPROC=4 python -m tests.agreement.make_spectra`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tests.agreement.golden import load
from tests.reference import parameters_of

FOLDER = Path(__file__).resolve().parent / "data"
TAGS = ("default", "cs261020")
SEED = 42  # with which the photometry files were made
N_SPECTRA = 20  # galaxies: a half of the first rows, which are centrals, and a half of the last, which are satellites
EVERY = 8  # of the points of a spectrum
LINES = (10, 45, 72)  # of the peer's 166: from the ultraviolet to the near infrared


def reference_names() -> list[str]:
    """Names of the parameters in the published order."""
    from diffsky.param_utils import diffsky_param_wrapper_merging as wrapper

    return list(wrapper.get_flat_param_names())


def parameters(tag: str):
    """Parameter collection of a calibration, as the peer has it."""
    import jax.numpy as jnp
    from diffsky.param_utils import diffsky_param_wrapper_merging as wrapper

    values = parameters_of(tag)
    flat = jnp.array([float(values[name]) for name in reference_names()])
    return wrapper.get_param_collection_from_flat_array(flat)


def given(golden: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> dict[str, Any]:
    """Inputs of the file's galaxies by the peer's names of arguments, each row of a choice its own host."""
    import jax.numpy as jnp
    from diffmah import DEFAULT_MAH_PARAMS
    from diffstar.defaults import FB
    from dsps.cosmology import DEFAULT_COSMOLOGY
    from dsps.data_loaders.retrieve_fake_fsps_data import load_fake_ssp_data

    names = ("z_obs", "t_obs", "logmp_infall", "logmhost_infall", "t_infall", "is_central")
    known = {name: jnp.asarray(golden[name])[rows] for name in names}
    every = isinstance(rows, slice)
    return {
        **known,
        "sat_weights": jnp.asarray(golden["sat_weight"])[rows],
        "halo_indx": jnp.asarray(golden["halo_indx"]) if every else jnp.arange(len(rows)),
        "mah_params": DEFAULT_MAH_PARAMS._make(
            [jnp.asarray(golden[f"mah_{field}"])[rows] for field in DEFAULT_MAH_PARAMS._fields]
        ),
        "ssp_data": load_fake_ssp_data(),
        "cosmo_params": DEFAULT_COSMOLOGY,
        "fb": FB,
        "mc_merge": 0,
    }


def models(p) -> dict[str, Any]:
    """Parameters by the peer's names of arguments."""
    names = ("mzr_params", "spspop_params", "scatter_params", "ssperr_params", "merging_params")
    return {name: getattr(p, name) for name in names}


def called(function, arguments: dict[str, Any], *leading):
    """The peer's function with leading arguments, and the others by their names, in its own order."""
    import inspect

    names = [
        name
        for name, parameter in inspect.signature(inspect.unwrap(function)).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    return function(*leading, *(arguments[name] for name in names[len(leading) :]))


def magnitude_tables(golden: dict[str, np.ndarray], ssp) -> dict[str, Any]:
    """The peer's tables of templates through the reference's bands."""
    from collections import namedtuple

    import jax.numpy as jnp
    from diffsky.experimental import precompute_ssp_phot
    from dsps.cosmology import DEFAULT_COSMOLOGY
    from dsps.data_loaders.load_filter_data import TransmissionCurve

    inputs = load("golden", "fake_inputs.npz")
    pairs = list(zip(inputs["band_wave"], inputs["band_trans"]))
    curves = namedtuple("Curves", [f"band_{i}" for i in range(len(pairs))])(*[TransmissionCurve(*c) for c in pairs])
    nodes = golden["z_phot_table"]
    table = precompute_ssp_phot.get_precompute_ssp_mag_redshift_table(curves, ssp, nodes, DEFAULT_COSMOLOGY)
    return {
        "precomputed_ssp_mag_table": jnp.asarray(table),
        "z_phot_table": jnp.asarray(nodes),
        "wave_eff_table": jnp.asarray(golden["wave_eff_table"]),
    }


def spectra(golden: dict[str, np.ndarray], p) -> dict[str, np.ndarray]:
    """Rest-frame spectra of some galaxies, each its own host."""
    import jax.numpy as jnp
    from diffsky.experimental.kernels import mc_randoms, sed_kernels
    from diffstar import DEFAULT_DIFFSTAR_PARAMS

    n = len(golden["z_obs"])
    half = N_SPECTRA // 2
    rows = np.concatenate([np.arange(half), np.arange(n - half, n)])
    drawn = mc_randoms.PhotRandoms(*[jnp.asarray(golden[f"ran_{f}"])[rows] for f in mc_randoms.PhotRandoms._fields])
    merging = mc_randoms.DiffMergeRandoms(jnp.asarray(golden["ran_uran_pmerge"])[rows])
    sfh = DEFAULT_DIFFSTAR_PARAMS._make(
        [jnp.asarray(golden[f"sfhmc_{field}"])[rows] for field in DEFAULT_DIFFSTAR_PARAMS._fields]
    )
    arguments = {**given(golden, rows), **models(p)}
    out = called(sed_kernels._sed_kern, arguments, drawn, merging, sfh)
    out = out[0] if type(out) is tuple else out
    n_wave = len(arguments["ssp_data"].ssp_wave)
    [name] = [name for name in out._fields if name in ("rest_sed", "sed")]
    spectrum = np.asarray(getattr(out, name))
    assert spectrum.shape == (len(rows), n_wave)
    return {
        "row": rows,
        "wavelength": np.asarray(arguments["ssp_data"].ssp_wave)[::EVERY],
        "rest_sed_lsun_per_hz": spectrum[:, ::EVERY].astype(np.float32),
    }


def lines_of(ssp, chosen):
    """Templates with a few of the peer's lines."""
    from collections import namedtuple

    wavelengths = ssp.ssp_emline_wave
    few = namedtuple("Lines", [wavelengths._fields[i] for i in chosen])(*[wavelengths[i] for i in chosen])
    return ssp._replace(ssp_emline_wave=few, ssp_emline_luminosity=ssp.ssp_emline_luminosity[:, :, list(chosen)])


def luminosities(golden: dict[str, np.ndarray], p) -> dict[str, np.ndarray]:
    """Log of luminosities [dex(erg/s)] of a few lines of all galaxies, merged smoothly, with their templates."""
    import jax
    import jax.numpy as jnp
    from diffsky.experimental.kernels import photline_kernels

    known = given(golden)
    ssp = lines_of(known["ssp_data"], LINES)
    wavelength = np.array([float(w) for w in ssp.ssp_emline_wave])
    arguments = {
        **known,
        **models(p),
        **magnitude_tables(golden, ssp),
        "ssp_data": ssp,
        "line_wave_table": jnp.asarray(wavelength),
        "diffstarpop_params": p.diffstarpop_params,
    }
    out = called(photline_kernels._mc_photline_kern_merging, arguments, jax.random.key(SEED))
    found = {}
    for part in out if type(out) is tuple else (out,):
        for name in getattr(part, "_fields", ()):
            if name.startswith("linelum"):
                found[name] = np.log10(np.asarray(getattr(part, name))).astype(np.float32)
    assert found
    return {
        **found,
        "wavelength": wavelength,
        "template_luminosity": np.asarray(ssp.ssp_emline_luminosity).astype(np.float32),
    }


def gradients(golden: dict[str, np.ndarray], p) -> dict[str, np.ndarray]:
    """Mean of the weighted magnitudes, merged smoothly, and its derivatives by the 216 parameters."""
    import jax
    import jax.numpy as jnp
    from diffsky.experimental.kernels import phot_kernels
    from diffsky.param_utils import diffsky_param_wrapper_merging as wrapper

    known = given(golden)
    known.update(magnitude_tables(golden, known["ssp_data"]))

    def loss(flat):
        p = wrapper.get_param_collection_from_flat_array(flat)
        arguments = {**known, **models(p), "diffstarpop_params": p.diffstarpop_params}
        out = called(phot_kernels._mc_phot_kern_merging, arguments, jax.random.key(SEED))
        out = out[0] if type(out) is tuple else out
        return jnp.mean(out.obs_mags_weighted)

    flat = wrapper.unroll_param_collection_into_flat_array(*p)
    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(flat))
    assert abs(float(value) - golden["mc0_obs_mags_weighted"].mean()) < 1e-9
    return {"loss": np.asarray(value), "gradient": np.asarray(gradient), "name": np.array(reference_names())}


def main() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    for tag in TAGS:
        golden, p = load("golden", f"phot_{tag}.npz"), parameters(tag)
        np.savez_compressed(FOLDER / f"sed_{tag}.npz", **spectra(golden, p))
        np.savez_compressed(FOLDER / f"lines_{tag}.npz", **luminosities(golden, p))
        np.savez_compressed(FOLDER / f"phot_{tag}_grad.npz", **gradients(golden, p))


if __name__ == "__main__":
    main()
