"""What a user holds: datasets that know their sky, cuts that read what they must, tables for other software."""
