"""Files that say what was written: sealed with their own checksum, put in place by one rename."""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from diffsky_factory.core.errors import InputError

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

    Raises InputError for one that may not be read.
    """
    try:
        content = unsealed(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return content if content.get("part") == owner else None


Known = Mapping[str, list[int] | None]
"""Size and checksum, or size alone, of files by path; None of a file that is not there because it would be empty."""


def fingerprint(path: Path) -> list[int]:
    """Size and CRC-32 of a file."""
    checksum, size = 0, 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    return [size, checksum]


def damage(folder: Path, files: Known, *, sizes_only: bool = False) -> str | None:
    """The first file in a folder that is not as it was committed, in words; None where all are."""
    for name, committed in files.items():
        file = folder / name
        if committed is None:
            if file.exists():
                return f"{name} holds data, and was committed as empty"
            continue
        if not file.is_file():
            return f"{name} is missing"
        try:
            if file.stat().st_size != committed[0] or (not sizes_only and fingerprint(file) != committed):
                return f"{name} is damaged"
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    return None
