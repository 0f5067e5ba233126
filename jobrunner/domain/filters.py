"""Which packages are meant, and in which order: what people write to list them, and to steer many at once."""

import math
import re
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.job import Job
from jobrunner.domain.progress import Progress
from jobrunner.domain.values import duration


class Standing(StrEnum):
    """A job's state as people are told it; the words are disjoint, as the counts are."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Sort(StrEnum):
    """What packages are sorted by."""

    TIME = "time"  #: at which each reached its state, the newest first
    NAME = "name"  #: byte by byte
    CREATED = "created"  #: when its job was made, the newest first
    ATTEMPTS = "attempts"  #: how many were made, the most first


class ListedJob(NamedTuple):
    """A job, its state in people's word, when it reached that (seconds since 1970), and how far a running one is.

    `node`: of a cluster, on which it runs; None where it runs here.
    """

    job: Job
    standing: Standing
    reached_at: float
    progress: Progress | None = None
    node: str | None = None


EVERY_STANDING = frozenset(Standing)
#: Seconds ahead beyond which a time to come is taken for a mistake: a hundred years.
_FARTHEST = 100 * 365 * 86400.0


class Filters(NamedTuple):
    """Which jobs are meant: those that fit all of it, or the first `limit` of them.

    `name` and `error` are patterns as a shell has them. `since` and `until` (seconds since 1970, the second not
    included) compare the time at which a job reached its state. `attempts` is the least number that were made. `after`:
    only what is sorted by time behind this time and the id of the job that reached its state then.
    """

    standings: frozenset[Standing] = EVERY_STANDING
    name: str | None = None
    error: str | None = None
    since: float = -math.inf
    until: float = math.inf
    attempts: int = 0
    sort: Sort = Sort.TIME
    is_reversed: bool = False
    limit: int | None = None
    after: tuple[float, int] | None = None


def standings(words: Collection[Standing]) -> frozenset[Standing]:
    """Return what people mean by these words: what was cancelled has failed, too."""
    return frozenset(words) | ({Standing.CANCELLED} if Standing.FAILED in words else set())


def order(text: str) -> tuple[Sort, bool]:
    """Return what to sort by, and whether the other way round. Raises ConfigurationError."""
    with suppress(ValueError):
        return Sort(text.removeprefix("-")), text.startswith("-")
    raise ConfigurationError(
        f"--sort is {text!r}, but must be a word of these: {', '.join(Sort)}; a - before it turns the order round"
    )


def span(since: str | None, until: str | None, now: float) -> tuple[float, float]:
    """Return the seconds since 1970 from and before which something is meant. Raises ConfigurationError."""
    start = -math.inf if since is None else _moment("--since", since, now)
    end = math.inf if until is None else _moment("--until", until, now)
    if start >= end:
        raise ConfigurationError(f"nothing lies between --since {since} and --until {until}: exchange them")
    return start, end


def to_come(option: str, text: str, now: float) -> float:
    """Return the seconds since 1970 of a time that is to come, or of a length from now. Raises ConfigurationError."""
    moment = _read(text, now, ahead=True)
    if moment is None or moment - now > _FARTHEST:
        raise ConfigurationError(
            f'{option} is {text!r}, but must be a length such as 2h, or a time such as 06:00, "tomorrow 06:00" or '
            "2026-12-01"
        )
    if moment <= now:
        raise ConfigurationError(f"{option} is {text!r}, but that is over: name a time that is to come")
    return moment


def _moment(option: str, text: str, now: float) -> float:
    moment = _read(text, now, ahead=False)
    if moment is None:
        raise ConfigurationError(
            f'{option} is {text!r}, but must be an age such as 7d, or a time such as 2026-11-01, "2026-11-01 06:00", '
            "yesterday or 06:00"
        )
    return moment


def _read(text: str, now: float, *, ahead: bool) -> float | None:
    """Return which moment a text means, looking back or ahead from now; None where it is no time."""
    for read in (_length, _time_of_day, _date):
        with suppress(ValueError, OverflowError):
            return read(text.strip(), now, ahead)
    return None


def _length(text: str, now: float, ahead: bool) -> float:
    if text.isdecimal():  # days, or seconds?
        raise ValueError(text)
    return now + duration(text) if ahead else now - duration(text)


def _time_of_day(text: str, now: float, ahead: bool) -> float:
    """Return when a clock shows this on that day; without a day, when it showed this last, or will next."""
    match = re.fullmatch(r"(today|yesterday|tomorrow)?(?:(?:^|\s+)(\d\d?):(\d\d)(?::(\d\d))?)?", text)
    if not match or not text or match[1] == ("yesterday" if ahead else "tomorrow"):
        raise ValueError(text)
    day, (hour, minute, second) = match[1], (int(part or 0) for part in match.groups()[1:])
    present = datetime.fromtimestamp(now)
    found = datetime.combine(present, time(hour, minute, second))
    if day is None:
        days = int(found <= present) if ahead else -int(found > present)
    else:
        days = {"yesterday": -1, "today": 0, "tomorrow": 1}[day]
    return (found + timedelta(days=days)).timestamp()


def _date(text: str, _now: float, _ahead: bool) -> float:
    return datetime.fromisoformat(text).timestamp()
