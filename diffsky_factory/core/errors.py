"""The errors of bad input and of bad tiles, and what to say of a name that is nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr

LONGEST = 2000  # characters of a message, chosen: what is wrong and what to do, also in a list of many
_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 100
_repr.maxlevel, _repr.maxlist, _repr.maxtuple, _repr.maxdict = 4, 10, 10, 10


class InputError(ValueError):
    """Input that cannot be used; the text says what is wrong, where, and what to do.

    A very long text is shortened in the middle.
    """

    def __init__(self, text: str = ""):
        super().__init__(text if len(text) <= LONGEST else f"{text[: LONGEST - 500]} ... {text[-490:]}")


def shown(value: object) -> str:
    """A value as a message shows it: written out, but for what is long or deep."""
    return _repr.repr(value)


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
