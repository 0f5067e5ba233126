"""The ground floor: what asks the kernel. Imports nothing else of jobrunner."""
