"""The edge to processes: handlers, signals, and who is alive."""
