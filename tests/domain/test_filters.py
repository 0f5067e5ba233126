import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.filters import Sort, Standing, order, span, standings, to_come

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


NOW = berlin("2026-11-29 17:30:00")


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("7d", NOW - 7 * 86400),
        ("1.5h", NOW - 5400),
        (" 10 m ", NOW - 600),
        ("2026-11-01", berlin("2026-11-01 00:00")),
        ("2026-11-01 06:00", berlin("2026-11-01 06:00")),
        ("2026-07-01T06:00:30", berlin("2026-07-01 06:00:30")),
        ("2026-11-01T06:00:00Z", datetime.fromisoformat("2026-11-01T06:00:00+00:00").timestamp()),
        ("2026-11-29T16:20:03.250+00:00", datetime.fromisoformat("2026-11-29T16:20:03.250+00:00").timestamp()),
        ("today", berlin("2026-11-29 00:00")),
        ("yesterday", berlin("2026-11-28 00:00")),
        ("yesterday 6:05", berlin("2026-11-28 06:05")),
        ("today 23:00", berlin("2026-11-29 23:00")),
        ("06:00", berlin("2026-11-29 06:00")),
        ("17:29:59", berlin("2026-11-29 17:29:59")),
        ("17:30:01", berlin("2026-11-28 17:30:01")),
        ("22:00", berlin("2026-11-28 22:00")),
    ],
)
def test_a_time_is_meant_as_the_readers_clock_shows_it(written: str, meant: float) -> None:
    assert span(written, None, NOW) == (meant, inf)
    assert span(None, written, NOW) == (-inf, meant)


@pytest.mark.usefixtures("in_berlin")
def test_a_day_with_a_change_of_the_clock_begins_at_midnight() -> None:
    noon = berlin("2026-10-25 12:00")
    (start, _), (hour, _) = span("today", None, noon), span("01:00", None, noon)
    assert timedelta(seconds=noon - start) == timedelta(hours=13)
    assert timedelta(seconds=hour - start) == timedelta(hours=1)


@pytest.mark.parametrize(
    "written",
    ["", " ", "7", "7 days ago", "tomorrow", "25:00", "6:0", "2026-13-01", "2026-11", "today7", "-7d", "\ud800"],
)
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_what_is_no_time_is_refused_with_what_is_one(option: str, written: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{option} is .*must be an age such as 7d, or a time such as 2026"):
        _ = span(written, None, NOW) if option == "--since" else span(None, written, NOW)


def test_a_span_without_a_moment_is_refused() -> None:
    assert span("8d", "7d", NOW) == (NOW - 8 * 86400, NOW - 7 * 86400)
    for since in ("6d", "7d"):
        with pytest.raises(ConfigurationError, match="nothing lies between"):
            span(since, "7d", NOW)


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2h", NOW + 7200),
        ("7d", NOW + 7 * 86400),
        ("06:00", berlin("2026-11-30 06:00")),
        ("17:30", berlin("2026-12-01 17:30") - 86400),
        ("17:30:01", berlin("2026-11-29 17:30:01")),
        ("22:00", berlin("2026-11-29 22:00")),
        ("today 22:00", berlin("2026-11-29 22:00")),
        ("tomorrow", berlin("2026-11-30 00:00")),
        ("tomorrow 22:00", berlin("2026-11-30 22:00")),
        ("2026-12-24", berlin("2026-12-24 00:00")),
        ("2026-12-24T06:00:00Z", datetime.fromisoformat("2026-12-24T06:00:00+00:00").timestamp()),
    ],
)
def test_of_a_time_to_come_the_next_one_is_meant(written: str, meant: float) -> None:
    assert to_come("--until", written, NOW) == meant


@pytest.mark.usefixtures("in_berlin")
def test_the_morning_after_a_change_of_the_clock_is_meant_as_a_clock_shows_it() -> None:
    assert to_come("--until", "06:00", berlin("2026-10-24 22:00")) == berlin("2026-10-25 06:00")


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    "written", ["", "7", "yesterday", "yesterday 23:00", "25:00", "-2h", "200000d", "9" * 400 + "d"]
)
def test_what_is_no_time_to_come_is_refused_with_what_is_one(written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--until is .*must be a length such as 2h, or a time such as 06:00"):
        to_come("--until", written, NOW)


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("written", ["0s", "today", "today 17:30", "2026-11-01"])
def test_a_time_that_is_over_is_not_to_come(written: str) -> None:
    with pytest.raises(ConfigurationError, match="but that is over"):
        to_come("--until", written, NOW)


@pytest.mark.parametrize("sort", Sort)
def test_an_order_is_turned_round_by_a_minus(sort: Sort) -> None:
    assert order(sort.value) == (sort, False)
    assert order(f"-{sort.value}") == (sort, True)


@pytest.mark.parametrize("written", ["", "-", "size", "--name", "+name"])
def test_what_is_no_order_is_refused_with_those_there_are(written: str) -> None:
    with pytest.raises(ConfigurationError, match="time, name, created, attempts"):
        order(written)


def test_what_was_cancelled_has_failed_too() -> None:
    assert standings([Standing.FAILED, Standing.DONE]) == {Standing.FAILED, Standing.CANCELLED, Standing.DONE}
    assert standings([Standing.CANCELLED]) == {Standing.CANCELLED}
