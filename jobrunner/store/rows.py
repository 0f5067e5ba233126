"""Rows become values of the domain here, and values become the parameters of statements."""

import json
import os
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from jobrunner.domain.filters import ListedJob, Standing
from jobrunner.domain.job import Adopted, Attempt, Identity, Job, KnownJob, Outcome, State
from jobrunner.domain.moment import Moment
from jobrunner.domain.naming import likeness
from jobrunner.domain.retry import Decision
from jobrunner.domain.status import RunningJob
from jobrunner.store.database import Row

_of_job = itemgetter(*Job._fields)


def job(row: Row) -> Job:
    """Return the job of a row with the columns of the fragment `job`."""
    name, package = os.fsdecode(row["name"]), row["package"]
    ours = {
        "name": name,
        "state": State(row["state"]),
        "verdict": outcome(row["verdict"]),
        "failed_name": _text(row["failed_name"]),
        "package": name if package is None else os.fsdecode(package),
        "source": _text(row["source"]),
    }
    return Job(*_of_job(row | ours))


def running_job(row: Row, now: Moment) -> RunningJob:
    """Return a job with its worker and its newest attempt."""
    began = row["steady_started_at"] or now.steady  # none: begun by an older jobrunner
    return RunningJob(job(row), row["worker_pid"], row["attempt_started_at"], max(now.steady - began, 0.0))


def listed_job(row: Row) -> ListedJob:
    """Return a job with its state as people are told it."""
    return ListedJob(job(row), Standing(row["standing"]), row["reached_at"])


def known_job(row: Row) -> KnownJob:
    """Return what the intake asks of a job."""
    return KnownJob(row["id"], State(row["state"]), bool(row["lies_in_failed"]), row["left_in_inbox"])


def ended_job(row: Row) -> Adopted:
    """Return a job that has ended as it is recorded again; what it failed as, not all versions tell."""
    state = State(row["state"])
    name = os.fsdecode(row["name"])
    package = _text(row.get("package")) or name
    return Adopted(
        Identity(name, package, row.get("revision", 1), _text(row.get("source"))),
        state,
        row["attempt"],
        row["created_at"],
        row["finished_at"],
        row["error"],
        verdict=Outcome.FAILED if state is State.FAILED else None,
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else os.fsdecode(value)


def attempt(row: Row) -> Attempt:
    """Return an attempt with the pid of its worker."""
    return Attempt(**row | {"outcome": outcome(row["outcome"]), "is_final": bool(row["is_final"])})


def outcome(value: str | None) -> Outcome | None:
    """Return an outcome as it is stored."""
    return Outcome(value) if value else None


def budgets(decision: Decision) -> dict[str, Any]:
    """Return what a decision leaves of a job's budgets, why, and what the job fails as."""
    return {
        "error": decision.reason,
        "verdict": decision.verdict and decision.verdict.value,
        "failures": decision.failures,
        "delays": decision.delays,
        "crashes": decision.crashes,
        "interruptions": decision.interruptions,
    }


def place(failed_name: str | None, error_name: str | None) -> dict[str, Any]:
    """Return where in the failed folder a package lies, and which file in it is ours."""
    return {"failed_name": failed_name and os.fsencode(failed_name), "error_name": error_name}


def named(name: str) -> dict[str, bytes]:
    """Return a name, and what it has in common with names that a person may take for it."""
    return {"name": os.fsencode(name), "likeness": os.fsencode(likeness(name))}


def identity(identity: Identity) -> dict[str, Any]:
    """Return what tells a job from all others."""
    name, package, revision, source = identity
    return {
        "name": os.fsencode(name),
        "package": None if package == name else os.fsencode(package),
        "revision": revision,
        "source": None if source is None else os.fsencode(source),
    }


def in_json(names: Iterable[str]) -> dict[str, str]:
    """Return names as one parameter: JSON of hexadecimal text."""
    return {"names": json.dumps([os.fsencode(name).hex() for name in names])}


def waits(now: Moment, longest: float) -> dict[str, float]:
    """Return what tells the jobs that have waited long enough; `longest` is the longest backoff in seconds."""
    return {"now": now.steady, "horizon": now.steady + longest}
