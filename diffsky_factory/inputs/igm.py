"""Light that neutral hydrogen between the galaxies lets through: mean models, by name, of Lyman lines and continuum."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from diffsky_factory.core.errors import InputError, near
from diffsky_factory.core.files_read import kept_while_unchanged
from diffsky_factory.inputs.entries import Record, Reference, entry_names, entry_path, read_entry

NONE = "none"
OPAQUE = 30.0  # chosen: optical depth, 33 mag, beyond which light counts as this deep, so that 32 bits hold it
LYMAN_ALPHA = 1215.67  # Angstrom
SAMPLES = 8  # chosen: per interval of a spectrum; the edge of a line is found to 1/16 of an interval

Depth = Annotated[float, Field(ge=0.0)]


class Absorber(Record):
    """How the optical depth of a line grows with x = observed / rest wavelength: exponents between breaks."""

    exponents: tuple[float, ...]
    breaks: tuple[float, ...]

    @model_validator(mode="after")
    def _one_more(self) -> "Absorber":
        if len(self.exponents) != len(self.breaks) + 1:
            raise ValueError("one exponent more than breaks is wanted")
        return self


class AbsorptionEntry(Record):
    """An entry of `catalogs/igm`."""

    title: str
    references: list[Reference]
    continuum: Literal["inoue_2014", "madau_1995"]  # the formula of the Lyman continuum
    limit: float  # Angstrom
    absorbers: dict[str, Absorber]
    lines: list[tuple[Depth, ...]]  # rest wavelength [Angstrom], then the depth in each absorber

    @model_validator(mode="after")
    def _a_depth_for_each(self) -> "AbsorptionEntry":
        if any(len(line) != 1 + len(self.absorbers) for line in self.lines):
            raise ValueError("a line is its wavelength and one depth for each absorber")
        return self


def list_absorptions() -> list[str]:
    """Names that `transmission` knows."""
    return [NONE, *entry_names("igm")]


def check_absorption(name: str) -> None:
    """Raise InputError for an unknown name, listing near matches."""
    if name not in list_absorptions():
        raise InputError(f"igm: no absorption {name!r}; {near(name, list_absorptions())}")


def transmission(name: str, redshift: np.ndarray | float, wavelength: np.ndarray | float) -> np.ndarray:
    """Mean fraction of light of sources at a redshift that arrives at observed wavelengths [Angstrom]; they broadcast.

    exp(-tau), tau the sum over Lyman lines j of A_j g(l / l_j) where 1 < l / l_j < 1 + z, with g a broken power law
    for each kind of absorber, and of the Lyman continuum. 1 redward of Lyman alpha. Wavelengths below the Lyman limit
    as observed count as the limit. `name` is an entry of `catalogs/igm`, or "none" for 1 everywhere.
    Holds for redshifts of 0.5 to 7, where the distribution of absorbers is known.
    """
    check_absorption(name)
    one_plus_z, wavelength = np.broadcast_arrays(1.0 + np.asarray(redshift, float), np.asarray(wavelength, float))
    if name == NONE:
        return np.ones(wavelength.shape)
    model = _model(name)
    depth = _line_depth(model, one_plus_z, wavelength)
    y = np.maximum(wavelength / model.limit, 1.0)
    continuum = CONTINUA[model.continuum](y, one_plus_z)
    depth = depth + np.where(y < one_plus_z, np.maximum(continuum, 0.0), 0.0)
    return np.exp(-np.minimum(depth, OPAQUE))


def transmission_of_points(name: str, redshift: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Mean transmission (n_z, n_wave) around each point of a spectrum, seen from redshifts (n_z,).

    `wavelength` (n_wave,) is in the rest frame, Angstrom, and increases. The mean is over the hat function of the
    point, which is what the point stands for where spectra are linear between points; so the edge of a line moves
    smoothly through the points as the redshift grows.
    Error: < 0.002 mag in a broad band, mostly < 0.0002 (tests/inputs/test_igm.py).
    """
    redshift, wavelength = np.asarray(redshift, float), np.asarray(wavelength, float)
    mean = np.ones((len(redshift), len(wavelength)))
    check_absorption(name)
    blue = np.searchsorted(wavelength, LYMAN_ALPHA * (1.0 + 1e-3)) + 1  # points whose hats reach below Lyman alpha
    points = wavelength[: blue + 1]
    if name == NONE or len(points) < 2:
        return mean
    along = (np.arange(SAMPLES) + 0.5) / SAMPLES
    sampled = points[:-1, None] + np.diff(points)[:, None] * along
    through = transmission(name, redshift[:, None, None], (1.0 + redshift[:, None, None]) * sampled)
    through = through * np.diff(points)[:, None] / SAMPLES
    light, width = np.zeros((len(redshift), len(points))), np.zeros(len(points))
    light[:, 1:] += through @ along
    light[:, :-1] += through @ (1.0 - along)
    width[1:] += 0.5 * np.diff(points)
    width[:-1] += 0.5 * np.diff(points)
    mean[:, :blue] = (light / width)[:, :blue]
    return mean


