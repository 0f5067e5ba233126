"""What an attempt's end means for its job: pure functions over the budgets."""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from jobrunner.domain.errors import StillChanging
from jobrunner.domain.job import Attempt, Job, Outcome

#: A package that was there when this many workers died is taken to be the cause.
MAX_CRASHES = 3
#: A package that was running in this many interruptions in a row lets the others go first.
MAX_INTERRUPTIONS = 3

#: A package that changes while it is read, whenever it is tried, is tried this often.
MAX_CHANGES = 10


class RetryPolicy(NamedTuple):
    """`max_attempts` failures of the handler fail the job; times in seconds."""

    max_attempts: int
    backoff: float
    max_backoff: float


class Decision(NamedTuple):
    """The job's budgets from now on, and what becomes of it.

    With a `verdict` it fails, as that. Otherwise it is queued again: at once or after `delay` seconds, at its old place
    in the queue or, with `to_back`, behind all others.
    """

    failures: int
    delays: int
    crashes: int
    interruptions: int
    verdict: Outcome | None = None
    delay: float | None = None
    to_back: bool = False
    reason: str | None = None


def decide(job: Job, outcome: Outcome, error: str, policy: RetryPolicy, *, jitter: float) -> Decision:
    """Return what becomes of `job` after an attempt that did not end well.

    `jitter` is a random number from 0 to 1; it stretches a delay by up to a quarter, so that jobs that failed together
    do not come back together.
    """
    now = Decision(job.failures, job.delays, job.crashes, interruptions=0, reason=error)
    match outcome:
        case Outcome.REJECTED | Outcome.CANCELLED:
            return now._replace(verdict=outcome)
        case Outcome.FAILED:
            failures = job.failures + 1
            if failures >= policy.max_attempts:
                return now._replace(failures=failures, delays=0, verdict=outcome)
            return now._replace(failures=failures, delays=0, delay=_backoff(failures, policy, jitter))
        case Outcome.LATER | Outcome.FAULT:
            delays = job.delays + 1
            return now._replace(delays=delays, delay=_backoff(delays, policy, jitter))
        case Outcome.CRASHED:
            crashes = job.crashes + 1
            if crashes >= MAX_CRASHES:
                reason = f"its worker died {crashes} times while it ran: see what the last attempt printed"
                return now._replace(crashes=crashes, verdict=outcome, reason=reason)
            return now._replace(crashes=crashes)
        case Outcome.INTERRUPTED:
            interruptions = job.interruptions + 1
            if interruptions >= MAX_INTERRUPTIONS:
                return now._replace(to_back=True)
            return now._replace(interruptions=interruptions)
        case Outcome.DONE:
            raise ValueError("a job that is done needs no decision")


def changes_in_a_row(attempts: Sequence[Attempt]) -> int:
    """Return how many of these attempts, the last ones and without a break, ended because the package changed."""
    told = [  # what a handler printed may end in the same words
        attempt.outcome is Outcome.FAULT and (attempt.error or "").endswith(StillChanging.QUESTION)
        for attempt in attempts
    ]
    return len(list(takewhile(bool, reversed(told))))


def as_it_stands(job: Job) -> Decision:
    """Return the decision that was taken of a condemned job."""
    return Decision(job.failures, job.delays, job.crashes, job.interruptions, verdict=job.verdict, reason=job.error)


def put_back(job: Job, reason: str) -> Decision:
    """Return the decision that leaves all as it was: tried again at once, at its place in the queue, uncounted."""
    return Decision(job.failures, job.delays, job.crashes, job.interruptions, reason=reason)


def _backoff(times: int, policy: RetryPolicy, jitter: float) -> float:
    doublings = min(times - 1, 64)  # a float cannot be doubled for ever
    return float(min(policy.backoff * 2**doublings * (1 + jitter / 4), policy.max_backoff))
