"""Light: dust, corrections to the templates, photometry."""
