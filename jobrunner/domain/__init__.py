"""What jobrunner is about, as values and pure functions. Imports nothing else of jobrunner."""
