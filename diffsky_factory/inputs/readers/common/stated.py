"""What an entry of a simulation states, as a reader may use it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import near
from diffsky_factory.inputs.readers.reader import SimulationEntry, agreed_cosmology
from diffsky_factory.sky.cosmology import Cosmology


def only_file(files: tuple[Path, ...], entry: SimulationEntry, why: str) -> Path:
    """The file of a product that is one file; raises InputError where there are none or several."""
    if len(files) != 1:
        raise InputError(
            f"simulation '{entry.name}': {len(files)} files ({', '.join(map(str, files[:3]))}..): {why}; "
            "name one file in its entry"
        )
    return Path(files[0])


def stated_cosmology(entry: SimulationEntry, source: object) -> Cosmology:
    """The cosmology of a product whose files have none; raises InputError where the entry does not give Om0 and h."""
    absent = [name for name in ("Om0", "h") if name not in entry.cosmology]
    if absent:
        raise InputError(
            f"{source}: files of this format do not say the cosmology; give {' and '.join(absent)} under 'cosmology' "
            f"in the entry of the simulation '{entry.name}'"
        )
    return agreed_cosmology(entry, {}, source)


def require_box(entry: SimulationEntry, source: object, snapshot: str) -> None:
    """Raise an InputError where the entry leaves out h, the box or the scale factors that the files do not tell."""
    missing = [name for name in ("steps", "box_size") if not getattr(entry, name)]
    if missing or "h" not in entry.cosmology:
        raise InputError(
            f"{source}: does not tell {missing[0] if missing else 'h'}; state it in the entry, with "
            f"cosmology: {{h: ..}}, box_size and steps: {{number of the {snapshot}: scale factor}}"
        )


def picked(entry: SimulationEntry, usual: Mapping[str, str]) -> dict[str, str]:
    """Our name of each column -> the simulation's: the usual one, or the one that the entry's `columns` say."""
    unknown = sorted(set(entry.columns) - set(usual))
    if unknown:
        raise InputError(
            f"entry '{entry.name}', columns: {unknown[0]!r} cannot be chosen in this format; {near(unknown[0], usual)}"
        )
    wrong = [name for name, value in entry.columns.items() if not isinstance(value, str)]
    if wrong:
        raise InputError(f"entry '{entry.name}', columns.{wrong[0]}: give the simulation's name of the column")
    return {**usual, **entry.columns}


def option(entry: SimulationEntry, name: str, choices: Iterable[str], known: Iterable[str] = ()) -> str | None:
    """One of the entry's options, None where it is not given; raises InputError for other options or values."""
    known, choices = {name, *known}, tuple(choices)
    for other in entry.options:
        if other not in known:
            raise InputError(f"entry '{entry.name}', options: no option {other!r}; {near(str(other), known)}")
    value = entry.options.get(name)
    if value is not None and value not in choices:
        raise InputError(f"entry '{entry.name}', options.{name}: {value!r} is none of {', '.join(choices)}")
    return value


def no_options(entry: SimulationEntry) -> None:
    """Raise an InputError where the entry has options, for a reader that has none."""
    if entry.options:
        raise InputError(f"entry '{entry.name}', options: this format has none; leave out {', '.join(entry.options)}")
