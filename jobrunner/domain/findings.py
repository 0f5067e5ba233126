"""What a check of a home finds: differences between database and folders, as values."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from jobrunner.domain.job import State


class Kind(StrEnum):
    """The kinds of findings: programs compare these words, so they stay what they are.

    None of them comes about by a crash alone: those are recovered without a check.
    """

    DATABASE_DAMAGED = "database-damaged"  #: and nothing else was looked at
    DATABASE_LOST = "database-lost"  #: there is none, but there are packages that it knew; likewise
    CANNOT_START = "cannot-start"  #: `run` and `work` refuse to start, for what the settings say of the handler
    ARCHIVED_WITHOUT_JOB = "archived-without-job"  #: a package
    FAILED_WITHOUT_JOB = "failed-without-job"  #: a package
    WORK_WITHOUT_JOB = "work-without-job"  #: a package in an attempt's work folder
    WORK_WITHOUT_NAME = "work-without-name"  #: the same, but its name cannot be told
    SECOND_IN_WORK = "second-in-work"  #: a package whose job has ended, or has another folder with a package
    LEFTOVER_IN_WORK = "leftover-in-work"  #: a work folder that nothing needs; no package is in it
    UNKNOWN_IN_WORK = "unknown-in-work"  #: not of our making
    LEFTOVER_IN_INBOX = "leftover-in-inbox"  #: all or part of a sender's folder whose copy is in archive or failed
    COPIED_WITHOUT_JOB = "copied-without-job"  #: a sender's folder whose copy was taken, and is nowhere by any job
    QUEUED_WITHOUT_PACKAGE = "queued-without-package"  #: a job
    FAILED_WITHOUT_PACKAGE = "failed-without-package"  #: a job
    ARCHIVED_NOT_DONE = "archived-not-done"  #: the archive has a package of the name of a job that is not done
    WORKER_DEAD = "worker-dead"  #: a running job, and no supervisor lives that would recover it
    RUNNING_WITHOUT_WORKER = "running-without-worker"  #: a job of a worker that had ended properly
    LEFTOVER_LOCK = "leftover-lock"  #: a file in work/.workers, which is named by a dead process's token


#: What `check --repair` can mend without a choice that only a person can make.
REPAIRABLE = frozenset(
    {
        Kind.ARCHIVED_WITHOUT_JOB,
        Kind.FAILED_WITHOUT_JOB,
        Kind.WORK_WITHOUT_JOB,
        Kind.LEFTOVER_IN_WORK,
        Kind.LEFTOVER_IN_INBOX,
        Kind.WORKER_DEAD,
        Kind.RUNNING_WITHOUT_WORKER,
        Kind.LEFTOVER_LOCK,
    }
)


class Finding(NamedTuple):
    """One finding: where it is, and the package, the job and its state, where they are known.

    `reason` says what is wrong with a database or with the settings; other kinds are plain.
    """

    kind: Kind
    path: str
    name: str | None = None
    job_id: int | None = None
    state: State | None = None
    reason: str | None = None


class Findings(NamedTuple):
    """All differences, and what was compared: `jobs` in the database, of which `gone` are done and not in the archive.

    The archive is the user's: to empty it makes no difference, and its names stay known.
    """

    differences: Sequence[Finding]
    jobs: int = 0
    gone: int = 0


class Rebuilt(NamedTuple):
    """A new database: jobs in it by state, and what the damaged one is called by now (None where there was none)."""

    counts: dict[str, int]
    kept_as: str | None
