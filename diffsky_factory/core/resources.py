"""Where the project's own data files are: `schemas/` and `catalogs/`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def resource(*parts: str) -> Path:
    """Path of a file or folder below `schemas/` or `catalogs/`.

    A wheel carries the two folders inside the package; an editable install has them one folder up.
    Raises FileNotFoundError, naming both places, where neither has it.
    """
    places = [PACKAGE.joinpath(*parts), PACKAGE.parent.joinpath(*parts)]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"no {'/'.join(parts)}; looked in {places[0]} and {places[1]}: reinstall diffsky_factory")
