"""Stars: histories of star formation, ages, metals, bursts, and what satellites leave to their hosts."""
