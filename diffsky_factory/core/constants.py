"""Parameters and tables that stages take: by type, or by type and scope where a scope has its own."""

from collections.abc import Container, Mapping
from typing import Any

Key = type | tuple[type, str]
"""A type such as BandTable, or a type and the scope whose own it is: (BandTable, "lsst_y10")."""


def key_of(kind: type, scope: str) -> Key:
    """The key of what a scope has of a type; without a scope, the type."""
    return (kind, scope) if scope else kind


def kind_of(key: Key) -> type:
    """The type of a key."""
    return key[0] if isinstance(key, tuple) else key


def scope_of(key: Key) -> str:
    """The scope of a key, empty without one."""
    return key[1] if isinstance(key, tuple) else ""


def said(key: Key) -> str:
    """A key as messages name it."""
    scope = scope_of(key)
    return f"{kind_of(key).__name__} of {scope}" if scope else kind_of(key).__name__


def held(key: Key, keys: Container[Key]) -> Key | None:
    """The key under which a constant is known: its own, or that of its type alone; None where neither is."""
    return next((one for one in (key, kind_of(key)) if one in keys), None)


def constant(key: Key, constants: Mapping[Key, Any]) -> Any:
    """The constant of a key, that of its scope before that of its type; raises KeyError where neither is known."""
    own = held(key, constants)
    if own is None:
        raise KeyError(f"no {said(key)} among the constants")
    return constants[own]
