"""Readers of halo catalogues: one folder for each family of formats."""
