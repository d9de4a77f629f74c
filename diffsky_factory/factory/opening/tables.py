"""Datasets as tables: one row a galaxy, and one column for each label of a further axis, with units."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from diffsky_factory.core.errors import InputError

ROWS_AT_ONCE = 2**18  # of a Parquet row group, chosen: some 100 MB of the columns of the example
LARGEST_TABLE = 16e9  # bytes in memory, chosen: what a large computer holds


def to_table(ds: xr.Dataset, dimension: str):
    """An astropy Table with units and descriptions; attributes in `.meta`."""
    from astropy.table import Column, Table

    _check_size(ds, dimension)
    found = ds.compute()
    made = Table(meta={name: _text(value) for name, value in ds.attrs.items()})
    for name, values in _flat(found, dimension):
        said = values.attrs
        made[name] = Column(np.asarray(values), unit=_unit(said.get("units")), description=said.get("description"))
    return made


def to_pandas(ds: xr.Dataset, dimension: str):
    """A DataFrame, its units by column in `.attrs["units"]`."""
    import pandas as pd

    _check_size(ds, dimension)
    columns = dict(_flat(ds.compute(), dimension))
    frame = pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})
    frame.attrs["units"] = {name: values.attrs.get("units", "") for name, values in columns.items()}
    return frame


def to_parquet(ds: xr.Dataset, dimension: str, path: Path) -> None:
    """A Parquet file, complete or not there; fields carry unit and description, the schema the attributes.

    Raises InputError where the place cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    first = list(_flat(ds.isel({dimension: slice(0, 0)}).compute(), dimension))
    fields = [
        pa.field(
            name,
            pa.from_numpy_dtype(values.dtype),
            nullable=False,
            metadata={key: str(values.attrs[key]) for key in ("units", "description", "ucd") if key in values.attrs},
        )
        for name, values in first
    ]
    schema = pa.schema(fields, metadata={name: _text(value) for name, value in ds.attrs.items()})
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for part in _parts(ds, dimension):
                columns = [pa.array(np.asarray(values)) for _, values in _flat(part.compute(), dimension)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}); choose another place") from error
    finally:
        unfinished.unlink(missing_ok=True)


def parsed(value: Any) -> Mapping:
    """An attribute that has structure, from its text."""
    return json.loads(value) if isinstance(value, str) else value


def _parts(ds: xr.Dataset, dimension: str) -> Iterator[xr.Dataset]:
    for start in range(0, ds.sizes[dimension], ROWS_AT_ONCE):
        yield ds.isel({dimension: slice(start, start + ROWS_AT_ONCE)})


def _flat(ds: xr.Dataset, dimension: str) -> Iterator[tuple[str, xr.DataArray]]:
    """Columns with one value a row, by name; of a further axis, one for each label: `mag_true_lsst_i`."""
    names: set[str] = set()
    for name, values in ds.data_vars.items():
        axes = [axis for axis in values.dims if axis != dimension]
        if dimension not in values.dims:
            continue
        labels = [values[axis].values if axis in values.coords else np.arange(values.sizes[axis]) for axis in axes]
        for place in np.ndindex(*(len(of_axis) for of_axis in labels)):
            which = [_label(of_axis[i]) for of_axis, i in zip(labels, place)]
            flat = "_".join([str(name), *which])
            if flat in names:
                raise InputError(f"two columns would have the name '{flat}'; rename one of them")
            names.add(flat)
            yield flat, values.isel(dict(zip(axes, place))).drop_vars(axes, errors="ignore")


def _label(label: Any) -> str:
    return repr(float(label)) if isinstance(label, float) else str(label)


def _check_size(ds: xr.Dataset, dimension: str) -> None:
    of_rows = sum(values.nbytes for values in ds.data_vars.values() if dimension in values.dims)
    if of_rows > LARGEST_TABLE:
        raise InputError(
            f"{ds.sizes[dimension]:,} rows of {len(ds.data_vars)} columns are {of_rows / 1e9:.0f} GB; choose columns "
            "and rows, or write them to Parquet, some at a time, by ds.sky.to_parquet"
        )


def _unit(text: str | None):
    from astropy import units

    return None if not text else units.Unit(text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
