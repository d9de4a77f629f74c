"""Halos: one reader per format, and the embedded synthetic universe."""
