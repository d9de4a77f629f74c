"""Parts of the sky as recipes write them: from a mapping to a region, or to the reason why it is none."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.sky.areas import area_of, share_inside, shared_area
from diffsky_factory.sky.cell_sets import Moc, Pixels, moc_region, pixels_region
from diffsky_factory.sky.combined import AllOf, AnyOf
from diffsky_factory.sky.polygons import Polygon, polygon_region
from diffsky_factory.sky.shapes import Cone, FullSky, Rectangle

__all__ = [
    "FORMS",
    "AllOf",
    "AnyOf",
    "Cone",
    "FullSky",
    "Moc",
    "Pixels",
    "Polygon",
    "Rectangle",
    "Region",
    "area_of",
    "moc_region",
    "region",
    "share_inside",
    "shared_area",
]

FORMS = (
    '{"full_sky": true}, {"pixels": [...], "order": k}, {"cone": {"ra": .., "dec": .., "radius": ..}}, '
    '{"rectangle": {"ra": [.., ..], "dec": [.., ..]}}, {"polygon": {"ra": [...], "dec": [...]}}, '
    '{"moc": "3/1-5 4/100"}, {"any": [region, ...]} or {"all": [region, ...]}'
)

Region = FullSky | Pixels | Cone | Rectangle | Polygon | Moc | AnyOf | AllOf


def region(given: Any) -> Region:
    """A region from its plain form, as recipes write it; a region is returned as it is, a `mocpy.MOC` as a region.

    full_sky : all of it
    pixels, order : HEALPix pixels of an order, NESTED
    cone : within a radius of a point [deg]
    rectangle : between two meridians, eastward from the first to the second, and two parallels [deg]; the whole circle
        is written [0, 360]
    polygon : vertices [deg] joined by great circles; the smaller side is inside
    moc : text of a multi-order coverage map, the path of its FITS file, or a `mocpy.MOC`
    any, all : what lies in any, or in all, of a list of regions
    Raises InputError, naming what is wrong and the forms, for anything else.
    """
    if isinstance(given, Region):
        return given
    if hasattr(given, "to_depth29_ranges") or isinstance(given, Path):
        return moc_region(given)
    if not isinstance(given, Mapping):
        raise InputError(f"a region is a mapping, not {given!r}: one of {FORMS}")
    keys = set(given)
    if keys == {"full_sky"} and given["full_sky"] is True:
        return FullSky()
    if keys == {"pixels", "order"}:
        return pixels_region(given["order"], given["pixels"])
    if keys == {"moc"}:
        return moc_region(given["moc"])
    name = next(iter(keys)) if len(keys) == 1 else None
    value = given.get(name)
    if name in SHAPES and isinstance(value, Mapping):
        fields, make = SHAPES[name]
        if set(value) == set(fields):
            return make(*(_numbers(f"{name}, {field}", value[field]) for field in fields))
    if name in COMBINATIONS and isinstance(value, list | tuple):
        if not value:
            raise InputError(f"{name}: no region is given; it is a list of one or more")
        return COMBINATIONS[name](tuple(region(one) for one in value))
    raise InputError(f"no region is written as {dict(given)}: one of {FORMS}")


def _numbers(what: str, value: Any) -> float | tuple[float, ...]:
    """A number, or several, as floats; astropy Quantities are converted to degrees."""
    given = [_degrees(one) for one in value] if isinstance(value, list | tuple) else _degrees(value)
    try:
        number = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: numbers in degrees are wanted, not {value!r}") from error
    return float(number) if number.ndim == 0 else tuple(number.ravel().tolist())


def _degrees(angle: Any) -> Any:
    if getattr(angle, "unit", None) is None:
        return angle
    try:
        return angle.to_value("deg")
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{angle!r} is no angle ({error}); give degrees, or a Quantity of an angle") from error


def _cone(ra: float, dec: float, radius: float) -> Cone:
    if any(isinstance(one, tuple) for one in (ra, dec, radius)):
        raise InputError(f"cone: one number [deg] each is wanted for ra, dec and radius, not {(ra, dec, radius)}")
    if not (abs(ra) <= 360.0 and -90.0 <= dec <= 90.0 and 0.0 < radius <= 180.0):
        raise InputError(
            f"cone at ra={ra}, dec={dec}, radius={radius} deg: -360 <= ra <= 360, |dec| <= 90 and 0 < radius <= 180"
        )
    return Cone(ra, dec, radius)


def _rectangle(ra: tuple[float, ...], dec: tuple[float, ...]) -> Rectangle:
    what = f"rectangle ra={ra}, dec={dec}"
    if not all(isinstance(one, tuple) and len(one) == 2 for one in (ra, dec)):
        raise InputError(f"{what}: two values [deg] each are wanted")
    if not -90.0 <= dec[0] < dec[1] <= 90.0:
        raise InputError(f"{what}: dec ascending within 90 deg is wanted")
    if not all(abs(x) <= 360.0 for x in ra):
        raise InputError(f"{what}: -360 <= ra <= 360 is wanted")
    if (ra[1] - ra[0]) % 360.0 == 0.0 and ra[1] - ra[0] != 360.0:
        raise InputError(f"{what}: the same meridian twice has nothing between; the whole circle is ra=[0, 360]")
    return Rectangle((ra[0], ra[1]), (dec[0], dec[1]))


def _polygon(ra: tuple[float, ...], dec: tuple[float, ...]) -> Polygon:
    if not all(isinstance(one, tuple) for one in (ra, dec)):
        raise InputError(f"polygon: a list of values [deg] each is wanted for ra and dec, not {ra} and {dec}")
    return polygon_region(ra, dec)


SHAPES: dict[str, tuple[tuple[str, ...], Callable[..., Region]]] = {
    "cone": (("ra", "dec", "radius"), _cone),
    "rectangle": (("ra", "dec"), _rectangle),
    "polygon": (("ra", "dec"), _polygon),
}
COMBINATIONS: dict[str, Callable[..., Region]] = {"any": AnyOf, "all": AllOf}
