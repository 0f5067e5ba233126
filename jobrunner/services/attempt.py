"""An attempt at a job: the value that its steps hand on, and how it ends."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.receipt import Zip
from jobrunner.domain.retry import Decision
from jobrunner.files.taking import Confirm
from jobrunner.files.workspace import Stage, Workspace

NO_ZIP = Zip("", 0, "")


@dataclass(slots=True, eq=False)
class CurrentAttempt:
    """An attempt at a claimed job that is under way, in its work folder.

    `confirm` raises ClaimLost where the job is no longer this worker's, Stopped.
    """

    job: Job
    workspace: Workspace
    confirm: Confirm
    began: float = field(default_factory=time.monotonic)  #: in seconds
    stage: Stage = Stage.NEW  #: how far it, or the one that it took over, came
    zip_path: str = ""  #: the package's zip, once it has been taken
    size: int = 0  #: bytes that the package takes on the disk, once it has been taken
    details: Details = field(default_factory=Details)  #: what is recorded of it
    zip: Zip = NO_ZIP  #: the sender's, once it has been extracted
    sender_files: Sequence[str] = ()  #: what has been delivered, once it has been extracted: see `Receipt`

    @property
    def seconds(self) -> float:
        """For how long it has been going on."""
        return time.monotonic() - self.began


class Done(NamedTuple):
    """The package is in the archive, durably, `seconds` after the claim."""

    attempt: CurrentAttempt
    seconds: float


class Failed(NamedTuple):
    """The package is in the failed folder, durably: at `place`, its name there and our file in it.

    `left_in_inbox`: it is still there, because it could not be taken, and this changes when it does.
    """

    attempt: CurrentAttempt
    outcome: Outcome
    error: str
    place: tuple[str, str] | None
    left_in_inbox: str | None


class PutOff(NamedTuple):
    """The job is to be tried again, as decided; `trouble`: nothing can be tried before the machine is mended."""

    attempt: CurrentAttempt
    outcome: Outcome
    decision: Decision
    trouble: str | None = None


Ending = Done | Failed | PutOff
