"""Shapes: sizes, axis ratios and orientations of disks and bulges, and the ellipses seen on the sky."""
