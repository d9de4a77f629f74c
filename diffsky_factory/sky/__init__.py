"""Geometry and cosmology of the sky, pure functions of arrays."""
