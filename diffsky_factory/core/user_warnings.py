"""Warnings that name the line of the user's code that led to them."""

import sys
import warnings

PASSED_OVER = (__name__.partition(".")[0], "functools", "contextlib")  # what lies between that line and a warning


def warn(text: str) -> None:
    """Warn at the line that called this package, however deep inside the reason is found."""
    level, frame = 1, sys._getframe()
    while frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
