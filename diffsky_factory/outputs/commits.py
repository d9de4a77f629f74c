"""Files that say what was written: sealed with their own checksum, put in place by one rename."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

from diffsky_factory.core.errors import InputError
from diffsky_factory.core.files_read import State, state_in, visible_state

Verify = Literal["never", "first", "always"]
FIRST: Verify = "first"
"""When the checksum of a file is compared, whose size always is: never, once for a state of it and process, always."""

SMALL = 1 << 16  # bytes, chosen: a file of less is read at once
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


HEAD, BETWEEN, END = '{"content": ', ', "sha256": "', '"}'


def sealed(content: Mapping[str, Any]) -> str:
    """A text, JSON, that holds a content and the SHA-256 of its text."""
    text = json.dumps(content, sort_keys=True)
    return f"{HEAD}{text}{BETWEEN}{hashlib.sha256(text.encode()).hexdigest()}{END}"


def unsealed(text: str) -> dict[str, Any]:
    """The content of a sealed text; raises ValueError where it is not what was sealed."""
    before, between, checksum = text.rpartition(BETWEEN)
    if not (between and text.startswith(HEAD) and text.endswith(END)):
        raise ValueError("it holds no content and checksum")
    body = before.removeprefix(HEAD)
    if checksum.removesuffix(END) != hashlib.sha256(body.encode()).hexdigest():
        raise ValueError("its checksum is another")
    return json.loads(body)


def read_commit(file: Path | str, owner: str, *, keep: bool = True) -> dict[str, Any] | None:
    """The content of a commit, or None where there is none that is whole and belongs to the owner, a hash.

    It is not to be changed. It is kept for who asks next, unless all of very many are looked at once.
    Raises InputError for one that may not be read.
    """
    file = str(file)
    try:
        content = _kept_commit(file, visible_state(file)) if keep else _commit_in(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    return content if content.get("part") == owner else None


@lru_cache(maxsize=4096)
def _kept_commit(file: str, at: State) -> dict[str, Any]:
    """A commit as it is in a state of its file: each column that is read of a tile asks for it."""
    return _commit_in(file)


def _commit_in(file: str) -> dict[str, Any]:
    return unsealed(b"".join(_pieces(file)).decode())


Known = Mapping[str, list[int] | None]
"""Size and checksum, or size alone, of files by path; None of a file that is not there because it would be empty."""


def fingerprint(file: Path | str) -> list[int]:
    """Size and CRC-32 of a file. OSError where it is not read."""
    checksum, size = 0, 0
    for piece in _pieces(file):
        checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    return [size, checksum]


def _pieces(file: Path | str) -> Iterator[bytes]:
    """The bytes of a file, by as few calls as may be: there are many small ones."""
    at_once, opened = SMALL, os.open(file, os.O_RDONLY)
    try:
        while True:
            piece = os.read(opened, at_once)
            yield piece
            if len(piece) < at_once:
                return
            at_once = 1 << 22
    finally:
        os.close(opened)


@lru_cache(maxsize=2**16)
def _fingerprint_at(file: str, at: State) -> list[int]:
    """The fingerprint of a file in a state: once per process."""
    return fingerprint(file)


def check_verify(verify: Verify) -> None:
    """Raise InputError for a word that does not say when checksums are compared."""
    if verify not in get_args(Verify):
        raise InputError(f"verify={verify!r}: say one of {', '.join(get_args(Verify))}")


def damage(folder: Path, files: Known, verify: Verify = "always") -> str | None:
    """The first file in a folder that is not as it was committed, in words; None where all are.

    Raises InputError for a file that may not be read.
    """
    root = str(folder)
    for name, committed in files.items():
        try:
            found = _found(f"{root}/{name}", committed, verify)
        except OSError as error:
            raise InputError(f"{root}/{name}: cannot be read ({error.strerror}); check its permissions") from error
        if committed is None and found is not None:
            return f"{name} holds data, and was committed as empty"
        if committed is not None and found is None:
            return f"{name} is missing"
        if found != committed:
            return f"{name} is damaged"
    return None


def _found(file: str, committed: list[int] | None, verify: Verify) -> list[int] | None:
    """Size and checksum of a file, as far as they are to be compared; None where there is none."""
    try:
        if committed is not None and verify == "always":
            return fingerprint(file)
        status = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if committed is None or status.st_size != committed[0]:
        return [status.st_size]
    return committed if verify == "never" else _fingerprint_at(file, state_in(status))
