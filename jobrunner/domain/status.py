"""How a home stands, and the story of one job: what people ask for, as values."""

import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from jobrunner.domain.change import Change
from jobrunner.domain.cluster import Node
from jobrunner.domain.failures import Failures
from jobrunner.domain.job import Attempt, Job, PrunedAt
from jobrunner.domain.lack import Lack
from jobrunner.domain.notice import Undelivered
from jobrunner.domain.pause import Pause
from jobrunner.domain.progress import Progress


class Deaths(NamedTuple):
    """How many children of one process have died since a time, one soon after the other; the newest one in words.

    Times are seconds since 1970.
    """

    total: int
    since: float
    newest_at: float
    newest: str


class Runner(NamedTuple):
    """A jobrunner that goes on: its `command` is run, work or scan. It keeps so many `workers`; so many are `alive`.

    `deaths`: those of the last minutes, None where all is well. `started_at` in seconds since 1970.
    `settings_changed`: jobrunner.toml is another one than it runs with. `missed`: how many packages its watch of the
    inbox has missed.
    """

    command: str
    pid: int
    started_at: float
    workers: int
    alive: int
    deaths: Deaths | None
    settings_changed: bool = False
    missed: int = 0


class Contents(NamedTuple):
    """What a delivery holds: files and their bytes, and when any of these changed last (seconds since 1970).

    `is_all`: where it holds very much, only some of it has been looked at.
    """

    files: int
    size: int
    changed_at: float
    is_all: bool


class Delivery(NamedTuple):
    """A folder in the inbox; `lacking` says what it waits for, None if it is complete.

    `arrived_at` is the time of its zip, in seconds since 1970. `is_arriving`: it has changed so lately that it may be
    complete soon. `lack` is the kind of what it waits for, `found` a few names of what is there instead. `unchanged`:
    for how many seconds nothing of it has changed, and for how many that has to be so. `contents`: None where it
    has not been looked into.
    """

    name: str
    lacking: str | None
    arrived_at: float = 0.0
    is_arriving: bool = False
    contents: Contents | None = None
    lack: Lack | None = None
    found: Sequence[str] = ()
    unchanged: tuple[float, float] | None = None


def by_arrival(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return deliveries in their order of arrival; those that lack something come first."""
    return sorted(deliveries, key=lambda delivery: (delivery.arrived_at, os.fsencode(delivery.name)))


class Survey(NamedTuple):
    """What the inbox holds besides packages that are queued: what is complete, what is held, and what lacks something.

    `unseen`: about so many more have not been looked at, because there are too many.
    """

    new: Sequence[Delivery]
    duplicates: Sequence[Delivery]
    incomplete: Sequence[Delivery]
    unseen: int = 0


class Step(StrEnum):
    """What is being done in an attempt."""

    TAKING = "taking"  #: the package comes into the work folder, or is copied there
    EXTRACTING = "extracting"
    NODE = "waiting for a node"  #: of a cluster, with a free slot
    HANDLER = "handler"
    ARCHIVING = "archiving"


class RunningJob(NamedTuple):
    """A running job, its worker's pid, when it was started (seconds since 1970) and how many seconds it has run.

    `step`: None where it does not show. `progress`: how far a large copy or extraction is, or what the handler says of
    itself; None where nothing is said. `node`: of a cluster, on which the handler runs; None where it runs here.
    """

    job: Job
    worker_pid: int
    started_at: float
    seconds: float
    step: Step | None = None
    progress: Progress | None = None
    node: str | None = None

    @property
    def place(self) -> str:
        """Who works on it, and where: "worker 4711", "worker 4711 on node-2"."""
        return f"worker {self.worker_pid} on {self.node}" if self.node else f"worker {self.worker_pid}"


class QueuedJob(NamedTuple):
    """A job that is ready to be claimed, and since when it has been in the queue (seconds since 1970)."""

    job: Job
    since: float


class Taken(NamedTuple):
    """The bytes that something takes on its disk, and those that are free there; if not `is_all`, it takes more."""

    size: int
    free: int
    is_all: bool


class DiskUse(NamedTuple):
    """What parts of a home take on their disks; None for what whoever asks may not look into."""

    database: Taken | None
    logs: Taken | None
    work: Taken | None


class Status(NamedTuple):
    """How a home stands at `now` (seconds since 1970); `failed` newest first, `waiting` next first.

    `troubles`: what is wrong with the machine, so that workers wait. `counts` are those of the jobs' states, in which
    what dead workers left is still running; it is `interrupted`. `seconds_left`: until the queue is empty, None where
    nothing can be said. `failures`: the failed ones of the last day by their reasons. `left_over`: what attempts left
    and we cannot remove, as paths. `lookalikes`: names that a person may take for the one beside them, but they are two
    packages. `disk`: what the home takes, but for the packages that wait, are archived or failed.
    `notices`: what people are told, and has not got to them. `nodes`: of the cluster that runs the handlers.
    """

    now: float
    pause: Pause | None
    runners: Sequence[Runner]
    troubles: Sequence[str]
    counts: dict[str, int]
    done_last_minute: int
    done_last_hour: int
    seconds_left: float | None
    oldest: QueuedJob | None
    running: Sequence[RunningJob]
    interrupted: Sequence[RunningJob]
    waiting: Sequence[Job]
    failed: Sequence[Job]
    failures: Failures
    survey: Survey
    left_over: Sequence[str]
    lookalikes: Sequence[tuple[str, str]]
    disk: DiskUse
    notices: Undelivered
    nodes: Sequence[Node]

    def runs_on(self, node: Node) -> int:
        """Return how many packages run on a node."""
        return sum(each.node == node.name for each in self.running)


class Kept(NamedTuple):
    """The data folder of a failed attempt, which stays at `path` until a time (seconds since 1970), or less."""

    attempt: int
    path: str
    until: float


class Story(NamedTuple):
    """One job with its attempts, where its package lies (None if nowhere), and each attempt's log that exists.

    `pruned_at`: when attempts and logs that it had were removed. `kept`: the data folders of failed attempts that are
    still there, the oldest first. `running`: how far it is, while it runs. `changes`: what people have done to it, the
    newest first.
    """

    job: Job
    attempts: Sequence[Attempt]
    package_path: str | None
    log_paths: dict[int, str]
    revisions: Sequence[Job] = ()
    pruned_at: PrunedAt = PrunedAt()
    kept: Sequence[Kept] = ()
    running: RunningJob | None = None
    changes: Sequence[Change] = ()

    @property
    def waits(self) -> Sequence[float | None]:
        """How many seconds the job was in the queue before each attempt.

        None where it is not known since when: it had failed, or the attempt before is not recorded.
        """
        ends = {attempt.number + 1: attempt.ended_at for attempt in self.attempts if not attempt.is_final}
        queued = {1: self.job.created_at} | ends
        since = [queued.get(attempt.number) for attempt in self.attempts]
        return [
            None if at is None else max(attempt.started_at - at, 0.0)
            for at, attempt in zip(since, self.attempts, strict=True)
        ]


class Pruned(NamedTuple):
    """How many packages something of was pruned, and what; `size` is that of the logs, in bytes.

    `fault`: why something old stays, though it should not.
    """

    packages: int = 0
    attempts: int = 0
    logs: int = 0
    size: int = 0
    fault: str | None = None

    def joined(self, other: "Pruned") -> "Pruned":
        """Return both together."""
        return Pruned(
            self.packages + other.packages,
            self.attempts + other.attempts,
            self.logs + other.logs,
            self.size + other.size,
            self.fault or other.fault,
        )
