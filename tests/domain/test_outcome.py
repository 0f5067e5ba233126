import signal

import pytest

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, result_of_exit, timed_out


@pytest.mark.parametrize(
    ("code", "outcome", "words"),
    [
        (0, Outcome.DONE, ""),
        (75, Outcome.LATER, "exit status 75"),
        (65, Outcome.REJECTED, "exit status 65"),
        (1, Outcome.FAILED, "exit status 1"),
        (64, Outcome.FAILED, "exit status 64"),
        (255, Outcome.FAILED, "exit status 255"),
        (-signal.SIGKILL, Outcome.FAILED, "killed by signal 9 (Killed)"),
        (-signal.SIGSEGV, Outcome.FAILED, "killed by signal 11 (Segmentation fault)"),
        (-signal.SIGRTMAX, Outcome.FAILED, f"killed by signal {signal.SIGRTMAX} ("),
    ],
)
def test_an_exit_status_means_what_the_contract_says(code: int, outcome: Outcome, words: str) -> None:
    result = result_of_exit(code)
    assert result.outcome is outcome
    assert words in result.error


def test_success_has_no_reason_and_all_else_has_one() -> None:
    assert result_of_exit(0) == HandlerResult(Outcome.DONE, "")
    assert all(result_of_exit(code).error for code in [*range(1, 256), *range(-64, 0)])


@pytest.mark.parametrize(("seconds", "words"), [(3600.0, "3600 s"), (0.5, "0.5 s")])
def test_a_timeout_is_a_failure_that_says_how_long(seconds: float, words: str) -> None:
    result = timed_out(seconds)
    assert result.outcome is Outcome.FAILED
    assert words in result.error
