"""What people want to know: how things stand, and the story of one job. Changes nothing."""

import time
from dataclasses import replace

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.job import Job
from jobrunner.domain.package import shown, unshown
from jobrunner.domain.status import Status, Story
from jobrunner.files.folders import Folders
from jobrunner.services.intake import Intake
from jobrunner.store.jobs import Jobs

_MOST_WAITING = 1000


class Report:
    """Reads the database and the folders."""

    def __init__(self, jobs: Jobs, folders: Folders, intake: Intake) -> None:
        self._jobs = jobs
        self._folders = folders
        self._intake = intake

    def status(self) -> Status:
        """Return how things stand. Raises StoreError, OSError."""
        now = time.time()
        return Status(
            now=now,
            counts=self._jobs.counts(now),
            done_last_minute=self._jobs.done_since(now - 60),
            done_last_hour=self._jobs.done_since(now - 3600),
            running=[
                replace(running, extracted=self._folders.workspace(running.job).read_progress())
                for running in self._jobs.running()
            ],
            waiting=self._jobs.waiting(_MOST_WAITING),
            failed=self._jobs.failed(),
            survey=self._intake.survey(),
        )

    def find(self, text: str) -> Job:
        """Return the job of a name, given as we show it or as it is. Raises JobrunnerError where there is none."""
        job = self._jobs.find(unshown(text)) or self._jobs.find(text)
        if job is None:
            raise JobrunnerError(f"no package named {shown(text)} is known: jobrunner status shows what is")
        return job

    def story(self, job: Job) -> Story:
        """Return all that is known of a job."""
        attempts = self._jobs.attempts(job)
        logs = self._folders.logs_of(job)
        return Story(job, attempts, self._folders.whereabouts(job), logs)
