"""The vocabulary: columns, stages, plans, parameters, draws."""
