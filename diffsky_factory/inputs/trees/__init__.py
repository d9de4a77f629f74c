"""Merger trees: one reader per format; histories, infalls and segments of light cones from any of them."""
