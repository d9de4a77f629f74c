"""UniverseMachine: light cones and boxes of galaxies with their halos."""
