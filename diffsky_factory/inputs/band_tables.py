"""Light of stellar population templates through filters, tabulated over redshift.

The luminosity density of a band is the photon-weighted mean that AB magnitudes are made of,

    L_band(z) = int T(l) L_nu(l / (1 + z)) dl / l  /  int T(l) dl / l,

with l the observed wavelength; T and L_nu are linear between their points, and the integral is exact. Emission lines
that are apart from the spectra are added, and what is absorbed between galaxies is taken off.
"""

from collections.abc import Sequence

import numpy as np

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.filter_curves import FilterCurve
from diffsky_factory.inputs.igm import LYMAN_ALPHA, NONE, line_transmission, transmission_of_points
from diffsky_factory.inputs.templates import LIGHT_SPEED, Templates

AB0 = 1.13492e-13  # Lsun/Hz of a source of 3631 Jy at 10 pc; DSPS, Hearin et al. 2023, MNRAS 521, 1741


def band_projection(wavelength: np.ndarray, curve: FilterCurve, redshift: float | np.ndarray) -> np.ndarray:
    """Weights (..., n_wave) with which the sum over a spectrum's points is its mean L_nu in a band.

    `weights @ luminosity_density` for one redshift or an array of them (...); `wavelength` (n_wave,) is in
    the rest frame, Angstrom, and increases. The spectrum counts as zero outside its points, while the mean is
    over the whole band: weights sum to 1 where the spectrum covers the band and to less where it does not.

    w_j is the integral of T h_j dl / l with h_j the hat function of point j. From l_j to l_j+1 the rising hat
    is (l - l_j) / (l_j+1 - l_j): its integral needs no more than those of T dl / l and T dl.
    Error: < 1e-10 of the mean, from rounding.
    Raises InputError where the band lies wholly outside the spectrum.
    """
    redshift = np.asarray(redshift, dtype=np.float64)
    observed = (1.0 + redshift[..., None]) * wavelength
    _check_overlap(observed, curve, redshift)

    per_wavelength, plain = _running_integrals(curve, observed)
    per_wavelength, plain = np.diff(per_wavelength), np.diff(plain)
    rising = (plain - observed[..., :-1] * per_wavelength) / np.diff(observed)
    weights = np.zeros_like(observed)
    weights[..., :-1] = per_wavelength - rising
    weights[..., 1:] += rising
    return weights / _running_integrals(curve, curve.wavelength[-1])[0]


def band_luminosity_table(
    templates: Templates, curves: Sequence[FilterCurve], redshifts: np.ndarray, igm: str = NONE
) -> np.ndarray:
    """Luminosity per Msun formed of templates in bands, (n_z, n_band, n_met, n_age), in units of AB0.

    -2.5 log10 of it is the AB magnitude at 10 pc of the spectrum moved to the redshift; the apparent
    magnitude adds the distance modulus and -2.5 log10(1 + z). Emission lines that are apart from the spectra are
    added; `igm` names the absorption between galaxies, as in `inputs.igm`.
    Raises InputError where a band lies wholly outside the templates at one of the redshifts.
    """
    table = spectrum_luminosity_table(templates, curves, redshifts, igm)
    if not templates.lines_in_flux:
        table += line_luminosity_table(templates, curves, redshifts, igm)
    return table


def spectrum_luminosity_table(
    templates: Templates, curves: Sequence[FilterCurve], redshifts: np.ndarray, igm: str = NONE
) -> np.ndarray:
    """As `band_luminosity_table`, of the spectra alone: each point loses what is absorbed around it."""
    redshifts = np.asarray(redshifts, dtype=np.float64)
    weights = np.stack([band_projection(templates.wavelength, curve, redshifts) for curve in curves], axis=1)
    bluest = min((curve.wavelength[0] for curve in curves), default=np.inf)
    absorbed = bluest < LYMAN_ALPHA * (1.0 + redshifts)  # elsewhere no band sees what is absorbed
    weights[absorbed] *= transmission_of_points(igm, redshifts[absorbed], templates.wavelength)[:, None]
    n_met, n_age, n_wave = templates.flux.shape
    table = weights.reshape(-1, n_wave) @ templates.flux.reshape(-1, n_wave).T
    return table.reshape(len(redshifts), len(curves), n_met, n_age) / AB0