def line_transmission(name: str, redshift: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Fraction (n_z, n_line) of the light of emission lines [rest frame, Angstrom] that arrives from redshifts (n_z,).

    The transmission at the line, but for Lyman alpha: it scatters within its galaxy and on the edge of the forest, and
    what is observed of it is C (1 + z)^xi, at most 1, whatever `name` says.
    Source: Hayes et al. 2011, ApJ 730, 8: mean of populations at redshifts of 0.3 to 6; xi of its abstract, C so that
    it is 1 at redshift 11.1, as there.
    """
    redshift = np.asarray(redshift, float)[:, None]
    escaping = np.minimum(((1.0 + redshift) / 12.1) ** 2.57, 1.0)
    is_lyman_alpha = np.abs(np.asarray(wavelength) - LYMAN_ALPHA) < 0.5
    return np.where(is_lyman_alpha, escaping, transmission(name, redshift, (1.0 + redshift) * wavelength))


def _line_depth(model: AbsorptionEntry, one_plus_z: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    depth = np.zeros(wavelength.shape)
    for number, absorber in enumerate(model.absorbers.values()):
        edges = (1.0, *absorber.breaks, np.inf)
        factor = 1.0  # keeps the law continuous at its breaks
        for low, high, exponent, following in zip(
            edges, edges[1:], absorber.exponents, (*absorber.exponents[1:], absorber.exponents[-1])
        ):
            power = wavelength**exponent  # once for all lines
            for rest, *depths in model.lines:
                x = wavelength / rest
                seen = (x > 1.0) & (x >= low) & (x < high) & (x < one_plus_z)
                depth += np.where(seen, depths[number] * factor * rest**-exponent * power, 0.0)
            factor *= high ** (exponent - following)
    return depth


def inoue_continuum(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Depth of the Lyman continuum at y = observed wavelength / Lyman limit of a source at x = 1 + z.

    y^2.1 (F(x) - F(y)) + D(x, y) - D(y, y): forest and damped systems, as integrals over their redshifts.
    Source: Inoue et al. 2014, MNRAS 442, 1805, Eq. 25 to 29, to the rounding of the coefficients there.
    """

    def forest(x):
        high = np.where(x < 5.7, 2.55e-2 * x**1.6 - 0.250, 5.22e-4 * x**3.4 - 3.14e-2)
        return np.where(x < 2.2, -0.325 * x**-0.9, high)

    def damped(x):
        low = 0.211 * x**2 - 7.66e-2 * x**2.3 * y**-0.3
        return np.where(x < 3.0, low, 0.634 + 4.70e-2 * x**3 - (1.78e-2 * x**3.3 + 0.291) * y**-0.3)

    return y**2.1 * (forest(x) - forest(y)) + damped(x) - damped(y)


def madau_continuum(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Depth of the Lyman continuum at y = observed wavelength / Lyman limit of a source at x = 1 + z.

    Source: Madau 1995, ApJ 441, 18, footnote 3: his Eq. 16 to 5 %.
    """
    forest = 0.25 * y**3 * (x**0.46 - y**0.46)
    limit_systems = 9.4 * y**1.5 * (x**0.18 - y**0.18) - 0.7 * y**3 * (y**-1.32 - x**-1.32)
    return forest + limit_systems - 0.023 * (x**1.68 - y**1.68)


CONTINUA = {"inoue_2014": inoue_continuum, "madau_1995": madau_continuum}


def _model(name: str) -> AbsorptionEntry:
    path = entry_path("igm", name)
    return _entry(name, path)


@kept_while_unchanged(8)
def _entry(name: str, path: Path) -> AbsorptionEntry:
    return read_entry("igm", name, AbsorptionEntry)[0]
