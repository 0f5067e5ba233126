"""The answer to where a package is and why it is not further, as values: its kind, and what is known of it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from jobrunner.domain.lack import Lack
from jobrunner.domain.pause import Pause
from jobrunner.domain.status import Delivery, RunningJob, Story


class Kind(StrEnum):
    """The kinds of answers, with those of what a delivery lacks: programs compare these words, so they stay."""

    # what lies in the inbox
    UNSCANNED = "unscanned"  #: it is complete, and the next scan queues it
    DUPLICATE = "duplicate"  #: its name is known: it is held there
    COPIED = "copied"  #: it is a sender's folder that was copied, and is removed by us
    HIDDEN = "hidden"  #: its name begins with a dot, so it is no delivery
    JUNK = "junk"  #: its name is one that systems leave everywhere, so it is no delivery
    IGNORED = "ignored"  #: likewise, by a pattern of intake.ignore

    # what has a job
    QUEUED = "queued"
    NO_WORKER = "no-worker"  #: it is queued, and no worker runs
    PAUSED = "paused"  #: it is queued, and nothing is claimed until the home is resumed, or the pause's time is over
    HELD_UP = "held-up"  #: it is queued, and the workers wait until something of the machine is mended
    WAITING = "waiting"
    RUNNING = "running"
    WORKER_DEAD = "worker-dead"  #: it was running when its worker died
    CONDEMNED = "condemned"  #: its failure is decided, and the move to failed/ is to come
    FAILED = "failed"
    CANCELLED = "cancelled"
    DONE = "done"

    # what has none
    WITHOUT_JOB = "without-job"  #: it lies in archive/ or failed/, and the database does not know it
    PUT_ASIDE = "put-aside"  #: it lies in failed/, and was delivered again since
    UNKNOWN = "unknown"


class AtWork(NamedTuple):
    """How many workers live, what is wrong with the machine, and whether there is a pause.

    `are_held_up`: all of them wait until what is wrong is mended.
    """

    workers: int
    troubles: Sequence[str]
    are_held_up: bool
    pause: Pause | None


class OfJob(NamedTuple):
    """Where a job stands, since when (seconds since 1970), and who is there to process it.

    `ahead`: how many jobs are claimed before a queued one. `running`: what a running one is at.
    `max_attempts`: so many failures of the handler fail it.
    """

    kind: Kind
    story: Story
    since: float
    at_work: AtWork
    max_attempts: int
    ahead: int | None = None
    running: RunningJob | None = None

    @property
    def name(self) -> str:
        """The package's name."""
        return self.story.job.name


class Comparison(NamedTuple):
    """How many files are the same in both; paths of those that differ, are only in the `second`, or only in the first.

    Of many, some are named. `is_all`: none is missing here.
    """

    same: int
    different: Sequence[str]
    only_second: Sequence[str]
    only_first: Sequence[str]
    is_all: bool


class InInbox(NamedTuple):
    """What lies in the inbox and is not the package of a job.

    `changed_at` (seconds since 1970) is its last change, where it matters. `becomes`: its name once it is received.
    `beside`: the name of what may be its zip, but lies outside of its folder. `known`: the job of its name, or of what
    that becomes, where there is one. `comparison`: of a duplicate with what lies in the archive, where it was asked
    for.
    """

    kind: Kind | Lack
    delivery: Delivery
    path: str
    at_work: AtWork
    changed_at: float | None = None
    becomes: str | None = None
    beside: str | None = None
    known: OfJob | None = None
    comparison: Comparison | None = None

    @property
    def name(self) -> str:
        """Its name in the inbox."""
        return self.delivery.name


class Elsewhere(NamedTuple):
    """A package that lies in archive/ or failed/ and is no job's; `known`: the job of a later delivery of it."""

    kind: Kind
    name: str
    path: str
    known: OfJob | None = None


class Unknown(NamedTuple):
    """A name that nothing is known of: names that are close to it, and where it was looked for.

    `searched` and `unread` (what cannot be looked into) are paths.
    """

    name: str
    close: Sequence[str]
    searched: Sequence[str]
    unread: Sequence[str]
    kind: Kind = Kind.UNKNOWN


Explanation = OfJob | InInbox | Elsewhere | Unknown
