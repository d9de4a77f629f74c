"""The stages on plain arrays, in memory: for notebooks, tests and fits."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from diffsky_factory.core.columns import called_here, row_numbers
from diffsky_factory.core.columns import columns as known_columns
from diffsky_factory.core.constants import Key, kind_of
from diffsky_factory.core.errors import InputError
from diffsky_factory.core.listed import listed
from diffsky_factory.core.machine import cores
from diffsky_factory.core.plan import NoWriterError, Plan, PlanError, plan
from diffsky_factory.core.provider import needed, providable, provided
from diffsky_factory.core.scopes import split
from diffsky_factory.core.user_warnings import warn
from diffsky_factory.factory.given import given_column
from diffsky_factory.factory.kernel import Kernel, Precision
from diffsky_factory.factory.model import Model
from diffsky_factory.factory.spectra_memory import check_spectra, is_spectral
from diffsky_factory.factory.tables import of_light
from diffsky_factory.physics.light.spectra import SpectrumTable
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.cosmology_check import checked_cosmology
from diffsky_factory.sky.groups import find_hosts, host_rows, last_of_chain

ALIKE = 0.85  # chosen: of two names, so that one is a slip of the other


def evaluate(
    columns: Mapping[str, Any] | xr.Dataset,
    wanted: str | Sequence[str],
    model: Model | None = None,
    *,
    draws: Mapping[str, np.ndarray] | None = None,
    cosmology: Cosmology | None = None,
    block: int = 4096,
    precision: Precision = "float32",
    **changes: Any,
) -> dict[str, np.ndarray]:
    """Wanted columns of galaxies, from the columns that are known of them.

    columns : arrays with one row per galaxy, by column name, in any order; a number stands for as many equal ones. A
              dataset of a box has its redshift.
              `host_row` is the row of the central of the host on top, `penultimate_host_row` that of the satellite it
              fell in with, if any. They follow from `halo_id`, `host_halo_id` and `penultimate_host_halo_id`, where
              these are given; else the host is the own row. `is_central` defaults to the host being the own row.
              Give whole groups: satellites that are not among the rows do not merge into their host, and one whose
              host is not among them is alone. `sum_over_chunks` brings the groups of a cut.
              `galaxy_id` keys the draws (default: halo_id, else the row number), `cosmic_time` follows from `redshift`.
              A given column is used as it is, where a stage would have written it.
    wanted  : name of a column of the schema, or names
    model   : how galaxies follow from halos (default: `Model()`)
    draws   : random numbers by stream name, such as "dust.draw_av", in place of the drawn ones
    changes : fields of the model that are others: bands=["lsst_r"], calibration="cs261020", lines, wavelengths, seed,
              replace, add, constants, ...; see `Model`
    Returns the wanted columns as numpy arrays in the order of the rows given.
    Columns may have units (astropy's, or an attribute `units`), which are converted to those of the schema.
    Raises InputError for unequal lengths, for values that are masked, not finite, of another kind or outside the range
    of the schema, where what comes out is not finite, and for spectra of more than 4 GiB; PlanError for a column that
    cannot be had.
    """
    model = (model or Model()).but(**changes)
    order, known, columns = requested(columns, wanted, model, draws, cosmology)
    # host groups side by side, so that blocks hold whole groups
    host = np.asarray(columns["host_row"])
    rows = np.argsort(host, kind="stable")
    place = np.empty_like(rows)
    place[rows] = np.arange(len(rows))
    arranged = {name: np.asarray(value)[rows] for name, value in columns.items()}
    arranged.update({name: place[arranged[name]] for name in row_numbers(arranged)})
    given = {name: np.asarray(value)[rows] for name, value in (draws or {}).items()}
    kernel = Kernel(order, known, seed=model.seed, block=block, precision=precision, at_once=cores())
    _check_size(kernel, arranged)
    out = kernel(arranged, arranged["galaxy_id"], given)
    out.update({name: rows[out[name]] for name in row_numbers(out)})
    found = {name: value[place] for name, value in out.items()}
    _check_finite(found)
    return found


class Requested(NamedTuple):
    """What a request comes to: stages in order, parameters and tables by key, columns with their defaults."""

    order: Plan
    known: dict[Key, Any]
    columns: dict[str, np.ndarray]


def requested(
    columns: Mapping[str, Any] | xr.Dataset,
    wanted: str | Sequence[str],
    model: Model,
    draws: Mapping[str, np.ndarray] | None = None,
    cosmology: Cosmology | None = None,
) -> Requested:
    """The request of `evaluate`, with its arguments, checked before anything is computed."""
    wanted, cosmology = listed(wanted), checked_cosmology(cosmology or Cosmology(), "cosmology")
    columns = _completed(columns)
    providers = providable(model.providers, columns)
    order = _order(model, {*columns, *(name for one in providers for name in one.writes)}, wanted)
    _warn_of_names(columns, order.reads)
    first = needed(providers, columns, order.reads)
    keys = {*order.constants, *(key for one in first for key in one.constants.values())}
    model.check(keys, ", ".join(wanted))
    if of_light(keys):
        _check_distances(columns)
    redshift_max = float(np.max(columns.get("redshift", 0.1), initial=0.1))
    known = model.known(cosmology, redshift_max, spectra=SpectrumTable in map(kind_of, keys))
    columns = provided(providers, known, columns, order.reads)
    _check_draws(draws or {}, order.draws, len(columns["host_row"]))
    return Requested(order, known, columns)


def _warn_of_names(columns: Iterable[str], reads: Iterable[str]) -> None:
    """Warn of columns that nobody knows and that are written nearly as others are."""
    schema = known_columns()
    for name in set(columns).difference(reads):
        last = split(name)[1]
        alike = [] if last in schema else get_close_matches(last, list(schema), n=1, cutoff=ALIKE)
        if alike:
            warn(f"column '{name}' is not known and not used; did you mean '{alike[0]}'?")


def _order(model: Model, known: set[str], wanted: Sequence[str]) -> Plan:
    """The stages in order; what is missing is named as it is to be given, which may be what a column follows from."""
    try:
        return plan(model.stages(), known, wanted)
    except NoWriterError as error:
        wanted_by = f"'{error.column}', wanted by {error.reader}"
        hints = map(called_here, (error.column, *sorted(known)))
        foreign = next((hint for hint in hints if f"'{error.column}'" in hint), "")
        if foreign:
            raise PlanError(f"no column {wanted_by}{foreign}") from error
        first = next((one for one in model.providers if error.column in one.writes), None)
        if first is None:
            raise
        missing = " and ".join(f"'{name}'" for name in first.reads if name not in known)
        raise PlanError(f"no column {missing}: give it; {wanted_by}, follows from it") from error


def _completed(given: Mapping[str, Any] | xr.Dataset) -> dict[str, np.ndarray]:
    """Columns as arrays of one length, with their defaults; raises InputError for what is none."""
    if not hasattr(given, "items"):
        raise InputError(f"columns by their names are wanted, a mapping or a dataset, not {type(given).__name__}")
    values = {str(name): value for name, value in given.items()}
    attributes = getattr(given, "attrs", {})  # a dataset of a box says its redshift there
    if "redshift" not in values and "redshift" in attributes:
        values["redshift"] = attributes["redshift"]
    columns = {name: given_column(name, value) for name, value in values.items()}
    lengths = {name: len(value) for name, value in columns.items() if value.ndim}
    if not lengths:
        raise InputError("no columns are given; what is known of the galaxies goes in the first argument, as arrays")
    if len(set(lengths.values())) != 1:
        raise InputError(f"columns differ in length: {lengths}")
    n = next(iter(lengths.values()))
    columns = {name: value if value.ndim else np.full(n, value) for name, value in columns.items()}
    own = np.arange(n)
    if "host_row" not in columns and {"halo_id", "host_halo_id"} <= set(columns):
        columns.update(_hosts(columns))
    elif "host_row" not in columns and "host_halo_id" in columns:
        raise InputError("column 'host_halo_id': hosts are found by it among 'halo_id'; give both, or host_row")
    columns.setdefault("host_row", own)
    _check_rows(columns, n)
    columns.setdefault("galaxy_id", columns.get("halo_id", own))
    columns.setdefault("is_central", columns["host_row"] == own)
    return columns


def _check_distances(columns: Mapping[str, np.ndarray]) -> None:
    """Raise InputError for light from no distance, which has no magnitude."""
    at_hand = np.flatnonzero(columns.get("redshift", np.ones(1)) == 0.0)
    if len(at_hand):
        raise InputError(f"column 'redshift', row {at_hand[0]}: 0, where light has no magnitude; give one above 0")


def _check_finite(columns: Mapping[str, np.ndarray]) -> None:
    """Raise InputError, naming column and row, for numbers that came out not finite."""
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InputError(f"column '{name}', row {row}: comes out not finite; what is given in that row?")


def _hosts(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows of hosts from their ids, and which are centrals where it is not given: those that are their own host."""
    ids, of = columns["halo_id"], columns["host_halo_id"]
    if len(np.unique(ids)) < len(ids):
        raise InputError("column 'halo_id': an id is there twice; give host_row in place of ids of hosts")
    central = np.asarray(columns.get("is_central", of == ids), bool)
    return {**host_rows(dict(columns), find_hosts(ids, of, central)), "is_central": central}


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
