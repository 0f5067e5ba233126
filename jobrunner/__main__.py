"""`python -m jobrunner`."""

from jobrunner.cli.main import main

main()
