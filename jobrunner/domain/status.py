"""How a home stands, and the story of one job: what people ask for, as values."""

from collections.abc import Sequence
from typing import NamedTuple

from jobrunner.domain.job import Attempt, Job
from jobrunner.domain.progress import Progress


class Delivery(NamedTuple):
    """A folder in the inbox; `lacking` says what it waits for, None if it is complete.

    `arrived_at` is the time of its zip, in seconds since 1970. `is_arriving`: it has changed so lately that it may be
    complete soon.
    """

    name: str
    lacking: str | None
    arrived_at: float = 0.0
    is_arriving: bool = False


class Survey(NamedTuple):
    """What the inbox holds besides packages that are queued: names, and for `incomplete` what each one lacks.

    `unseen`: so many more have not been looked at, because there are too many.
    """

    new: Sequence[str]
    duplicates: Sequence[str]
    incomplete: Sequence[Delivery]
    unseen: int = 0


class RunningJob(NamedTuple):
    """A running job, its worker's pid, when it was started (seconds since 1970) and how many seconds it has run.

    `progress`: how far a large copy or extraction is, or what the handler says of itself; None where nothing is said.
    """

    job: Job
    worker_pid: int
    started_at: float
    seconds: float
    progress: Progress | None = None


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
