"""A trouble that comes and goes is no storm of notices."""

import math

import pytest

from jobrunner.services.debouncing import Debouncing

HOME = "/srv/home"


class Clock:
    """Notices as they would be sent, each at its time."""

    def __init__(self) -> None:
        self.debouncing = Debouncing(HOME)
        self.now = 1000.0

    def told(self, seconds: float) -> list[str]:
        """Let so much time pass, and return what is told in it."""
        texts, end = [], self.now + seconds
        while (due := self.now + self.debouncing.due_in(self.now)) <= end:
            self.now = due
            if notice := self.debouncing.notice(self.now, 0.0):
                texts.append(f"{notice.kind.value}: {' + '.join(notice.details.get('troubles', ()))}")
        self.now = end
        return texts

    def trouble(self, words: str = "no room") -> None:
        self.debouncing.trouble(words, self.now)

    def mended(self) -> None:
        self.debouncing.mended(self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_is_due_where_nothing_was_wrong(clock: Clock) -> None:
    assert clock.debouncing.due_in(clock.now) == math.inf
    clock.mended()
    assert clock.told(10_000) == []


def test_several_at_once_are_one_notice_and_each_is_told_once(clock: Clock) -> None:
    clock.trouble("no room")
    clock.trouble("no inbox")
    clock.trouble("no room")
    assert clock.told(3) == ["trouble: no room + no inbox"]
    clock.trouble("no inbox")
    assert clock.told(10_000) == []


def test_the_end_is_told_once_it_has_lasted(clock: Clock) -> None:
    clock.trouble()
    clock.told(60)
    clock.mended()
    assert clock.told(9) == []
    assert clock.told(2) == ["mended: "]
    assert clock.told(10_000) == []


def test_one_that_was_over_before_it_was_told_is_told_all_the_same(clock: Clock) -> None:
    clock.trouble()
    clock.mended()
    assert clock.told(20) == ["trouble: no room", "mended: "]


@pytest.mark.parametrize("seconds", [1, 5, 20, 100])
def test_one_that_comes_and_goes_for_an_hour_is_told_twice_in_five_minutes(clock: Clock, seconds: int) -> None:
    told = []
    for _ in range(3600 // (2 * seconds)):
        clock.trouble()
        told += clock.told(seconds)
        clock.mended()
        told += clock.told(seconds)
    assert 12 <= len(told) <= 24
    assert set(told) <= {"trouble: no room", "mended: "}
    assert (told + clock.told(1000))[-1] == "mended: "


def test_another_trouble_is_told_later_and_the_end_only_after_the_last(clock: Clock) -> None:
    clock.trouble("no room")
    assert clock.told(10) == ["trouble: no room"]
    clock.trouble("no inbox")
    assert clock.told(200) == []
    clock.mended()
    assert clock.told(1000) == ["trouble: no inbox", "mended: "]


def test_however_many_different_ones_there_are_few_are_told(clock: Clock) -> None:
    for number in range(1000):
        clock.trouble(f"trouble {number}")
    [told] = clock.told(60)
    assert told.count("+") == 19
