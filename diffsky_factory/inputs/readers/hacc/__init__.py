"""HACC: cores on light cones."""
