"""How long the queue will take, where it can honestly be said."""

from collections.abc import Callable

#: Seconds over which a pace is measured: the shortest in which enough jobs have ended.
_SPANS = (60, 600, 3600, 6 * 3600, 24 * 3600)
_ENOUGH = 10


def seconds_left(queued: int, busy_seconds: float, ended_within: Callable[[float], int]) -> float | None:
    """Return in how many seconds so many queued jobs will have ended, at the present pace; None if that is unknown.

    `busy_seconds`: for how long there has always been something to do, and a worker to do it: only that tells a pace.
    `ended_within` counts the jobs that have ended in the last seconds.
    """
    if not queued:
        return None
    for longest in _SPANS:
        span = min(longest, busy_seconds)
        ended = ended_within(span)
        if ended >= _ENOUGH:
            return queued * span / ended
        if span == busy_seconds:
            break
    return None
