"""The error of bad input, and what to say of a name that is nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something given from outside that cannot be used; its text says what, where, and what to do."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End of a message about an unknown name: the known ones that are like it, or nothing."""
    near = get_close_matches(name, list(known), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""
