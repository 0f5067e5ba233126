"""What is found in a home when jobrunner is run without a command."""

from collections.abc import Mapping
from typing import NamedTuple

from jobrunner.domain.pause import Pause


class Situation(NamedTuple):
    """A home at `now` (seconds since 1970): how many workers are alive in it, and whether anything scans.

    `counts`: jobs by state, all 0 where there is no database yet.
    """

    home: str
    inbox: str
    now: float
    workers: int
    scans: bool
    pause: Pause | None
    counts: Mapping[str, int]
