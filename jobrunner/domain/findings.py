"""What a check of a home finds: differences between database and folders, as values."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The kinds of findings. None of them comes about by a crash alone: those are recovered without a check."""

    DATABASE_DAMAGED = "database damaged"  #: and nothing else was looked at
    DATABASE_LOST = "database lost"  #: there is none, but there are packages that it knew; likewise
    NOT_TO_START = "cannot start"  #: `run` and `work` refuse to start, for what the settings say of the handler
    UNKNOWN_ARCHIVED = "unknown in archive"  #: a package without a job
    UNKNOWN_FAILED = "unknown in failed"  #: a package without a job
    UNKNOWN_WORK = "unknown in work"  #: a package without a job, in an attempt's work folder
    NAMELESS_WORK = "nameless in work"  #: the same, but its name cannot be told
    SECOND_PACKAGE = "second package in work"  #: its job has ended, or has another folder with a package
    LEFT_OVER = "left over in work"  #: a work folder that nobody needs; no package is in it
    STRANGE_IN_WORK = "strange in work"  #: not of our making
    LEFT_IN_INBOX = "left over in inbox"  #: a sender's folder whose copy is in archive or failed, all or part of it
    TAKEN_LEFT = "taken from inbox"  #: a sender's folder whose copy was taken, and is nowhere by any job
    QUEUED_NOWHERE = "queued, but nowhere"  #: a job without a package
    FAILED_NOWHERE = "failed, but nowhere"  #: a job without a package
    ARCHIVED_TOO = "archived, too"  #: the archive has a package of the name of a job that is not done
    WORKER_DEAD = "worker dead"  #: a running job, and no supervisor lives that would recover it
    UNHELD = "held by nobody"  #: a running job of a worker that had ended properly
    LOCK_LEFT = "lock of nobody"  #: a file in work/.workers


#: What `check --repair` can mend without a choice that only a person can make.
REPAIRABLE = frozenset(
    {
        Kind.UNKNOWN_ARCHIVED,
        Kind.UNKNOWN_FAILED,
        Kind.UNKNOWN_WORK,
        Kind.LEFT_OVER,
        Kind.LEFT_IN_INBOX,
        Kind.WORKER_DEAD,
        Kind.UNHELD,
        Kind.LOCK_LEFT,
    }
)


class Finding(NamedTuple):
    """One finding: where it is, and the package and job that it concerns, where they are known."""

    kind: Kind
    path: str
    name: str | None = None
    job_id: int | None = None
    detail: str = ""


class Findings(NamedTuple):
    """All differences, and what was compared: `jobs` in the database, of which `gone` are done and not in the archive.

    The archive is the user's: who empties it makes no difference, its names stay known.
    """

    differences: Sequence[Finding]
    jobs: int = 0
    gone: int = 0


class Rebuilt(NamedTuple):
    """A new database: jobs in it by state, and what the damaged one is called by now (None where there was none)."""

    counts: dict[str, int]
    kept_as: str | None
