"""How a home stands, and the story of one job: what people ask for, as values."""

from collections.abc import Sequence
from typing import NamedTuple

from jobrunner.domain.job import Attempt, Job
from jobrunner.domain.lack import Lack


class Delivery(NamedTuple):
    """A folder in the inbox; `lacking` says what it waits for, None if it is complete.

    `arrived_at` is the time of its zip, in seconds since 1970. `is_arriving`: it has changed so lately that it may be
    complete soon. `lack` is the kind of what it waits for, `found` a few names of what is there instead. `unchanged`:
    for how many seconds nothing of it has changed, and for how many that has to be so.
    """

    name: str
    lacking: str | None
    arrived_at: float = 0.0
    is_arriving: bool = False
    lack: Lack | None = None
    found: Sequence[str] = ()
    unchanged: tuple[float, float] | None = None


class Survey(NamedTuple):
    """What the inbox holds besides packages that are queued: names, and for `incomplete` what each one lacks."""

    new: Sequence[str]
    duplicates: Sequence[str]
    incomplete: Sequence[Delivery]


class RunningJob(NamedTuple):
    """A running job, its worker's pid, when it was started (seconds since 1970) and how many seconds it has run.

    `extracted`: while a large zip is being extracted, the bytes that are done, and all bytes.
    """

    job: Job
    worker_pid: int
    started_at: float
    seconds: float
    extracted: tuple[int, int] | None = None


class Status(NamedTuple):
    """How a home stands at `now` (seconds since 1970); `failed` newest first, `waiting` next first.

    `troubles`: what is wrong with the machine, so that workers wait. `left_over`: what attempts left and we cannot
    remove, as paths. `lookalikes`: names that a person may take for the one beside them, but they are two packages.
    """

    now: float
    troubles: Sequence[str]
    counts: dict[str, int]
    done_last_minute: int
    done_last_hour: int
    running: Sequence[RunningJob]
    waiting: Sequence[Job]
    failed: Sequence[Job]
    survey: Survey
    left_over: Sequence[str]
    lookalikes: Sequence[tuple[str, str]]


class Story(NamedTuple):
    """One job with its attempts, where its package lies (None if nowhere), and each attempt's log that exists."""

    job: Job
    attempts: Sequence[Attempt]
    package_path: str | None
    log_paths: dict[int, str]

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
