"""Failures by their reasons: what is the same of many is told once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobrunner.domain.job import Job, Outcome
from jobrunner.domain.last_words import folded
from jobrunner.domain.package import shown


class FailureGroup(NamedTuple):
    """So many jobs failed for one `reason`: N, PATH and NAME are in it numbers, paths and packages that differ.

    `newest` is the one of them that failed last.
    """

    reason: str
    total: int
    newest: Job


class Failures(NamedTuple):
    """Jobs that failed `since` a time (seconds since 1970): by reason, the most first; cancelled ones only counted."""

    since: float
    groups: Sequence[FailureGroup]
    cancelled: int

    @property
    def total(self) -> int:
        """How many failed by themselves."""
        return sum(group.total for group in self.groups)


def grouped(failed: Iterable[Job], since: float) -> Failures:
    """Return what failed since a time by reason; the jobs are given newest first."""
    kinds: dict[str, list[Job]] = {}
    cancelled = 0
    for job in failed:
        if (job.finished_at or 0) < since:
            continue
        if job.verdict is Outcome.CANCELLED:
            cancelled += 1
        else:
            kind = folded(job.error or "", shown(job.name), shown(job.package))
            kinds.setdefault(kind, []).append(job)
    groups = [FailureGroup(_reason(kind, jobs), len(jobs), jobs[0]) for kind, jobs in kinds.items()]
    return Failures(since, sorted(groups, key=lambda group: -group.total), cancelled)


def _reason(kind: str, jobs: Sequence[Job]) -> str:
    """Return the reason of jobs of one kind: as it was told, where it is that of all."""
    first, *others = {job.error or "" for job in jobs}
    return kind if others else first
