"""What a file says of its size, against the bytes that it has: memory is taken by what it says."""

from pathlib import Path

from diffsky_factory.core.errors import InputError

MOST_PACKED = 1100  # bytes in one: of one value repeated, 1032 with deflate; chosen
FREE = 2**26  # bytes, chosen: of columns of which some were never written


def check_size(path: str | Path, what: str, said: int, held: int) -> None:
    """Raise InputError where something is said to have more bytes than a file of so many can hold."""
    if said > MOST_PACKED * held + FREE:
        raise InputError(
            f"{path}: {what} is said to have {said / 1e9:,.0f} GB, which {held:,} bytes cannot hold; copy it again"
        )


def folder_bytes(path: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
