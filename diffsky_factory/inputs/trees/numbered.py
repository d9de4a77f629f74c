"""Files of merger trees that are numbered from 0: one that is not there takes its part of the box with it."""

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry


def check_numbers(files: Sequence[Path], pattern: str, entry: SimulationEntry) -> None:
    """Raise InputError, naming it, for the first number without a file; a single file may be a part by intent.

    pattern : of the names; its groups are the numbers, each from 0 to the largest that there is
    """
    matches = filter(None, (re.fullmatch(pattern, path.name) for path in files))
    names = {tuple(map(int, match.groups())): match for match in matches}
    if len(names) < 2 or entry.gaps:
        return
    every = product(*(range(max(numbers) + 1) for numbers in zip(*names)))
    absent = next((numbers for numbers in every if numbers not in names), None)
    if absent is None:
        return
    last = names[max(names)]
    raise InputError(
        f"{files[0].parent / _renumbered(last, absent)}: there is no such file, though there is {last.string}; get it, "
        "or say `gaps: true` in the entry where a part of the simulation is meant"
    )


def _renumbered(name: re.Match, numbers: tuple[int, ...]) -> str:
    """The name with other numbers."""
    text = name.string
    for group, number in reversed(list(enumerate(numbers, start=1))):
        text = f"{text[: name.start(group)]}{number}{text[name.end(group) :]}"
    return text
