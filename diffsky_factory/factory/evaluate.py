"""The stages on plain arrays, in memory: for notebooks, tests and fits."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffsky_factory.core.columns import row_numbers
from diffsky_factory.core.constants import Key, held, kind_of, said
from diffsky_factory.core.errors import InputError, did_you_mean
from diffsky_factory.core.machine import cores
from diffsky_factory.core.plan import Plan, plan
from diffsky_factory.core.scopes import split
from diffsky_factory.core.stage import Stage
from diffsky_factory.factory.kernel import Kernel, Precision
from diffsky_factory.factory.sizes import check_spectra, is_spectral
from diffsky_factory.factory.tables import DEFAULT_IGM, check_templates, tables
from diffsky_factory.inputs.calibrations import Calibration, load_calibration
from diffsky_factory.inputs.filters import Bands
from diffsky_factory.inputs.halo_growth import halo_growth_parameters
from diffsky_factory.inputs.simulations.arrange import last_of_chain
from diffsky_factory.physics import default_parameters, stages
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.distance_table import age_at


def evaluate(
    columns: Mapping[str, np.ndarray],
    wanted: Sequence[str],
    *,
    calibration: str | Calibration = "c260710",
    draws: Mapping[str, np.ndarray] | None = None,
    bands: Bands = (),
    lines: Sequence[str] = (),
    wavelengths: tuple[float, float] | None = None,
    templates: str = "bc03_miles_kroupa",
    igm: str = DEFAULT_IGM,
    cosmology: Cosmology | None = None,
    replace: Mapping[str, str | Stage] | None = None,
    add: Sequence[str | Stage] = (),
    constants: Sequence[Any] | Mapping[Key, Any] = (),
    seed: int = 0,
    block: int = 4096,
    precision: Precision = "float32",
) -> dict[str, np.ndarray]:
    """Wanted columns of galaxies, from the columns that are known of them.

    columns     : arrays with one row per galaxy, by column name, in any order. `host_row` is the row of the central of
                  the host on top (default: its own), `penultimate_host_row` that of the satellite it fell in with, if
                  any; `galaxy_id` keys the draws (default: the row number), `is_central` defaults to host_row being
                  the own row, `cosmic_time` follows from `redshift`.
                  A given column is used as it is, where a stage would have written it.
    wanted      : names of columns of the schema
    draws       : random numbers by stream name, such as "dust.draw_av", in place of the drawn ones
    bands       : for columns with a band axis: names of filters, such as "lsst_r", of sets, such as "lsst", and curves
                  of one's own, such as {"mine": (wavelength, transmission)}; all of `inputs.filters.band_list`
    lines       : names of emission lines, such as "Halpha", or ("all",), for columns with a line axis
    wavelengths : range [Angstrom] of columns with a wavelength axis, which are at the points of the templates in it
                  (`factory.tables.spectrum_wavelengths`); all of them without a range
    igm         : absorption between galaxies, as in `inputs.igm`; "none" for none
    replace     : rival stages, such as {"merging_monte_carlo": "merging_mean"}; one of your own as it is, or by its
                  path "module:attribute"
    add         : stages besides those of the model, given or by their paths; under a scope their columns have its name:
                  add=["lsst_y10/my_survey:noise"] writes "lsst_y10/mag_obs"
    constants   : parameter tuples or tables (TimeGrid, BandTable, ...) in place of those found by name; those of a
                  scope by type and scope: {(Noise, "lsst_y10"): Noise(26.8), Noise: Noise(25.0)}
    Returns the wanted columns as numpy arrays in the order of the rows given.
    Raises InputError for unequal lengths, values that are not finite or spectra of more than 4 GiB, PlanError for a
    column that cannot be had.
    """
    order, known, columns = requested(
        *(columns, wanted, calibration, draws, bands, lines, wavelengths, templates, igm, cosmology),
        *(replace, add, constants),
    )
    # host groups side by side, so that blocks hold whole groups
    host = np.asarray(columns["host_row"])
    rows = np.argsort(host, kind="stable")
    place = np.empty_like(rows)
    place[rows] = np.arange(len(rows))
    arranged = {name: np.asarray(value)[rows] for name, value in columns.items()}
    arranged.update({name: place[arranged[name]] for name in row_numbers(arranged)})
    given = {name: np.asarray(value)[rows] for name, value in (draws or {}).items()}
    kernel = Kernel(order, known, seed=seed, block=block, precision=precision, at_once=cores())
    _check_size(kernel, arranged)
    out = kernel(arranged, arranged["galaxy_id"], given)
    out.update({name: rows[out[name]] for name in row_numbers(out)})
    return {name: value[place] for name, value in out.items()}


class Requested(NamedTuple):
    """What a request comes to: stages in order, parameters and tables by key, columns with their defaults."""

    order: Plan
    known: dict[Key, Any]
    columns: dict[str, np.ndarray]


def requested(
    columns, wanted, calibration, draws, bands, lines, wavelengths, templates, igm, cosmology, replace, add, constants
) -> Requested:
    """The request of `evaluate`, with its arguments, checked before anything is computed."""
    cosmology = cosmology or Cosmology()
    columns = _completed(columns, cosmology)
    model = stages(replace, add=add)
    order = plan(model, columns, wanted)
    calibration = load_calibration(calibration) if isinstance(calibration, str) else calibration
    redshift_max = float(np.max(columns.get("redshift", 0.1), initial=0.1))
    kinds = {kind_of(key) for key in order.constants}
    known = {
        **default_parameters(model),
        **halo_growth_parameters(),  # of histories for halos that come without one
        **calibration.by_class(),
        **tables(templates, bands, cosmology, redshift_max, igm, lines, wavelengths, SpectrumTable in kinds),
        **_by_key(constants, model),
    }
    unknown = [key for key in order.constants if held(key, known) is None]
    check_templates([kind_of(key) for key in unknown], templates)
    missing = [said(key) for key in unknown]
    if missing:
        raise InputError(
            f"{', '.join(wanted)}: needs {', '.join(missing)}; give bands=, lines=, calibration= or constants="
        )
    _check_draws(draws or {}, order.draws, len(columns["host_row"]))
    return Requested(order, known, columns)


def _by_key(constants: Sequence[Any] | Mapping[Key, Any], model: Sequence[Stage]) -> dict[Key, Any]:
    """Constants by key; raises InputError for a key that is none of its value, or of a scope that no stage is under."""
    if not isinstance(constants, Mapping):
        return {type(value): value for value in constants}
    scopes = sorted({stage.scope for stage in model} - {""})
    for key, value in constants.items():
        scope = key[1] if isinstance(key, tuple) and len(key) == 2 else ""
        if key not in (type(value), (type(value), scope)):
            raise InputError(f"constants: {key!r} stands before a {type(value).__name__}, in place of its type")
        if scope and scope not in scopes:
            hint = did_you_mean(scope, scopes) or f"; there are {', '.join(scopes) or 'none'}"
            raise InputError(f"constants: no stage is under the scope '{scope}'{hint}")
    return dict(constants)


def _completed(columns: Mapping[str, np.ndarray], cosmology: Cosmology) -> dict[str, np.ndarray]:
    columns = {name: np.asarray(value) for name, value in columns.items()}
    for name, value in columns.items():
        if value.ndim == 0 or value.dtype.kind not in "biuf":
            raise InputError(f"column '{name}': an array of numbers with one row per galaxy is wanted")
    if not columns:
        raise InputError("no columns are given; what is known of the galaxies goes in the first argument")
    lengths = {name: len(value) for name, value in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"columns differ in length: {lengths}")
    n = next(iter(lengths.values()))
    for name, value in columns.items():
        if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
            first = int(np.argwhere(~np.isfinite(value))[0][0])
            raise InputError(f"column '{name}', row {first}: not finite; drop or mend the row")
    own = np.arange(n)
    columns.setdefault("host_row", own)
    _check_rows(columns, n)
    columns.setdefault("galaxy_id", own)
    columns.setdefault("is_central", columns["host_row"] == own)
    columns.setdefault("satellite_weight", np.ones(n))
    columns.setdefault("weight", np.ones(n))
    if "redshift" in columns:
        if n and np.min(columns["redshift"]) < 0:
            raise InputError(f"column 'redshift', row {int(np.argmin(columns['redshift']))}: negative")
        columns.setdefault("cosmic_time", age_at(cosmology, columns["redshift"]))
    return columns


def _check_rows(columns: Mapping[str, np.ndarray], n: int) -> None:
    """Raise InputError where a column of row numbers does not lead to the host on top, and no further."""
    counting = row_numbers(columns)
    for name in counting:
        values = columns[name]
        if values.dtype.kind not in "iu" or (n and (values.min() < 0 or values.max() >= n)):
            raise InputError(f"column '{name}': row numbers from 0 to {n - 1} are wanted")
    top = columns["host_row"]
    if np.any(top[top] != top):
        raise InputError("column 'host_row': a host is itself hosted; give the row of the host at the top")
    for name in counting:
        for hosts in columns[name].reshape(n, int(np.prod(columns[name].shape[1:]))).T:
            for wrong, what in (
                (top[hosts] != top, "is in the group of another host"),
                (last_of_chain(hosts) != top, "begins a chain of hosts that does not end at the host on top"),
            ):
                if np.any(wrong):
                    row = int(np.argmax(wrong))
                    raise InputError(
                        f"column '{name}', row {row}: {hosts[row]} {what}, row {top[row]}; "
                        f"give {top[row]} where no other host is known"
                    )


def _check_size(kernel: Kernel, columns: Mapping[str, np.ndarray]) -> None:
    """Raise InputError where the spectra that a kernel would give are too many."""
    if any(is_spectral(split(name)[1]) for name in kernel.plan.wanted):
        shapes = kernel.template({name: columns[name] for name in kernel.plan.reads})
        points: dict[str, int] = {}
        for name, (shape, _) in shapes.items():
            if is_spectral(last := split(name)[1]):
                points[last] = points.get(last, 0) + int(np.prod(shape))
        remedies = "give fewer galaxies at a time", "or a range of wavelengths: wavelengths=(low, high)"
        check_spectra("evaluate", len(columns["host_row"]), points, remedies)


def _check_draws(given: Mapping[str, np.ndarray], known: Mapping[str, Any], n: int) -> None:
    for name, value in given.items():
        if name not in known:
            raise InputError(f"no draw '{name}' in this request; there are {', '.join(sorted(known)) or 'none'}")
        if np.shape(value) != (n, *known[name].shape):
            raise InputError(f"draw '{name}' has shape {np.shape(value)}, not {(n, *known[name].shape)}")
