"""AbacusSummit: CompaSO halos of boxes and light cones."""
