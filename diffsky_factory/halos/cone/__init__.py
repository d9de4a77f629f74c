"""A periodic box, or the trees of one, seen by an observer in it."""
