"""Parts of the model that live in another package, named in text by `module:attribute`.

Importing a module runs it, so no recipe, calibration, entry or store has it imported without the user's word.
"""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from diffsky_factory.core.errors import InputError

VARIABLE = "DIFFSKY_FACTORY_MODULES"
ENTRY_POINTS = "diffsky_factory.modules"
PACKAGE = __name__.partition(".")[0]
_ALLOWED: set[str] = set()


def is_path(name: str) -> bool:
    """Whether a name is that of a part of another package."""
    return ":" in name


def allow_modules(*names: str) -> None:
    """Permit recipes, calibrations, entries and stores to use these modules and packages, whose code is then run.

    This holds for this process and for workers that compute for it. The same is done by the environment variable
    DIFFSKY_FACTORY_MODULES, names separated by commas; by `diffsky-factory --allow-module NAME`; by installing a
    package with entry points of the group diffsky_factory.modules; and by importing the module.
    """
    _ALLOWED.update(names)


def allowed_modules() -> tuple[str, ...]:
    """The user's word so far, as it is handed to processes that compute for this one."""
    said = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    return tuple(sorted({*_ALLOWED, *filter(None, said), *_installed()}))


@dataclass(frozen=True)
class Trusted:
    """A function that is called elsewhere with the user's word, as it was where it was made."""

    function: Callable
    modules: tuple[str, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        allow_modules(*self.modules)
        return self.function(*args, **kwargs)


def trusted(function: Callable) -> Trusted:
    """A function to hand to processes that compute for this one, with the user's word so far."""
    return Trusted(function, allowed_modules())


def imported(path: str) -> Any:
    """The attribute of a module; raises InputError that says which of the two cannot be had, and why.

    The module is imported only where the user allows it.
    """
    name, _, attribute = path.partition(":")
    if not (name and attribute):
        raise InputError(f"'{path}': write the module and what it has as module:attribute")
    loaded = module(name, path)
    if not hasattr(loaded, attribute):
        raise InputError(f"'{path}': module '{name}' has no '{attribute}'")
    return getattr(loaded, attribute)


def module(name: str, path: str) -> ModuleType:
    """A module that a path names. Raises InputError where it cannot be imported, or the user has not allowed it."""
    loaded = sys.modules.get(name)
    if loaded is None:
        if name.partition(".")[0] != PACKAGE and not _is_in(name, allowed_modules()):
            top = name.partition(".")[0]
            raise InputError(
                f"'{path}': code of the module '{name}' runs only with your word; where you trust it, import it, or "
                f"call diffsky_factory.allow_modules({top!r}), or say diffsky-factory --allow-module {top}"
            )
        try:
            loaded = import_module(name)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"'{path}': module '{name}' cannot be imported ({error}); install it where the mock is computed"
            ) from error
    allow_modules(name)  # those that compute for this process may have it too
    return loaded


def path_of(name: str, function: Any) -> str:
    """The path of a part; raises InputError for one of a script or notebook, which no other process can import."""
    if function.__module__ == "__main__" or "<locals>" in function.__qualname__:
        raise InputError(f"'{name}' cannot be written in a recipe: move it to the top level of a module of its own")
    return f"{function.__module__}:{function.__qualname__}"


def _is_in(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def _installed() -> frozenset[str]:
    """Modules of packages that are installed for this one."""
    return frozenset(one.value.partition(":")[0] for one in entry_points(group=ENTRY_POINTS))
