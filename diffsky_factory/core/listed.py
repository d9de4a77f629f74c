"""Lists of names in which one name may stand for a list of one."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def listed(names: Iterable[T] | str) -> tuple[T | str, ...]:
    """Names one by one; a text is one name, and not its letters."""
    return (names,) if isinstance(names, str) else tuple(names)
