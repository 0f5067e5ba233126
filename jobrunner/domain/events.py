"""What happens while jobrunner runs, as named values. The command line turns them into words."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkersStarted:
    """A supervisor starts `workers` workers in `home`."""

    workers: int
    home: str


@dataclass(frozen=True, slots=True)
class PackagesFound:
    """A scan queued `new` packages and `replaced` new deliveries of failed ones."""

    new: int
    replaced: int


@dataclass(frozen=True, slots=True)
class JobDone:
    """A package is in the archive, `seconds` after its claim."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A package is in the failed folder."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class JobPutOff:
    """A job will be tried again in `delay` seconds."""

    name: str
    error: str
    delay: float


@dataclass(frozen=True, slots=True)
class JobRecovered:
    """What a dead worker was doing is in the queue again; `error` says how the worker died.

    `condemned`: the next worker only puts it in the failed folder.
    """

    name: str
    error: str
    condemned: bool


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """Somebody cancelled a running job; its worker was ended for that. The next one puts it in the failed folder."""

    name: str
    worker_pid: int


@dataclass(frozen=True, slots=True)
class ClaimGone:
    """A worker found that its job had been given to another, and left it alone."""

    name: str


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker ended unasked and is replaced in `delay` seconds; `times` in a row it did so early."""

    pid: int
    reason: str
    times: int
    delay: float


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The database got the schema of this version; `backup` is the file that holds it as it was."""

    database: str
    backup: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """A signal came: running jobs have `grace` seconds to end."""

    grace: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something is wrong with the machine: what needs it waits, and looks again."""

    error: str


@dataclass(frozen=True, slots=True)
class Mended:
    """What was wrong with the machine is not any more: the work goes on."""


Event = (
    WorkersStarted
    | PackagesFound
    | JobDone
    | JobFailed
    | JobPutOff
    | JobRecovered
    | JobCancelled
    | ClaimGone
    | WorkerDied
    | Upgraded
    | Stopping
    | Trouble
    | Mended
)
Emit = Callable[[Event], None]
