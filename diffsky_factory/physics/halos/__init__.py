"""Halos: how they grow, how many there are, where satellites live."""
