"""The error of bad input."""


class InputError(ValueError):
    """Something given from outside that cannot be used; its text says what, where, and what to do."""
