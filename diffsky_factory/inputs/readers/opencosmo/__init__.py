"""OpenCosmo: halos and galaxies of the HACC toolkit."""
