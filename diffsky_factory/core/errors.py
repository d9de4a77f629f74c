"""The errors of bad input and of bad tiles, and what to say of a name that is nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something given from outside that cannot be used; its text says what, where, and what to do."""


class CheckError(ValueError):
    """A tile that must not be written; its text names the column and the first bad row."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """End of a message about an unknown name: those that are like it, or nothing."""
    alike = get_close_matches(name, list(names), n=3)
    return f"; did you mean {', '.join(alike)}?" if alike else ""


def near(name: str, names: Iterable[str]) -> str:
    """End of a message about an unknown name: those that are like it, in any case of letters, or the first of all."""
    names = list(names)
    if not names:
        return "there are none"
    lower = {item.lower(): item for item in names}
    alike = get_close_matches(str(name).lower(), lower, n=5, cutoff=0.5)
    if alike:
        return f"did you mean {', '.join(lower[match] for match in alike)}?"
    return f"known: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
