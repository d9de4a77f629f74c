"""Cosmologies that are given from outside: names that are known, and numbers that a universe like ours can have."""

from collections.abc import Mapping
from typing import Any

from diffsky_factory.core.errors import InputError, near, shown
from diffsky_factory.sky.cosmology import Cosmology

RANGES = {
    "Om0": (0.01, 1.0),
    "w0": (-3.0, 0.0),
    "wa": (-5.0, 5.0),
    "h": (0.2, 2.0),
    "Ob0": (1e-4, 1.0),
    "sigma8": (0.1, 3.0),
    "ns": (0.5, 1.5),
}
"""Lowest and highest value of each parameter, chosen: wider than any survey or simulation asks for, and beyond them
tables do not converge."""


def checked_cosmology(given: Cosmology | Mapping[str, Any], source: str) -> Cosmology:
    """A cosmology, or its parameters by name, where those that are left out are Planck's.

    Raises InputError, naming the source, the parameter, its value and its range, for what none can have.
    """
    if not isinstance(given, Cosmology | Mapping):
        raise InputError(f"{source}: {shown(given)} is no cosmology; give a Cosmology, such as ds.sky.cosmology")
    values = given._asdict() if isinstance(given, Cosmology) else given
    problem = problem_of_parameters(values)
    if problem:
        raise InputError(f"{source}: {problem}")
    return Cosmology(**values)


def problem_of_parameters(values: Mapping[str, Any]) -> str | None:
    """What is wrong with parameters by name, of which some may be left out; None where nothing is."""
    for name, value in values.items():
        if name not in RANGES:
            return f"'{name}' is no parameter of a cosmology; {near(str(name), RANGES)}"
        try:
            number = float(value)
        except (TypeError, ValueError):
            return f"{name} = {shown(value)} is no number"
        low, high = RANGES[name]
        if not low <= number <= high:
            is_hubble = name == "h" and low <= number / 100.0 <= high
            meant = f"; did you mean {number / 100.0:.2f}, as H0 is 100 h km/s/Mpc?" if is_hubble else ""
            return f"{name} = {number:g} lies outside {low:g} to {high:g}{meant}"
    whole = {**Cosmology()._asdict(), **values}
    if float(whole["w0"]) + float(whole["wa"]) > 0.0:
        return f"w0 + wa = {float(whole['w0']) + float(whole['wa']):g} is above 0: dark energy would come before matter"
    if {"Ob0", "Om0"} & set(values) and float(whole["Ob0"]) > float(whole["Om0"]):
        return f"Ob0 = {float(whole['Ob0']):g} is above Om0 = {float(whole['Om0']):g}: baryons are matter; give both"
    return None
