"""Recipe: the frozen record of one mock, from which everything in it follows."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from astropy import units
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from diffsky_factory.core.declared import Declared
from diffsky_factory.core.errors import InputError, near, shown
from diffsky_factory.core.listed import listed
from diffsky_factory.core.user_files import user_path
from diffsky_factory.factory.model import DEFAULT_CALIBRATION, FIELDS, SEEDS, Model
from diffsky_factory.inputs.entries import Record, checked, entry_path, read_yaml
from diffsky_factory.inputs.filters import Curve, band_list
from diffsky_factory.outputs.layout import LARGEST_SHARD
from diffsky_factory.sky import regions
from diffsky_factory.sky.cosmology_check import problem_of_parameters

SCHEMA: Final = "diffsky-factory/recipe/1"


WITH_H = re.compile(r"littleh|[/*]\s*h\b|\bh\s*(\^|\*\*)?\s*-?\s*1\b")


def _quantity(unit: units.UnitBase, what: str):
    """Validator: a number in the unit, or a text with a unit of its own, converted."""

    def convert(value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        wrong = f"{shown(value)} is not a number, with or without a unit, of {what}, such as '1 {unit}'"
        if isinstance(value, str) and WITH_H.search(value):
            raise ValueError(f"{wrong}; units are without h: divide by it first")
        try:
            given = units.Quantity(value if isinstance(value, str) else "")
            return float((given if given.unit != units.dimensionless_unscaled else given.value * unit).to_value(unit))
        except (TypeError, ValueError, units.UnitsError) as error:
            raise ValueError(wrong) from error

    return BeforeValidator(convert)


NUMBER_OR_TEXT = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
Finite = Annotated[float, Field(allow_inf_nan=False)]
Angle = Annotated[Finite, _quantity(units.deg, "angle"), NUMBER_OR_TEXT]
Length = Annotated[Finite, _quantity(units.Mpc, "length"), NUMBER_OR_TEXT]
Mass = Annotated[Finite, Field(gt=0.0), _quantity(units.solMass, "mass"), NUMBER_OR_TEXT]


def _path(given: Any) -> Any:
    """A stage or provider by its path."""
    return given.path if isinstance(given, Declared) else given


class Cone(Record):
    """All directions within a radius of a point [deg]."""

    ra: Angle = Field(ge=0.0, le=360.0)
    dec: Angle = Field(ge=-90.0, le=90.0)
    radius: Angle = Field(gt=0.0, le=180.0)


class Rectangle(Record):
    """Between two meridians, eastward from the first to the second, and two parallels [deg]."""

    ra: tuple[Angle, Angle]
    dec: tuple[Angle, Angle]

    @model_validator(mode="after")
    def _ascending(self) -> "Rectangle":
        if not -90.0 <= self.dec[0] < self.dec[1] <= 90.0:
            raise ValueError(f"dec: -90 <= low < high <= 90 is wanted, not {list(self.dec)}")
        regions.region({"rectangle": self.model_dump()})
        return self


class Polygon(Record):
    """Vertices [deg] in order, joined by great circles; the smaller side is inside."""

    ra: tuple[Angle, ...]
    dec: tuple[Angle, ...]

    @model_validator(mode="after")
    def _simple(self) -> "Polygon":
        regions.region({"polygon": self.model_dump()})
        return self


class BoxPart(Record):
    """Part of a periodic box: low and high along some axes [Mpc, comoving]; it may lie across a face of the box."""

    x: tuple[Length, Length] | None = None
    y: tuple[Length, Length] | None = None
    z: tuple[Length, Length] | None = None


class Region(Record):
    """Part of the sky: whole HEALPix pixels (NESTED) of an order, a cone, a rectangle, a polygon, a MOC, or all of it.

    box : of a periodic box, a part of it
    moc : text of a multi-order coverage map, or the path of its FITS file, of which the text is kept
    """

    pixels: tuple[int, ...] | None = None
    order: int | None = Field(default=None, ge=0, le=12)
    cone: Cone | None = None
    rectangle: Rectangle | None = None
    polygon: Polygon | None = None
    moc: str | None = None
    full_sky: bool = False
    box: BoxPart | None = None

    @field_validator("moc", mode="before")
    @classmethod
    def _moc_as_text(cls, value: Any) -> Any:
        return None if value is None else regions.moc_region(value).plain["moc"]

    @model_validator(mode="after")
    def _one_kind(self) -> "Region":
        kinds = (self.pixels, self.cone, self.rectangle, self.polygon, self.moc, self.full_sky or None, self.box)
        if sum(kind is not None for kind in kinds) != 1:
            kinds_are = "pixels with their order, a cone, a rectangle, a polygon, a moc, full_sky: true, or a box"
            raise ValueError(f"give one of {kinds_are}")
        if self.pixels is not None:
            if not self.pixels:
                raise ValueError("no pixel is given")
            if self.order is None:
                raise ValueError("pixels need their order")
            outside = [pixel for pixel in self.pixels if not 0 <= pixel < 12 * 4**self.order]
            if outside:
                raise ValueError(f"no pixel {outside[0]} at order {self.order}; there are {12 * 4**self.order}")
        return self


LARGEST_BLOCK = 2**22  # rows, chosen: more than a kernel can hold


class Tiling(Record):
    """How rows are laid out: HEALPix order of a tile, rows of a block, blocks of a shard.

    box_order : a tile of a box is a cube, 2^box_order of them along each side
    An order that is left out is the highest, up to 6 and 2, at which a tile has a block of rows in the mean.
    """

    order: int | None = Field(default=None, ge=0, le=12)
    box_order: int | None = Field(default=None, ge=0, le=8)
    block: int = Field(default=16384, ge=64, le=LARGEST_BLOCK)
    blocks_per_shard: int = Field(default=4, ge=1, le=LARGEST_SHARD // LARGEST_BLOCK)

    @property
    def shard(self) -> int:
        """Rows of a shard, the smallest unit a task writes."""
        return self.block * self.blocks_per_shard


LISTS: Final = ("columns", "bands", "lines", "add")
DEFAULTS: Final = "defaults"
"""In a list, what the list would be without it."""

STORED_COLUMNS = (
    *("galaxy_id", "halo_id", "host_halo_id", "is_central"),
    *("ra", "dec", "redshift", "redshift_obs", "x", "y", "z", "vx", "vy", "vz"),
    *("log10_halo_mass", "mah_parameters"),
    *("log10_stellar_mass", "log10_stellar_mass_in_situ", "log10_ssfr", "is_quenched", "star_formation_type"),
    *("sfh_parameters", "merging_probability", "log10_metallicity"),
    *("log10_burst_fraction", "log10_burst_peak_age", "log10_burst_max_age"),
    *("dust_av", "dust_slope", "dust_unobscured_fraction"),
    "mag_true",
)


class Recipe(Record):
    """One mock: which halos, which model, which bands, which part of the sky or of a box, which random numbers.

    redshift : range of a light cone, or the one redshift of a box; without it, that of the simulation
    box_size : of a box of the synthetic universe [Mpc, comoving]
    columns, bands, lines, add : lists, of which one name may stand by itself. The word `defaults` stands for what the
        list would be without it: in a file the default, in a change of a recipe what the recipe has
    All fields are explained in docs/how-to/build-a-mock.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["diffsky-factory/recipe/1"] = Field(default=SCHEMA, alias="schema")
    name: str
    title: str = ""
    simulation: str
    region: Region | None = None
    redshift: float | tuple[float, float] | None = None
    box_size: Length | None = Field(default=None, gt=0.0)
    halo_mass_min: Mass | None = None
    complete_to: Mass | None = None
    complete_above: Mass | None = None
    satellites: Literal["simulation", "subhalo_mass_function"] = "simulation"
    cosmology: str | dict[str, float] | None = None
    calibration: str = DEFAULT_CALIBRATION
    replace: dict[str, str] = Field(default={})
    add: tuple[str, ...] = ()
    templates: str = Model.templates
    igm: str = Model.igm
    bands: tuple[str | Curve, ...] = ()
    lines: tuple[str, ...] = ()
    wavelengths: tuple[float, float] | None = None
    columns: tuple[str, ...] = STORED_COLUMNS
    tiles: Tiling = Tiling()
    seed: int = Field(default=Model.seed, ge=SEEDS.start, lt=SEEDS.stop)
    halo_seed: int | None = Field(default=None, ge=SEEDS.start, lt=SEEDS.stop)

    @field_validator("redshift", mode="before", json_schema_input_type=float | tuple[float, float] | None)
    @classmethod
    def _one_or_two(cls, value: Any) -> Any:
        of_range = value if isinstance(value, list | tuple) else ()
        given = of_range or (value,)
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in given)
        if value is not None and not (numbers and len(given) == (2 if of_range else 1)):
            raise ValueError(f"[low, high] of a light cone, or the one number of a box, is wanted, not {value!r}")
        return value

    @field_validator("redshift")
    @classmethod
    def _redshifts(cls, value: float | tuple[float, float] | None) -> float | tuple[float, float] | None:
        if isinstance(value, tuple) and not 0.0 <= value[0] < value[1] <= 20.0:
            raise ValueError(f"a range 0 <= low < high <= 20 is wanted, not {list(value)}")
        if isinstance(value, float) and not 0.0 <= value <= 20.0:
            raise ValueError(f"of a box, 0 to 20 is wanted, not {value}")
        return value

    @model_validator(mode="after")
    def _something_to_complete(self) -> "Recipe":
        if self.complete_above is not None and self.complete_to is None and self.satellites == "simulation":
            raise ValueError("complete_above: says from where on a simulation is complete; give complete_to as well")
        return self

    @field_validator("cosmology")
    @classmethod
    def _of_a_universe(cls, value: str | dict[str, float] | None) -> str | dict[str, float] | None:
        problem = problem_of_parameters(value) if isinstance(value, dict) else None
        if problem:
            raise ValueError(problem)
        return value

    @field_validator("wavelengths")
    @classmethod
    def _wavelength_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0.0 < value[0] < value[1]:
            raise ValueError(f"a range 0 < low < high [Angstrom] is wanted, not {list(value)}")
        return value

    @field_validator("replace", mode="before")
    @classmethod
    def _rivals_by_path(cls, value: Any) -> Any:
        return {name: _path(rival) for name, rival in value.items()} if isinstance(value, Mapping) else value

    @field_validator("add", "lines", "columns", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(map(_path, listed(value))) if isinstance(value, str | list | tuple) else value

    @field_validator("bands", mode="before", json_schema_input_type=str | tuple[str | Curve, ...])
    @classmethod
    def _one_by_one(cls, value: Any) -> tuple[str | Curve, ...]:
        return band_list(value)

    @field_validator("lines", "columns", "add")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} is given twice")
        return value

    @property
    def model(self) -> Model:
        """The model of its galaxies; made anew each time, from files as they are now."""
        return Model(**{name: getattr(self, name) for name in FIELDS if name in Recipe.model_fields})

    def in_place(self) -> "Recipe":
        """The same with paths of files from the root, so that it means the same in every folder."""
        joined = {name: getattr(self, name).split("+") for name in ("simulation", "calibration", "templates")}
        return self.model_copy(update={name: "+".join(map(_absolute, parts)) for name, parts in joined.items()})

    def in_tiles(self, order: int, of_a_box: bool) -> "Recipe":
        """The same with an order of its tiles, where it leaves that out."""
        name = "box_order" if of_a_box else "order"
        if getattr(self.tiles, name) is not None:
            return self
        return self.model_copy(update={"tiles": self.tiles.model_copy(update={name: order})})

    @property
    def seed_of_halos(self) -> int:
        """Seed of synthetic halos: `halo_seed`, or else that of the galaxies."""
        return self.seed if self.halo_seed is None else self.halo_seed

    @property
    def text(self) -> str:
        """The recipe as JSON with every field written out, always the same for the same recipe."""
        return json.dumps(self.model_dump(by_alias=True, mode="json"), sort_keys=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_recipe(recipe: "str | Path | Recipe | Mapping[str, Any]", /, **changes: Any) -> Recipe:
    """A recipe by name, by path of a yaml file, from a mapping, or as it is; `changes` replace fields.

    Raises InputError naming the source, the field and what is wrong with it.
    """
    content: dict[str, Any]
    if isinstance(recipe, Recipe):
        content, source = recipe.model_dump(by_alias=True), f"recipe '{recipe.name}'"
    elif isinstance(recipe, Mapping):
        content, source = {"name": "unnamed", **recipe}, "recipe"
    else:
        is_file = str(recipe).endswith((".yaml", ".yml"))
        path = user_path(recipe) if is_file else entry_path("recipes", str(recipe))
        content, source = {"name": path.stem, **read_yaml(path)}, str(path)
    unknown = sorted(set(changes) - set(Recipe.model_fields))
    if unknown:
        raise InputError(f"no field {unknown[0]!r} of a recipe; {near(unknown[0], Recipe.model_fields)}")
    content = _with_defaults(content, {name: Recipe.model_fields[name].default for name in LISTS})
    return checked(Recipe, {**content, **_with_defaults(changes, content)}, source)


def _with_defaults(fields: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in whose lists the word "defaults" is replaced by what was there before, but for what stands beside it."""
    found = {name: before[name] for name in LISTS} | dict(fields)
    for name in LISTS:
        given = _names_in(found[name])
        places = [i for i, one in enumerate(given) if isinstance(one, str) and one == DEFAULTS]
        if len(places) == 1:  # twice is an error of the record
            known = band_list(before[name]) if name == "bands" else _names_in(before[name])
            others = [one for one in known if not any(one is this or one == this for this in given)]
            found[name] = (*given[: places[0]], *others, *given[places[0] + 1 :])
    return found


def _names_in(value: Any) -> tuple:
    """Names one by one; none of what is no list."""
    return listed(value) if isinstance(value, str | list | tuple) else ()


def _absolute(name: str) -> str:
    """A path of a file or folder that is there, from the root; any other name as it is."""
    path = user_path(name)
    return str(path.absolute()) if (path.suffix or len(path.parts) > 1) and path.exists() else name


def recipe_from_text(text: str) -> Recipe:
    """The recipe of `Recipe.text`."""
    return checked(Recipe, json.loads(text), "stored recipe")
