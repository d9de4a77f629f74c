"""Files that say what was written: sealed with their own checksum, put in place by one rename."""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, visible_state

Verify = Literal["never", "first", "always"]
FIRST: Verify = "first"
"""When the checksum of a file is compared, whose size always is: never, once for a state of it and process, always."""

NEW_FILE = ".new-"  # how the name of an unfinished file begins


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a content with its SHA-256, all of it or nothing; always the same bytes for the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{NEW_FILE}{uuid4().hex}")
    with new.open("w") as file:
        file.write(sealed(content))
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def sealed(content: Mapping[str, Any]) -> str:
    """A text that holds a content and its SHA-256."""
    text = json.dumps(content, sort_keys=True)
    return json.dumps({"content": json.loads(text), "sha256": hashlib.sha256(text.encode()).hexdigest()})


def unsealed(text: str) -> dict[str, Any]:
    """The content of a sealed text; raises ValueError where it is not what was sealed."""
    sealed_content = json.loads(text)
    if not (isinstance(sealed_content, dict) and isinstance(sealed_content.get("content"), dict)):
        raise ValueError("it holds no content and checksum")
    expected = hashlib.sha256(json.dumps(sealed_content["content"], sort_keys=True).encode()).hexdigest()
    if sealed_content.get("sha256") != expected:
        raise ValueError("its checksum is another")
    return sealed_content["content"]


def read_commit(path: Path, owner: str) -> dict[str, Any] | None:
    """The content of a commit, or None where there is none that is whole and belongs to the owner, a hash.

    It is not to be changed. Raises InputError for one that may not be read.
    """
    try:
        content = _read_commit(str(path), visible_state(path))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return content if content.get("part") == owner else None


@lru_cache(maxsize=4096)
def _read_commit(file: str, at: State) -> dict[str, Any]:
    """A commit as it is in a state of its file: each column that is read of a tile asks for it."""
    return unsealed(Path(file).read_text())


Known = Mapping[str, list[int] | None]
"""Size and checksum, or size alone, of files by path; None of a file that is not there because it would be empty."""


def fingerprint(path: Path) -> list[int]:
    """Size and CRC-32 of a file."""
    checksum, size = 0, 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    return [size, checksum]


@lru_cache(maxsize=2**16)
def _fingerprint_at(file: str, at: State) -> list[int]:
    """The fingerprint of a file in a state: once per process."""
    return fingerprint(Path(file))


def check_verify(verify: Verify) -> None:
    """Raise InputError for a word that does not say when checksums are compared."""
    if verify not in get_args(Verify):
        raise InputError(f"verify={verify!r}: say one of {', '.join(get_args(Verify))}")


def damage(folder: Path, files: Known, verify: Verify = "always") -> str | None:
    """The first file in a folder that is not as it was committed, in words; None where all are.

    Raises InputError for a file that may not be read.
    """
    for name, committed in files.items():
        file = folder / name
        try:
            at = visible_state(file)
            if committed is None and at is not None:
                return f"{name} holds data, and was committed as empty"
            if committed is not None and at is None:
                return f"{name} is missing"
            if committed is None or at is None:
                continue
            if at[1] != committed[0] or (verify != "never" and _fingerprint(file, at, verify) != committed):
                return f"{name} is damaged"
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    return None


def _fingerprint(file: Path, at: State, verify: Verify) -> list[int]:
    return fingerprint(file) if verify == "always" else _fingerprint_at(str(file), at)
