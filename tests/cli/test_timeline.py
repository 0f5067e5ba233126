import pytest

from jobrunner.cli.timeline import timeline
from jobrunner.domain.job import Attempt


def attempt(number: int, started_at: float, ended_at: float | None) -> Attempt:
    return Attempt(number, 1, started_at, ended_at, None, None, None, None, None, None)


def test_waits_and_attempts_are_drawn_on_one_scale() -> None:
    attempts = [attempt(1, 1010, 1020), attempt(2, 1040, None)]
    assert timeline(attempts, [10, 20], 1050, 10) == [
        "░░██",
        "    ░░░░██",
    ]


def test_a_time_in_which_the_package_was_not_queued_is_left_blank() -> None:
    assert timeline([attempt(1, 10, 20), attempt(2, 90, 100)], [10, None], 0, 10) == ["░█", "         █"]


@pytest.mark.parametrize("ended_at", [10.0, 10.001])
def test_the_shortest_attempt_is_seen(ended_at: float) -> None:
    assert timeline([attempt(1, 10, ended_at)], [10], 0, 8) == ["░░░░░░░█"]
    assert timeline([attempt(1, 10, ended_at)], [0], 0, 8)[0].strip("█") == ""


def test_a_clock_that_was_put_back_draws_no_more_than_there_is_room() -> None:
    bars = timeline([attempt(1, 100, 50), attempt(2, 60, 70)], [0, 10], 70, 20)
    assert max(map(len, bars)) <= 20


def test_where_there_is_no_room_nothing_is_drawn() -> None:
    assert timeline([attempt(1, 10, 20)], [10], 20, 7) == [""]
    assert len(timeline([attempt(1, 10, 20)], [10], 20, 500)[0]) == 60
