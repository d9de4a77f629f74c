"""The entry of a simulation: what a person states of its files, and how that goes with what the files say."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import Record
from diffsky_factory.sky.areas import area_of
from diffsky_factory.sky.cosmology import Cosmology
from diffsky_factory.sky.cosmology_check import checked_cosmology, problem_of_parameters
from diffsky_factory.sky.regions import region

OVERLAP = 1e-3  # of the area, chosen: of parts of a footprint that touch


class SimulationEntry(Record):
    """An entry of `catalogs/simulations`: the format names the reader; what is stated here must agree with the files.

    format : by its name in readers/open.py, or `module:Class` of a reader of another package
    files : names or patterns, relative to the folder of the entry or to one of DIFFSKY_FACTORY_DATA
    box_size [Mpc], particle_mass [Msun] : without h
    log10_mass_complete [dex(Msun)] : of the least massive hosts that are all there; measured where it is not stated
    footprint : parts of the sky that a light cone covers, without overlap, as a recipe writes a region; where it is not
        stated, and the files do not say it, it is estimated from pixels that hold halos, with `footprint_error`
    steps : number of a snapshot in the simulation -> its scale factor; of a light cone of shells, all that there are,
        each shell reaching to the next step
    gaps : whether ranges of redshift between the files of a light cone may be empty, as between two samples, and files
        of merger trees may be missing among their numbers, as in a part of a simulation
    columns : our name of a column -> the simulation's, where the reader is to take another than it would
    options : of the reader, by its documentation
    """

    name: str = ""
    title: str = ""
    status: str = "released"
    format: str
    files: tuple[str, ...] = ()
    cosmology: dict[str, float] = Field(default={})
    box_size: float | None = Field(default=None, gt=0.0)
    particle_mass: float | None = Field(default=None, gt=0.0)
    footprint: tuple[dict[str, Any], ...] = ()
    log10_mass_complete: float | None = Field(default=None, gt=5.0, lt=16.0)
    steps: dict[int, float] = Field(default={})
    gaps: bool = False
    mass_definition: str = ""
    columns: dict[str, Any] = Field(default={})
    reference: dict[str, str] = Field(default={})
    notes: str = ""
    options: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _known_cosmology(self) -> "SimulationEntry":
        problem = problem_of_parameters(self.cosmology)
        if problem:
            raise ValueError(f"cosmology: {problem}")
        return self

    @field_validator("footprint")
    @classmethod
    def _regions(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        try:
            parts = [region(part) for part in value]
        except InputError as error:
            raise ValueError(str(error)) from error
        if len(parts) > 1:
            apart, together = sum(area_of([part]) for part in parts), area_of([region({"any": list(value)})])
            if apart > (1.0 + OVERLAP) * together:
                raise ValueError(f"its parts overlap: {apart:.6g} deg^2 of {together:.6g}; leave out what is twice")
        return value


def agreed_cosmology(entry: SimulationEntry, found: Mapping[str, float], source: object) -> Cosmology:
    """The cosmology of a product: as found in its files, completed from the entry, then from the defaults.

    Raises InputError, naming both values, where a parameter in the files differs from the entry's by more than 1e-3.
    """
    for name, value in entry.cosmology.items():
        if name in found and abs(found[name] - value) > 1e-3:
            raise InputError(
                f"{source}: has {name} = {found[name]:g}, the entry '{entry.name}' says {value:g}; "
                "correct the entry, or give it the files it is for"
            )
    return checked_cosmology({**entry.cosmology, **found}, f"{source}")


def agreed(name: str, stated: float | None, found: float | None, source: object, tolerance: float = 1e-3) -> float:
    """A number that the entry may state and the files may hold: box size, particle mass, redshift.

    Raises InputError where neither has it, or where they differ by more than a fraction.
    """
    if stated is None and found is None:
        raise InputError(f"{source}: does not say the {name}; give it in the entry of the simulation")
    if stated is not None and found is not None and abs(stated - found) > tolerance * abs(found):
        raise InputError(f"{source}: has {name} = {found:g}, its entry says {stated:g}; correct one of them")
    return float(found if found is not None else stated)


def require_box(entry: SimulationEntry, source: object, snapshot: str) -> None:
    """Raise an InputError where the entry leaves out h, the box or the scale factors that the files do not tell."""
    missing = [name for name in ("steps", "box_size") if not getattr(entry, name)]
    if missing or "h" not in entry.cosmology:
        raise InputError(
            f"{source}: does not tell {missing[0] if missing else 'h'}; state it in the entry, with "
            f"cosmology: {{h: ..}}, box_size and steps: {{number of the {snapshot}: scale factor}}"
        )
