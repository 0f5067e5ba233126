"""How an attempt ended, for the worker to record."""

from typing import NamedTuple

from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.retry import Decision


class Done(NamedTuple):
    """The package is in the archive, durably, `seconds` after the claim."""

    job: Job
    details: Details
    seconds: float


class Failed(NamedTuple):
    """The package is in the failed folder, durably: at `place`, its name there and our file in it.

    `left_in_inbox`: it is still there, because it could not be taken, and this changes when it does.
    """

    job: Job
    outcome: Outcome
    error: str
    place: tuple[str, str] | None
    left_in_inbox: str | None
    details: Details


class PutOff(NamedTuple):
    """The job is to be tried again, as decided; `trouble`: nothing can be tried before the machine is mended."""

    job: Job
    outcome: Outcome
    decision: Decision
    details: Details
    trouble: str | None = None


Ending = Done | Failed | PutOff
