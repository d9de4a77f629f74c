"""Sets of filter curves: entries of `catalogs/filters`, each with its curves in a file beside it, pinned by hash."""

from pathlib import Path

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import kept_while_unchanged, note
from diffsky_factory.inputs.curve_tables import Curves, read_curves
from diffsky_factory.inputs.entries import Record, Reference, checked, entry_path, read_yaml
from diffsky_factory.inputs.filter_curves import FilterCurve, curve_sha256


class Source(Record):
    """The package from which the curves of a set were taken; texts of licences are in `catalogs/filters/licenses`."""

    package: str
    version: str
    license: str


class Band(Record):
    """One band of a filter set: the hash of its curve, as `curve_sha256` gives it, and its name in the source."""

    curve: str | None = None
    sha256: str


class FilterSetEntry(Record):
    """An entry of `catalogs/filters`."""

    title: str
    file: str  # of the curves, beside the entry
    source: Source | None = None
    reference: Reference
    retrieved: str
    includes: str  # what the light passed through: atmosphere, optics, detector
    bands: dict[str, Band]


def set_entry(name: str) -> FilterSetEntry:
    """The entry of a set, as it is now."""
    path = entry_path("filters", name)
    return _entry(path)


def set_curve(set_name: str, band: str) -> FilterCurve:
    """The curve of a band of a set; raises InputError where the file of curves has not the one that is pinned."""
    entry, entry_file = set_entry(set_name), entry_path("filters", set_name)
    file = entry_file.with_name(entry.file)
    curves = _curves(file)
    name = f"{set_name}_{band}"
    if band not in curves:
        raise InputError(f"filter {name!r}: {file} has no curve {band!r}; restore it (reinstall diffsky_factory)")
    found, pinned = curve_sha256(*curves[band]), entry.bands[band].sha256
    if found != pinned:
        raise InputError(
            f"filter {name!r}: {file} has another curve (sha256 {found}) than {entry_file} pins (sha256 {pinned}): "
            "the file is damaged or was replaced; restore it (reinstall diffsky_factory) or, if the change is meant, "
            "update the entry"
        )
    return FilterCurve(name, *curves[band], f"{entry.title}; {entry.includes}")


@kept_while_unchanged(64)
def _entry(path: Path) -> FilterSetEntry:
    return checked(FilterSetEntry, read_yaml(path), path)


@kept_while_unchanged(64)
def _curves(path: Path) -> Curves:
    note(path)
    return read_curves(path)
