"""Halos of any source, ready for a tile of the sky or a piece of a box: made, gathered, completed, put on the sky."""
