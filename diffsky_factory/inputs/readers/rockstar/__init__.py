"""Rockstar and consistent-trees: halo lists of snapshots."""
