"""The only door in: catalog entries, simulations, templates, filters, calibrations."""
