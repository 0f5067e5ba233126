from collections.abc import Callable, Sequence

import pytest

from jobrunner.domain.pace import seconds_left


def ends(*ages: float) -> Callable[[float], int]:
    """Count the jobs that ended so many seconds ago."""
    return lambda span: sum(age <= span for age in ages)


def steadily(every: float, until: float) -> Sequence[float]:
    return [every * number for number in range(1, int(until / every) + 1)]


@pytest.mark.parametrize(("every", "busy"), [(1, 60), (1, 7200), (6, 60), (100, 3600), (3000, 80_000)])
def test_the_queue_takes_as_long_as_the_same_number_of_jobs_took(every: float, busy: float) -> None:
    left = seconds_left(50, busy, ends(*steadily(every, busy)))
    assert left == pytest.approx(50 * every, rel=0.2)


def test_the_newest_pace_counts_as_soon_as_it_is_known() -> None:
    assert seconds_left(60, 7200, ends(*steadily(1, 60))) == 60  # and nothing before, for two hours


@pytest.mark.parametrize(
    ("queued", "busy", "ages"),
    [
        (0, 3600, steadily(1, 3600)),  # nothing is in the queue
        (50, 3600, steadily(600, 3600)),  # too few have ended
        (50, 5, steadily(1, 3600)),  # what ended before there was a queue may have come one by one
        (50, 0, steadily(1, 3600)),
        (50, 100_000, ()),
    ],
)
def test_what_cannot_be_known_is_not_said(queued: int, busy: float, ages: Sequence[float]) -> None:
    assert seconds_left(queued, busy, ends(*ages)) is None
