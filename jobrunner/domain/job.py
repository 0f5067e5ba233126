"""The job: one row for one package name, and its attempts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a job stands. `queued` with a time before which it is not tried is shown as `waiting`."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Outcome(StrEnum):
    """How one attempt ended."""

    DONE = "done"  #: extracted, handled, archived
    FAILED = "failed"  #: the handler failed: uses up an attempt
    REJECTED = "rejected"  #: the package is bad: fails the job at once
    LATER = "later"  #: the handler said "not now"
    FAULT = "fault"  #: the machine was at fault
    CRASHED = "crashed"  #: the worker died while others lived
    INTERRUPTED = "interrupted"  #: jobrunner was stopped or everything was killed
    CANCELLED = "cancelled"  #: an operator stopped the job for good


class Identity(NamedTuple):
    """Which package's job it is.

    No two jobs have the same `name`, which is that of the folder in the archive. `package` is the name under which the
    package was delivered, and that of its zip: the same, but for a `revision` after the first (NAME~N of NAME), and
    where another package's revision has got that name. `source` is the folder in the archive out of which a revision
    is made, None of what was delivered.
    """

    name: str
    package: str
    revision: int = 1
    source: str | None = None

    @classmethod
    def plain(cls, name: str) -> "Identity":
        """Return that of the first job of a package, which is called as the package is."""
        return cls(name, name)

    @property
    def is_plain(self) -> bool:
        """Whether the name says it all."""
        return self.package == self.name


class Job(NamedTuple):
    """A job as it was read; a worker that claimed it holds it as `(id, attempt, worker_id)`.

    `attempt` is the number of the newest attempt. `failures`, `crashes`, `interruptions` are the three budgets and
    `delays` the times that the job was put off in a row through no fault of its own. `verdict` is what it fails as
    (failed, rejected, crashed or cancelled), as soon as that is decided. `failed_name` and `error_name` say where in
    the failed folder the package lies (or is about to), and which file in it is ours. Times are seconds since 1970
    (UTC).
    `name`, `package`, `revision` and `source` are its identity.
    """

    id: int
    name: str
    state: State
    attempt: int
    worker_id: int | None
    failures: int
    delays: int
    crashes: int
    interruptions: int
    verdict: Outcome | None
    not_before_at: float | None
    error: str | None
    failed_name: str | None
    error_name: str | None
    created_at: float
    finished_at: float | None
    package: str
    revision: int
    source: str | None

    @property
    def identity(self) -> Identity:
        """Which package's job it is."""
        return Identity(self.name, self.package, self.revision, self.source)

    @property
    def is_put_away(self) -> bool:
        """Whether its package has been put in the archive or the failed folder, durably: elsewhere it is left over."""
        return self.state is State.DONE or (self.state is State.FAILED and self.failed_name is not None)


class KnownJob(NamedTuple):
    """What the intake needs to know of a job: few values, because it asks for many jobs at each look."""

    id: int
    state: State
    lies_in_failed: bool  #: or did, when it was last put there
    left_in_inbox: (
        str | None
    )  #: the fingerprint of a failed package that stayed in the inbox, which it has until it changes


class Attempt(NamedTuple):
    """One try at a job by one worker. Seconds are None for a step that was not reached.

    `encoding`: how the names in the zip were read, where they do not say it themselves. `is_final`: it failed the job.
    `node`: of a cluster, on which the handler ran; None where it ran here.
    """

    number: int
    worker_pid: int
    started_at: float
    ended_at: float | None
    outcome: Outcome | None
    error: str | None
    extract_seconds: float | None
    handle_seconds: float | None
    archive_seconds: float | None
    encoding: str | None
    is_final: bool = False
    node: str | None = None


@dataclass(slots=True)
class Details:
    """What is recorded of one attempt: the seconds of its steps, the encoding of the names in the zip, its node."""

    extract: float | None = None
    handle: float | None = None
    archive: float | None = None
    encoding: str | None = None
    node: str | None = None


class EndedAttempt(NamedTuple):
    """What is counted of an attempt that has ended; `is_final`: its job has ended by it, done or failed.

    `seconds`: from the claim until the package was done, None where it is not.
    """

    outcome: Outcome
    is_final: bool = False
    details: Details = Details()
    seconds: float | None = None


class PrunedAt(NamedTuple):
    """When the attempts at a job and its logs were removed because they were old (seconds since 1970); None: never."""

    attempts: float | None = None
    logs: float | None = None


class Adopted(NamedTuple):
    """A job as it is recorded for a package that was found without one. Without an `id` it gets the next.

    `attempt`: the number of the newest attempt that is known of. Times are seconds since 1970 (UTC).
    """

    identity: Identity
    state: State
    attempt: int
    created_at: float
    finished_at: float | None = None
    error: str | None = None
    failed_name: str | None = None
    error_name: str | None = None
    verdict: Outcome | None = None
    id: int | None = None
