"""Halos of files, brought into tiles in memory or in a store, and read from there."""
