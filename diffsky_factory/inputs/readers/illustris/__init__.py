"""Illustris and TNG: group catalogues."""
