"""Freeze the filter curves of `catalogs/filters`: take them from the packages that their entries name.

    pip install "diffsky_factory[filters]"
    python -m diffsky_factory.inputs.freeze_filters [SET ...]

Writes the file of curves of each set, or of all, and prints the hash of every curve that its entry does not have.
"""

import argparse

from diffsky_factory.inputs.curve_tables import write_curves
from diffsky_factory.inputs.entries import entry_names, entry_path
from diffsky_factory.inputs.filter_curves import curve_sha256
from diffsky_factory.inputs.filter_sets import set_entry
from diffsky_factory.inputs.package_curves import read_package_curve


def freeze(name: str) -> None:
    """Write the curves of a set beside its entry; say which are not those that it pins."""
    entry, path = set_entry(name), entry_path("filters", name)
    if entry.source is None:
        print(f"{path}: names no source; left as it is")
        return
    package = entry.source.package
    curves = {band: read_package_curve(package, one.curve) for band, one in entry.bands.items() if one.curve}
    write_curves(path.with_name(entry.file), curves)
    for band, curve in curves.items():
        found = curve_sha256(*curve)
        if found != entry.bands[band].sha256:
            print(f"{path}: {band}: its sha256 is now {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help="names of entries of catalogs/filters; default all")
    for name in parser.parse_args().sets or entry_names("filters"):
        freeze(name)


if __name__ == "__main__":
    main()
