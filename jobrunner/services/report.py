"""What people want to know: how things stand, and the story of one job. Changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from jobrunner.domain import failures, pace
from jobrunner.domain.errors import NotKnown
from jobrunner.domain.filters import Filters, ListedJob, Standing
from jobrunner.domain.job import Job, State
from jobrunner.domain.last_words import lines_of
from jobrunner.domain.moment import Moment
from jobrunner.domain.package import shown, unshown
from jobrunner.domain.settings import ProcessSettings
from jobrunner.domain.status import Delivery, DiskUse, QueuedJob, Runner, RunningJob, Status, Step, Story, Survey
from jobrunner.files import fence, keeping, probe, settings_file
from jobrunner.files.folders import Folders
from jobrunner.files.logs import logs_of
from jobrunner.files.usage import disk_use
from jobrunner.process.killing import in_words
from jobrunner.process.output import LogReader
from jobrunner.process.presence import Presence
from jobrunner.process.remains import left_of
from jobrunner.services.intake import Intake
from jobrunner.store.store import Store
from jobrunner.store.workers import WorkerRecord

_MOST = 1000
_MOST_FAILED = 5_000
_MOST_LOOKED_INTO = 100
_MOST_SIZED = 1000
_DAY = 86400.0  # seconds
#: Seconds for which deaths among the workers are told.
_DYING = 300.0


class Report:
    """Reads the database and the folders."""

    def __init__(
        self,
        store: Store,
        presence: Presence,
        folders: Folders,
        keep_free: int,
        intake: Intake,
        settings_path: str,
        process: ProcessSettings,
    ) -> None:
        self._store = store
        self._presence = presence
        self._folders = folders
        self._keep_free = keep_free
        self._intake = intake
        self._settings_path = settings_path
        self._process = process

    def status(self) -> Status:
        """Return how things stand, as far as folders can be read. Raises StoreError."""
        now = self._store.now()
        jobs = self._store.jobs
        workers = self._store.workers.not_ended()
        alive = [worker for worker in workers if worker.process.lives()]
        runners = self.runners(alive, now)
        troubles = self.troubles(workers)
        pause = self._store.pauses.in_force(now.wall)
        counts, oldest, failed = jobs.counts(now), jobs.oldest(), jobs.failed(_MOST_FAILED)
        begun = jobs.running(now)
        held = {worker.id for worker in alive}
        return Status(
            now=now.wall,
            pause=pause,
            runners=runners,
            troubles=troubles,
            counts=counts,
            done_last_minute=jobs.done_within(60, now),
            done_last_hour=jobs.done_within(3600, now),
            seconds_left=None if pause or troubles else self._seconds_left(counts["queued"], oldest, runners, now),
            oldest=oldest,
            running=[self._with_step(each) for each in begun if each.job.worker_id in held],
            interrupted=[each for each in begun if each.job.worker_id not in held],
            waiting=[_with_wall_time(job, now) for job in jobs.waiting(_MOST)],
            failed=failed,
            failures=failures.grouped(failed, now.wall - _DAY),
            survey=self._survey(),
            left_over=self._left_over(),
            lookalikes=jobs.lookalikes(now.wall - _DAY, _MOST),
            disk=self.disk_use(_MOST_SIZED),
            notices=self._store.notices.undelivered(),
            nodes=self._store.nodes.all(),
        )

    def disk_use(self, most: int) -> DiskUse:
        """Return what the home takes, after a look at up to so many files and folders of each part of it."""
        return disk_use(str(self._store.database.path), self._folders, most)

    def running(self) -> list[RunningJob]:
        """Return the jobs that run, or that dead workers left, and how far each is. Raises StoreError."""
        return [self._with_step(entry) for entry in self._store.jobs.running(self._store.now())]

    def find(self, text: str, revision: int | None = None) -> Job:
        """Return the job of a name, given as we show it or as it is, or a revision of that package.

        Raises NotKnown where there is none, StoreError.
        """
        job = self._store.jobs.find(unshown(text)) or self._store.jobs.find(text)
        if job and revision:
            job = self._store.revisions.find(job.package, revision)
            if job is None:
                raise NotKnown(f"{shown(text)} has no revision {revision}: jobrunner show {shown(text)} has all")
        if job is None:
            name = shown(text)
            if self._intake.has(unshown(text)):
                raise NotKnown(f"{name} lies in the inbox, but is not queued yet: jobrunner explain {name}")
            raise NotKnown(f"no package named {name} is known: jobrunner explain {name} looks for it")
        return job

    def now(self, job: Job) -> Job:
        """Return a job as it is by now."""
        return self._store.jobs.get(job.id) or job

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
            is_running = listed.standing is Standing.RUNNING
            own = self._folders.own(listed.job)
            progress = own.progress_now() if is_running else None
            node = fence.node_of(own.path, listed.job.attempt) if is_running else None
            yield listed._replace(job=_with_wall_time(listed.job, now), progress=progress, node=node)

    def story(self, job: Job) -> Story:
        """Return all that is known of a job."""
        attempts = self._store.attempts.of_job(job)
        logs = logs_of(self._folders, job)
        revisions = self._store.revisions.of(job.package) if job.revision == 1 else ()
        pruned_at, place = self._store.old_jobs.pruned_at(job), self._folders.whereabouts(job)
        kept = keeping.of_job(self._folders, job, self._process.keep_failed)
        now, changes = self._store.now(), self._store.changes.of_job(job)
        begun = self._store.jobs.running(now) if job.state is State.RUNNING else ()
        running = next((self._with_step(each) for each in begun if each.job.id == job.id), None)
        job = _with_wall_time(job, now)
        return Story(job, attempts, place, logs, revisions, pruned_at, kept, running, changes)

    def last_lines(self, story: Story, count: int) -> list[str]:
        """Return the last lines that the newest attempt with a log has printed. Raises OSError."""
        return self.lines_of(story.log_paths[max(story.log_paths)], count) if story.log_paths else []

    def lines_of(self, path: str, count: int) -> list[str]:
        """Return the last lines of a log of those that a story names. Raises OSError."""
        with closing(LogReader(path)) as log:
            return lines_of(log.last(count))[-count:]

    def open_log(self, path: str) -> LogReader:
        """Return a log of those that a story names, for reading; its attempt may still print. Raises OSError."""
        return LogReader(path)

    def runners(self, alive: Sequence[WorkerRecord], now: Moment) -> list[Runner]:
        """Return what goes on here, with how many of its workers are alive."""
        settings_state = settings_file.state(self._settings_path)
        return [
            Runner(
                runner.command,
                runner.process.pid,
                runner.started_at,
                runner.workers,
                sum(worker.supervisor == runner.token for worker in alive),
                runner.deaths if runner.deaths and now.wall - runner.deaths.newest_at < _DYING else None,
                runner.settings_state != settings_state,
                runner.missed,
            )
            for runner in self._store.runners.all()
            if runner.process.lives()
        ]

    def _seconds_left(
        self, queued: int, oldest: QueuedJob | None, runners: Sequence[Runner], now: Moment
    ) -> float | None:
        """Return how long the queue will take: by the pace since it was empty last, or since a worker came."""
        started = [runner.started_at for runner in runners if runner.alive]
        if oldest is None or not started:
            return None
        busy = now.wall - max(oldest.since, min(started))
        return pace.seconds_left(
            queued,
            busy,
            lambda span: self._store.jobs.done_within(span, now) + self._store.jobs.failed_within(span, now),
        )

    def _with_step(self, running: RunningJob) -> RunningJob:
        workspace = self._folders.workspace(running.job)
        step = workspace.step(has_handler=self._process.has_handler)
        node = fence.node_of(workspace.path, running.job.attempt)
        if step is Step.HANDLER and node is None and fence.is_offered(workspace.path, running.job.attempt):
            step = Step.NODE
        return running._replace(step=step, progress=workspace.progress_now(), node=node)

    def troubles(self, workers: Iterable[WorkerRecord]) -> list[str]:
        """Return what is wrong with the machine: what its user sees here, and what the workers wait for.

        That another user may not write here is no trouble.
        """
        is_ours = not (self._store.database.is_to_read and self._store.database.is_another_users)
        seen = [probe.look(self._folders, self._keep_free), self._store.database.look()] if is_ours else []
        told = map(self._trouble_of, workers)
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
            survey = self._intake.survey()
        except OSError:  # why, is among the troubles
            return Survey([], [], [])
        return survey._replace(
            incomplete=self._looked_into(survey.incomplete),
            duplicates=self._looked_into(survey.duplicates),
            new=self._looked_into(survey.new),
        )

    def _looked_into(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        first, others = deliveries[:_MOST_LOOKED_INTO], deliveries[_MOST_LOOKED_INTO:]
        return [*map(self._intake.with_contents, first), *others]


def _with_wall_time(job: Job, now: Moment) -> Job:
    """Return the job with its waiting time as people's clocks show it."""
    return job if job.not_before_at is None else job._replace(not_before_at=now.wall_of(job.not_before_at))
