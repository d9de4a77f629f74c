"""Reference vectors of independent codes, where they are at hand."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("DIFFSKY_FACTORY_REFERENCE", ROOT.parent / "shared" / "data"))


def reference(*parts: str) -> Path:
    """Path of a reference file; skips the test, naming the path, where it is absent."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no reference file {path}: set DIFFSKY_FACTORY_REFERENCE to the folder that holds it")
    return path
