"""What a try has come to, as values."""

from collections.abc import Sequence
from typing import NamedTuple

from jobrunner.domain.job import Job
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.retry import Decision


class Source(NamedTuple):
    """What is tried: a zip, or a folder with one, at `path`. The job is as its next attempt would have it."""

    path: str
    job: Job


class Changes(NamedTuple):
    """Files below the data folder, by their paths in it, that the handler has made, changed and removed."""

    made: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()


class Tried(NamedTuple):
    """How a try ended, and what a worker would have decided; None: done. `seconds`: None where no handler has run."""

    result: HandlerResult
    decision: Decision | None
    seconds: float | None
    changes: Changes
