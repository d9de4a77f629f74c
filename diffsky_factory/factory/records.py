"""JSON Schemas of the files in `catalogs/`, for editors and for checks without Python: `schemas/records`.

They follow from the records that read the files: `python -m diffsky_factory.factory.records` writes them anew.
"""

import json
from pathlib import Path

from diffsky_factory.core.resources import resource
from diffsky_factory.factory.recipe import Recipe
from diffsky_factory.inputs.calibrations import CalibrationEntry
from diffsky_factory.inputs.entries import Record
from diffsky_factory.inputs.filter_sets import FilterSetEntry
from diffsky_factory.inputs.halo_growth import GrowthMixtureEntry
from diffsky_factory.inputs.igm import AbsorptionEntry
from diffsky_factory.inputs.readers.simulation_entry import SimulationEntry
from diffsky_factory.inputs.templates import TemplatesEntry

RECORDS: dict[str, type[Record]] = {
    "calibrations": CalibrationEntry,
    "filters": FilterSetEntry,
    "halo_growth": GrowthMixtureEntry,
    "igm": AbsorptionEntry,
    "recipes": Recipe,
    "simulations": SimulationEntry,
    "templates": TemplatesEntry,
}
"""What a file of each kind holds, by the name of its folder."""


def json_schema(kind: str) -> str:
    """JSON Schema of the files of a kind."""
    schema = RECORDS[kind].model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def write_schemas(folder: Path) -> None:
    """One file for each kind, `<kind>.json`."""
    for kind in RECORDS:
        (folder / f"{kind}.json").write_text(json_schema(kind))


if __name__ == "__main__":
    write_schemas(resource("schemas", "records"))
