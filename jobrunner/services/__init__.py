"""What jobrunner does: the three edges put together."""
