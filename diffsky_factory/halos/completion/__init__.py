"""Halos that a simulation does not resolve, added where its matter is."""
