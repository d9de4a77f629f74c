"""What is made once per machine and kept: tables, and compiled kernels. All of it can be deleted at any time."""

import hashlib
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import jax
import numpy as np
from platformdirs import user_cache_dir

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.npz import read_arrays
from diffsky_factory.core.user_files import user_path
from diffsky_factory.core.user_warnings import warn

FOLDER = "DIFFSKY_FACTORY_CACHE"
"""Environment variable: the folder, instead of the user's cache folder; "off" keeps nothing."""

KERNEL_FOLDER = "jax_compilation_cache_dir"  # the name that JAX gives to its setting

LEAST_COMPILE_TIME = 0.3  # s, chosen: what compiles faster is not worth a file


def cache_folder() -> Path | None:
    """Where things are kept; None where the user wants nothing kept."""
    chosen = os.environ.get(FOLDER, "")
    if chosen.lower() == "off":
        return None
    return user_path(chosen) if chosen else Path(user_cache_dir("diffsky_factory"))


def fingerprint(parts: Iterable) -> str:
    """SHA-256 of arrays, texts, numbers and files (a Path stands for its content), in their order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def kept_arrays(name: str, parts: Iterable, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays from the cache, or made and kept there; `parts` is all that they follow from, code included.

    A file that cannot be read is made again, and a folder that cannot be written is left alone, with a warning.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / "tables" / f"{name}-{fingerprint(parts)[:32]}.npz"
    if path.exists():
        try:
            return read_arrays(path)
        except InputError as error:
            warn(f"{error}; it is made again")
    arrays: dict[str, Any] = make()
    unfinished = path.with_name(f"{path.stem}.{uuid4().hex}.tmp.npz")  # of this thread alone
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(unfinished, **arrays)
        os.replace(unfinished, path)  # readers see all of it or nothing
    except OSError as error:
        warn(f"{path} cannot be written ({error}); set {FOLDER} to another folder, or to 'off'")
    return arrays


def keep_compiled_kernels() -> None:
    """Have JAX keep what it compiles, unless it was told where to already, or the user wants nothing kept."""
    folder = cache_folder()
    if folder is None or getattr(jax.config, KERNEL_FOLDER) is not None:
        return
    jax.config.update(KERNEL_FOLDER, str(folder / "kernels" / _processor()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_COMPILE_TIME)


def _processor() -> str:
    """Name of this kind of processor: code compiled for another may not run on it."""
    described = [platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        described += sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    return fingerprint(described)[:16]
