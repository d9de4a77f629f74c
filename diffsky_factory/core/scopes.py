"""Scopes: what one survey has of its own, by names such as `lsst_y10/mag_obs`."""

import re

from diffsky_factory.core.errors import InputError

SCOPE = re.compile(r"[a-z][a-z0-9_]*")


def scoped(scope: str, name: str) -> str:
    """The name of something under a scope; without a scope, the name itself."""
    return f"{scope}/{name}" if scope else name


def split(name: str) -> tuple[str, str]:
    """The scope of a name, empty without one, and its last word."""
    scope, _, last = name.rpartition("/")
    return scope, last


def check_scope(scope: str) -> str:
    """The scope itself; raises InputError where it is no word of small letters, digits and underscores."""
    if not isinstance(scope, str) or not SCOPE.fullmatch(scope):
        raise InputError(f"scope {scope!r}: a word of a-z, 0-9 and _ is wanted that begins with a letter: 'lsst_y10'")
    return scope