def line_luminosity_table(
    templates: Templates, curves: Sequence[FilterCurve], redshifts: np.ndarray, igm: str = NONE
) -> np.ndarray:
    """As `band_luminosity_table`, of the emission lines alone.

    A line of luminosity L at rest frequency nu_0 is L_nu = L delta(nu - nu_0); as dl / l = dnu / nu at any redshift,
    int T L_nu dl / l = T(l_0 (1 + z)) L / nu_0: exact for a line narrower than the features of the curve.
    """
    one_plus_z = 1.0 + np.asarray(redshifts, dtype=np.float64)
    observed = one_plus_z[:, None] * templates.line_wavelength
    seen = line_transmission(igm, one_plus_z - 1.0, templates.line_wavelength) * templates.line_wavelength / LIGHT_SPEED
    weights = np.stack([_relative_response(curve, observed) * seen for curve in curves], axis=1)
    n_met, n_age, n_line = templates.line_luminosity.shape
    table = weights.reshape(-1, n_line) @ templates.line_luminosity.reshape(-1, n_line).T
    return table.reshape(len(one_plus_z), len(curves), n_met, n_age) / AB0


def _relative_response(curve: FilterCurve, observed: np.ndarray) -> np.ndarray:
    """T at observed wavelengths over int T dl / l."""
    response = np.interp(observed, curve.wavelength, curve.transmission, left=0.0, right=0.0)
    return response / _running_integrals(curve, curve.wavelength[-1])[0]


def effective_wavelength_table(curves: Sequence[FilterCurve], redshifts: np.ndarray) -> np.ndarray:
    """Effective wavelength of each band in the rest frame of each redshift, (n_z, n_band), Angstrom."""
    observed = np.array([curve.effective_wavelength for curve in curves])
    return observed / (1.0 + np.asarray(redshifts, dtype=np.float64)[:, None])


def _running_integrals(curve, x):
    """Integrals of T dl / l and of T dl from the blue end of a curve to wavelengths x (any shape)."""
    left, right = curve.wavelength[:-1], curve.wavelength[1:]
    height = curve.transmission[:-1]
    slope = np.diff(curve.transmission) / (right - left)

    def from_left(i, step):
        ratio = step / left[i]
        per_wavelength = height[i] * np.log1p(ratio) + slope[i] * left[i] * _minus_log1p(ratio)
        return per_wavelength, step * (height[i] + 0.5 * slope[i] * step)

    whole = from_left(np.arange(len(left)), right - left)
    before = [np.concatenate([[0.0], np.cumsum(part)]) for part in whole]
    x = np.clip(x, curve.wavelength[0], curve.wavelength[-1])
    i = np.clip(np.searchsorted(curve.wavelength, x, side="right") - 1, 0, len(left) - 1)
    partial = from_left(i, x - left[i])
    return before[0][i] + partial[0], before[1][i] + partial[1]


def _minus_log1p(x):
    """x - log(1 + x) for x >= 0, also where the two nearly cancel."""
    series = x**2 * np.polynomial.polynomial.polyval(x, [1 / 2, -1 / 3, 1 / 4, -1 / 5, 1 / 6, -1 / 7, 1 / 8])
    return np.where(x < 0.01, series, x - np.log1p(x))


def _check_overlap(observed, curve, redshift):
    if not np.all(redshift > -1.0):
        raise InputError(f"redshifts must be numbers above -1: {redshift}")
    outside = (observed[..., 0] >= curve.wavelength[-1]) | (observed[..., -1] <= curve.wavelength[0])
    if np.any(outside):
        z = redshift[outside][0]
        rest = observed[outside][0] / (1.0 + z)
        raise InputError(
            f"at redshift {z:g} the band {curve.name!r} sees {curve.wavelength[0] / (1 + z):.6g} to "
            f"{curve.wavelength[-1] / (1 + z):.6g} Angstrom in the rest frame, and the spectrum has "
            f"{rest[0]:.6g} to {rest[-1]:.6g}: leave out the band or the redshift"
        )
