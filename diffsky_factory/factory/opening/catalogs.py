"""Catalogs by name or path: how to open them."""

from pathlib import Path
from typing import Any

import xarray as xr

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.user_files import user_file
from diffsky_factory.factory.opening.datasets import is_saved, open_saved, open_store
from diffsky_factory.factory.opening.mock import make_halos
from diffsky_factory.inputs.entries import entry_names
from diffsky_factory.outputs.commits import FIRST, Verify
from diffsky_factory.outputs.halo_store import is_halo_store
from diffsky_factory.outputs.store import is_store


def open_catalog(
    name: str | Path,
    *,
    part: str | None = None,
    allow_partial: bool = False,
    verify: Verify = FIRST,
    **options: Any,
) -> xr.Dataset:
    """A catalog as a lazy xarray dataset.

    name    : path of a store (galaxies), or of what was cut from one and saved by xarray; name of a simulation or path
              of one of its files (halos)
    part    : of a store, such as "photometry/roman"; galaxies without it. `open_tree` opens all of them
    verify  : of a store of galaxies or fits, when the checksum of a file is compared with what was committed: at the
              "first" read of it in a process, "always", or "never", when damage shows only where a file is missing, is
              cut off or cannot be decoded
    options : for halos, fields of a recipe that choose them: region, redshift, halo_mass_min, tiles, seed, box_size
    Galaxies have the dimension `galaxy`, halos `halo`. A box opens as it is, of several snapshots with the redshift of
    one, and with a range as the light cone of its copies; `ds.sky` and `ds.box` know where the rows are.
    A store that is not complete opens with allow_partial=True, and then shows its committed tiles.
    Raises InputError where there is no such catalog, listing near matches, or where it is damaged.
    """
    path = user_file(name, folders=True)
    if is_store(path) and not is_halo_store(path):
        if options:
            raise InputError(f"{path}: a store takes no option {', '.join(options)}; select from the dataset")
        return open_store(path, part=part, allow_partial=allow_partial, verify=verify)
    if part is not None:
        raise InputError(f"{name}: is no store of galaxies or fits, and has no part '{part}'")
    if verify != FIRST:
        raise InputError(f"{name}: is no store of galaxies or fits; verify={verify!r} is for these")
    if is_saved(path):
        return open_saved(path)
    if is_halo_store(path):
        return make_halos({"name": path.stem, "simulation": str(name), "bands": (), "columns": ()}, **options)
    if path.is_dir() and str(name) not in entry_names("simulations"):
        return open_store(path)
    if str(name) in entry_names("simulations") or path.is_file():
        return make_halos({"name": path.stem, "simulation": str(name), "bands": (), "columns": ()}, **options)
    if str(name) in entry_names("recipes"):
        raise InputError(f"'{name}' is a recipe: open it with make_mock('{name}'), store it with build('{name}', path)")
    raise InputError(f"no catalog {str(name)!r}, and no such path; {near(str(name), entry_names('simulations'))}")
