"""The only door out: the tile store and what it remembers of its making."""
