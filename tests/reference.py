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


def found(*parts: str) -> list[str]:
    """Names of the reference files that match a pattern, so that a file dropped in is tested; empty where none are."""
    return sorted(path.name for path in FOLDER.glob("/".join(parts)))


def parameters_of(tag: str) -> dict[str, float]:
    """Published parameter values by name: of the reference folder's calibration `tag`, else of ours of that name."""
    import json

    from diffsky_factory.inputs.calibrations import load_calibration
    from diffsky_factory.inputs.entries import entry_names

    names = {"default": "default_merging"}
    for name in (names.get(tag, tag), f"diffstarpop_simfit_{tag}", f"diffstarpop_indivfit_{tag}"):
        path = FOLDER / "params" / f"params_{name}.json"
        if path.exists():
            return json.loads(path.read_text())
    for name in (names.get(tag, tag), f"diffstarpop_{tag}_simfit"):
        if name in entry_names("calibrations"):
            return load_calibration(name).flat()
    pytest.skip(f"no parameters of calibration {tag!r} in {FOLDER / 'params'} or in catalogs/calibrations")
