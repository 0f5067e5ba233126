"""How an attempt ended, for the worker to record."""

from dataclasses import dataclass

from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.retry import Decision


@dataclass(frozen=True, slots=True)
class Done:
    """The package is in the archive, durably, `seconds` after the claim."""

    job: Job
    details: Details
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The package is in the failed folder, durably: at `place`, its name there and our file in it."""

    job: Job
    outcome: Outcome
    error: str
    place: tuple[str, str] | None
    details: Details


@dataclass(frozen=True, slots=True)
class PutOff:
    """The job is to be tried again, as decided; `trouble`: nothing can be tried before the machine is mended."""

    job: Job
    outcome: Outcome
    decision: Decision
    details: Details
    trouble: str | None = None


Ending = Done | Failed | PutOff
