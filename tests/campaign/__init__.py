"""Campaigns that prove what the README promises: `make crash` runs them. Each is a module to be run by itself."""
