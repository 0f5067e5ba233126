"""What people want to know: how things stand, and the story of one job. Changes nothing."""

from collections.abc import Iterable, Iterator, Sequence

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.filters import Filters, ListedJob
from jobrunner.domain.job import Job
from jobrunner.domain.last_words import lines_of
from jobrunner.domain.moment import Moment
from jobrunner.domain.package import shown, unshown
from jobrunner.domain.status import RunningJob, Status, Story, Survey
from jobrunner.files import probe
from jobrunner.files.folders import Folders
from jobrunner.files.logs import logs_of
from jobrunner.process.killing import in_words
from jobrunner.process.output import LogReader
from jobrunner.process.presence import Presence
from jobrunner.process.remains import left_of
from jobrunner.services.intake import Intake
from jobrunner.store.store import Store
from jobrunner.store.workers import WorkerRecord

_MOST = 1000
_NEW = 86400.0  # seconds


class Report:
    """Reads the database and the folders."""

    def __init__(
        self,
        store: Store,
        presence: Presence,
        folders: Folders,
        keep_free: int,
        intake: Intake,
    ) -> None:
        self._store = store
        self._presence = presence
        self._folders = folders
        self._keep_free = keep_free
        self._intake = intake

    def status(self) -> Status:
        """Return how things stand, as far as folders can be read. Raises StoreError."""
        now = self._store.now()
        return Status(
            now=now.wall,
            troubles=self.troubles(),
            counts=self._store.jobs.counts(now),
            done_last_minute=self._store.jobs.done_within(60, now),
            done_last_hour=self._store.jobs.done_within(3600, now),
            running=self.running(),
            waiting=[_with_wall_time(job, now) for job in self._store.jobs.waiting(_MOST)],
            failed=self._store.jobs.failed(),
            survey=self._survey(),
            left_over=self._left_over(),
            lookalikes=self._store.jobs.lookalikes(now.wall - _NEW, _MOST),
        )

    def running(self) -> list[RunningJob]:
        """Return what runs, the longest running first, and how far it is. Raises StoreError."""
        return [
            running._replace(extracted=self._folders.workspace(running.job).read_progress())
            for running in self._store.jobs.running(self._store.now())
        ]

    def find(self, text: str) -> Job:
        """Return the job of a name, given as we show it or as it is. Raises JobrunnerError where there is none."""
        job = self._store.jobs.find(unshown(text)) or self._store.jobs.find(text)
        if job is None:
            raise JobrunnerError(
                f"no package named {shown(text)} is known: jobrunner explain {shown(text)} looks for it"
            )
        return job

    def select(self, filters: Filters) -> Sequence[int]:
        """Return the ids of the jobs that fit, in their order. Raises StoreError."""
        return self._store.listing.select(filters, self._store.now())

    def count(self, filters: Filters) -> int:
        """Return how many jobs fit, whatever the limit. Raises StoreError."""
        return self._store.listing.count(filters, self._store.now())

    def listed(self, ids: Iterable[int]) -> Iterator[ListedJob]:
        """Yield the jobs of these ids, as they are when they are asked for. Raises StoreError."""
        now = self._store.now()
        for listed in self._store.listing.read(ids, now):
            yield listed._replace(job=_with_wall_time(listed.job, now))

    def story(self, job: Job) -> Story:
        """Return all that is known of a job."""
        attempts = self._store.attempts.of_job(job)
        logs = logs_of(self._folders, job)
        return Story(_with_wall_time(job, self._store.now()), attempts, self._folders.whereabouts(job), logs)

    def last_lines(self, story: Story, count: int) -> list[str]:
        """Return the last lines that the newest attempt with a log has printed. Raises OSError."""
        if not story.log_paths:
            return []
        return lines_of(LogReader(story.log_paths[max(story.log_paths)]).last(count))[-count:]

    def open_log(self, path: str) -> LogReader:
        """Return a log of those that a story names, for reading; its attempt may still print. Raises OSError."""
        return LogReader(path)

    def troubles(self) -> list[str]:
        """Return what is wrong with the machine: what its user sees here, and what the workers wait for.

        That another user may not write here is no trouble.
        """
        is_ours = not (self._store.database.is_to_read and self._store.database.is_another_users)
        seen = [probe.look(self._folders, self._keep_free), self._store.database.look()] if is_ours else []
        told = map(self._trouble_of, self._store.workers.not_ended())
        return list(dict.fromkeys(trouble for trouble in (*seen, *told) if trouble))

    def _trouble_of(self, worker: WorkerRecord) -> str | None:
        """Return what a worker waits for, or what waits for its end."""
        if worker.process.lives():
            return worker.trouble
        try:
            left = left_of(worker.token, self._presence.noted(worker.token))
        except OSError:  # another user's
            return None
        return f"{in_words(left, 'of a dead worker')}: its package waits for that" if left else None

    def _left_over(self) -> list[str]:
        try:
            return self._folders.left_over()
        except OSError:  # why, is among the troubles
            return []

    def _survey(self) -> Survey:
        try:
            return self._intake.survey()
        except OSError:  # why, is among the troubles
            return Survey([], [], [])


def _with_wall_time(job: Job, now: Moment) -> Job:
    """Return the job with its waiting time as people's clocks show it."""
    return job if job.not_before_at is None else job._replace(not_before_at=now.wall_of(job.not_before_at))
