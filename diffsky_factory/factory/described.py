"""What the words of the model mean, as tables: columns, stages, parameters, bands and emission lines."""

import inspect

import pandas as pd

from diffsky_factory.core import columns as schema
from diffsky_factory.core.errors import InputError, near
from diffsky_factory.factory.model import Model
from diffsky_factory.factory.providers import PROVIDERS
from diffsky_factory.inputs.entries import KINDS, entry_names
from diffsky_factory.inputs.filter_sets import set_curve, set_entry
from diffsky_factory.inputs.parameter_table import parameters
from diffsky_factory.inputs.templates import load_templates
from diffsky_factory.physics import RIVALS, STAGES, stages


def columns() -> pd.DataFrame:
    """The columns that a mock can hold, one a row.

    Columns of the table
        name, unit : of the column; the unit is text that astropy reads, "" for a pure number
        type, axes : of the array; axes besides the rows, separated by commas
        lo, hi     : range of its values, in its unit
        meaning    : in words
        elsewhere  : what other software calls it; errors tell the name here
        writer     : stage or provider that computes it; "" where it comes with the halos
    Raises InputError, naming the file, for a schema of one's own that cannot be read.
    """
    writers = {name: one.name for one in (*RIVALS, *PROVIDERS, *stages()) for name in one.writes}
    rows = [
        {
            "name": name,
            "unit": column.unit,
            "type": column.dtype,
            "axes": ", ".join(column.axes),
            "lo": column.range[0],
            "hi": column.range[1],
            "meaning": " ".join([column.description, column.convention]).strip(),
            "elsewhere": ", ".join(f"{alias} ({peer})" for peer, alias in column.aliases.items()),
            "writer": writers.get(name, ""),
        }
        for name, column in schema.columns().items()
    ]
    return pd.DataFrame(rows)


def bands() -> pd.DataFrame:
    """The bands that are pinned, one a row, by set.

    Columns of the table
        name, set  : of the band, as in recipes
        wavelength : effective, as observed [Angstrom]
        lo, hi     : ends of its curve [Angstrom]
        meaning    : what the set is
        includes   : what the light passed through
    Raises InputError where a set of one's own, or its file of curves, cannot be used.
    """
    rows = []
    for name in entry_names("filters"):
        entry = set_entry(name)
        for curve in (set_curve(name, band) for band in entry.bands):
            ends = {"lo": curve.wavelength[0], "hi": curve.wavelength[-1]}
            numbers = {"wavelength": curve.effective_wavelength, **ends}
            rows.append(
                {"name": curve.name, "set": name, **numbers, "meaning": entry.title, "includes": entry.includes}
            )
    return pd.DataFrame(rows)


def lines(templates: str = Model.templates) -> pd.DataFrame:
    """The emission lines of templates, one a row; recipes take either of their names, which is then the line's label.

    Columns of the table
        name, alias : as the templates name it, and its common name, "" where it has none
        wavelength  : at rest [Angstrom]
        templates   : whose line it is
    Raises InputError for unknown templates, listing near matches.
    """
    found = load_templates(templates)
    common = {name: alias for alias, name in found.line_aliases.items()}
    rows = [(name, common.get(name, ""), at, found.name) for name, at in zip(found.line_name, found.line_wavelength)]
    return pd.DataFrame(rows, columns=["name", "alias", "wavelength", "templates"])


def described(name: str) -> str:
    """What a name means, of every kind of word that has it; raises InputError for none, listing near matches."""
    tables = {"column": columns(), "stage": _stages(), "parameter": parameters(), "band": bands(), "line": lines()}
    known = {word for table in tables.values() for field in _NAMES if field in table for word in table[field]}
    known |= {entry for kind in KINDS for entry in entry_names(kind)}
    found = [
        _paragraph(kind, row)
        for kind, table in tables.items()
        for row in table.to_dict("records")
        if name in [row.get(field) for field in _NAMES]
    ]
    if not found:
        hint = schema.called_here(name).removeprefix("; ") or near(name, sorted(known - {""}))
        raise InputError(f"no entry or word {name!r}; {hint}")
    return "\n\n".join(found)


_NAMES = ("name", "alias", "group")  # fields of a table by which a row is found
_UNITS = {"band": "Angstrom", "line": "Angstrom"}


def _stages() -> pd.DataFrame:
    """The stages of the model, their rivals, and the providers: what each replaces, reads and writes, and says."""
    rows = []
    for one in (*stages(), *RIVALS, *PROVIDERS):
        of = [stage.name for stage in STAGES if one in RIVALS and set(stage.writes) <= set(one.writes)]
        words = {"replaces": of, "reads": one.reads, "writes": one.writes}
        joined = {field: ", ".join(names) for field, names in words.items()}
        rows.append({"name": one.name, **joined, "meaning": inspect.getdoc(one.function) or ""})
    return pd.DataFrame(rows)


def _paragraph(kind: str, row: dict) -> str:
    """A row of a table, a field a line; without those that are empty."""
    said = {field: value for field, value in row.items() if field not in ("name", "lo", "hi") and value != ""}
    if "lo" in row:
        said["range"] = f"{row['lo']:g} to {row['hi']:g}"
    if kind in _UNITS:
        said["unit"] = f"{_UNITS[kind]}, of wavelengths"
    return f"{kind} {row['name']}\n" + "\n".join(_field(field, value) for field, value in said.items())


def _field(name: str, value: object) -> str:
    first, *more = (f"{value:.6g}" if isinstance(value, float) else str(value)).splitlines() or [""]
    return "\n".join([f"  {name}: {first}", *(f"  {line}".rstrip() for line in more)])
