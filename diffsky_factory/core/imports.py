"""Parts of the model that live in another package, named in text by `module:attribute`."""

from importlib import import_module
from typing import Any

from diffsky_factory.core.errors import InputError


def is_path(name: str) -> bool:
    """Whether a name is that of a part of another package."""
    return ":" in name


def imported(path: str) -> Any:
    """The attribute of a module; raises InputError that says which of the two cannot be had, and why."""
    module, _, attribute = path.partition(":")
    try:
        loaded = import_module(module)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"'{path}': module '{module}' cannot be imported ({error}); install it where the mock is computed"
        ) from error
    if not hasattr(loaded, attribute):
        raise InputError(f"'{path}': module '{module}' has no '{attribute}'")
    return getattr(loaded, attribute)


def path_of(name: str, function: Any) -> str:
    """The path of a part; raises InputError for one of a script or notebook, which no other process can import."""
    if function.__module__ == "__main__" or "<locals>" in function.__qualname__:
        raise InputError(f"'{name}' cannot be written in a recipe: move it to the top level of a module of its own")
    return f"{function.__module__}:{function.__qualname__}"
