from typing import Any

import pytest

from jobrunner.domain.errors import StillChanging
from jobrunner.domain.job import Attempt, Job, Outcome, State
from jobrunner.domain.retry import (
    MAX_CRASHES,
    MAX_INTERRUPTIONS,
    Decision,
    RetryPolicy,
    changes_in_a_row,
    decide,
)

POLICY = RetryPolicy(max_attempts=3, backoff=10.0, max_backoff=100.0)


def job(**budgets: Any) -> Job:
    values: dict[str, Any] = {"failures": 0, "delays": 0, "crashes": 0, "interruptions": 0} | budgets
    return Job(
        id=1,
        name="p",
        state=State.RUNNING,
        attempt=1,
        worker_id=1,
        verdict=None,
        not_before_at=None,
        error=None,
        failed_name=None,
        error_name=None,
        created_at=0.0,
        finished_at=None,
        package="p",
        revision=1,
        source=None,
        **values,
    )


def decided(outcome: Outcome, policy: RetryPolicy = POLICY, jitter: float = 0.0, **budgets: Any) -> Decision:
    return decide(job(**budgets), outcome, "why", policy, jitter=jitter)


FULL: dict[str, Any] = {"failures": 1, "delays": 1, "crashes": 1, "interruptions": 1}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.FAILED, Decision(2, 0, 1, 0, delay=20.0, reason="why")),
        (Outcome.REJECTED, Decision(1, 1, 1, 0, verdict=Outcome.REJECTED, reason="why")),
        (Outcome.CANCELLED, Decision(1, 1, 1, 0, verdict=Outcome.CANCELLED, reason="why")),
        (Outcome.LATER, Decision(1, 2, 1, 0, delay=20.0, reason="why")),
        (Outcome.FAULT, Decision(1, 2, 1, 0, delay=20.0, reason="why")),
        (Outcome.CRASHED, Decision(1, 1, 2, 0, reason="why")),
        (Outcome.INTERRUPTED, Decision(1, 1, 1, 2, reason="why")),
    ],
)
def test_each_outcome_touches_its_own_budget(outcome: Outcome, expected: Decision) -> None:
    assert decided(outcome, **FULL) == expected


def test_a_done_job_needs_no_decision() -> None:
    with pytest.raises(ValueError, match="needs no decision"):
        decided(Outcome.DONE)


def test_every_outcome_is_decided_here() -> None:
    for outcome in set(Outcome) - {Outcome.DONE}:
        assert decided(outcome).reason == "why"


def test_the_last_failure_allowed_condemns() -> None:
    verdicts = [decided(Outcome.FAILED, failures=before).verdict for before in range(4)]
    assert verdicts == [None, None, Outcome.FAILED, Outcome.FAILED]
    last = decided(Outcome.FAILED, failures=2, delays=4)
    assert (last.failures, last.delay, last.reason) == (3, None, "why")


def test_one_attempt_means_no_second_try() -> None:
    assert decided(Outcome.FAILED, RetryPolicy(1, 10.0, 100.0)).verdict is Outcome.FAILED


def test_a_crash_is_tried_again_at_once_and_the_last_one_condemns_with_the_count() -> None:
    first, second, third = (decided(Outcome.CRASHED, crashes=before) for before in range(MAX_CRASHES))
    assert (first.delay, first.verdict, first.to_back) == (None, None, False)
    assert second.verdict is None
    assert third == Decision(
        0,
        0,
        3,
        0,
        verdict=Outcome.CRASHED,
        reason="its worker died 3 times while it ran: see what the last attempt printed",
    )


def test_only_interruptions_in_a_row_send_a_job_to_the_back_and_never_fail_it() -> None:
    decisions = [decided(Outcome.INTERRUPTED, interruptions=before) for before in range(MAX_INTERRUPTIONS)]
    assert [(one.interruptions, one.to_back) for one in decisions] == [(1, False), (2, False), (0, True)]
    assert not any(one.verdict or one.delay is not None for one in decisions)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.LATER, Outcome.FAULT, Outcome.CRASHED])
def test_anything_but_an_interruption_ends_the_row(outcome: Outcome) -> None:
    assert decided(outcome, interruptions=2).interruptions == 0


@pytest.mark.parametrize(("outcome", "budget"), [(Outcome.LATER, "delays"), (Outcome.FAULT, "delays")])
def test_delays_never_use_up_a_job(outcome: Outcome, budget: str) -> None:
    decision = decide(job(**{budget: 10_000}), outcome, "why", POLICY, jitter=0.0)
    assert decision.verdict is None
    assert decision.delay == POLICY.max_backoff


@pytest.mark.parametrize(
    ("outcome", "budget"), [(Outcome.FAILED, "failures"), (Outcome.LATER, "delays"), (Outcome.FAULT, "delays")]
)
def test_a_delay_doubles_up_to_the_longest(outcome: Outcome, budget: str) -> None:
    policy = RetryPolicy(max_attempts=100, backoff=10.0, max_backoff=100.0)
    delays = [decided(outcome, policy, **{budget: before}).delay for before in range(6)]
    assert delays == [10.0, 20.0, 40.0, 80.0, 100.0, 100.0]


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 40.0), (0.5, 45.0), (1.0, 50.0)])
def test_jitter_stretches_a_delay_by_up_to_a_quarter(jitter: float, delay: float) -> None:
    assert decided(Outcome.LATER, jitter=jitter, delays=2).delay == delay


def test_jitter_never_goes_beyond_the_longest_delay() -> None:
    assert decided(Outcome.LATER, jitter=1.0, delays=3).delay == 100.0  # 80 s and a quarter
    assert decided(Outcome.LATER, jitter=1.0, delays=4).delay == 100.0


def test_a_backoff_over_the_longest_delay_is_cut() -> None:
    assert decided(Outcome.FAILED, RetryPolicy(3, 500.0, 100.0)).delay == 100.0


def test_no_backoff_stays_none() -> None:
    assert decided(Outcome.LATER, RetryPolicy(3, 0.0, 100.0), jitter=1.0, delays=100).delay == 0.0


CHANGED = str(StillChanging("a file changed while it was copied"))


@pytest.mark.parametrize(
    ("errors", "changes"),
    [
        ([], 0),
        ([CHANGED, CHANGED], 2),
        (["not now", "not now", CHANGED], 1),
        ([CHANGED, CHANGED, "the disk is full"], 0),
        ([CHANGED, f"{StillChanging('a file changed').reason}, and so at each of 10 tries", CHANGED], 1),
        ([CHANGED, None, CHANGED], 1),
    ],
)
def test_only_changes_without_a_break_count_and_no_other_wait(errors: list[str | None], changes: int) -> None:
    attempts = [
        Attempt(number, 1, 0.0, 1.0, Outcome.FAULT, error, None, None, None, None)
        for number, error in enumerate(errors, start=1)
    ]
    assert changes_in_a_row(attempts) == changes


def test_a_handler_that_prints_what_a_change_is_told_by_is_no_change() -> None:
    attempt = Attempt(1, 1, 0.0, 1.0, Outcome.FAILED, f"exit status 1: {CHANGED}", None, None, None, None)
    assert changes_in_a_row([attempt]) == 0
