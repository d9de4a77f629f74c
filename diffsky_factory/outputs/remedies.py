"""What finishes or mends a part of a store, in words."""

from pathlib import Path

from diffsky_factory.outputs.layout import Part

REMEDIES = {
    "fit_histories": "call fit_histories with the same histories and '{path}'",
    "ingest": "ingest the same simulation into {path} again",
}
"""What finishes or mends a part, by its job, where it is not `resume`."""


def remedy(path: Path, part: Part) -> str:
    """How to finish or mend a part, in words."""
    return REMEDIES.get(part.job, 'run "diffsky-factory resume {path}"').format(path=path)
