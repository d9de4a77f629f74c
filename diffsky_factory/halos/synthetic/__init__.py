"""The embedded universe: waves, hosts, satellites and matter, made without a file."""
