"""Builds the services of a home from its settings: the only place that knows who uses what."""
