"""When each attempt waited and worked, drawn on one scale."""

from collections.abc import Sequence

from jobrunner.domain.job import Attempt

HEADING = "to scale"
_MOST = 60


def timeline(attempts: Sequence[Attempt], waits: Sequence[float | None], now: float, columns: int) -> list[str]:
    """Return a bar for each attempt: ░ while its job waited for it, █ from its start to its end.

    All are on one scale, from the first wait to the last end, which is `now` of one that runs. Where there is no room
    in so many columns, they are empty.
    """
    begins = [attempt.started_at - (waited or 0) for attempt, waited in zip(attempts, waits, strict=True)]
    ends = [now if attempt.ended_at is None else attempt.ended_at for attempt in attempts]
    first, width = min(begins), min(columns, _MOST)
    span = max(max(ends) - first, 0.001)
    if width < len(HEADING):
        return ["" for _ in attempts]

    def place(moment: float) -> int:
        return round((moment - first) / span * width)

    bars = []
    for attempt, begin, end in zip(attempts, begins, ends, strict=True):
        start = min(place(attempt.started_at), width - 1)  # the shortest attempt is seen, too
        waited = max(start - place(begin), 0)
        bars.append(" " * (start - waited) + "░" * waited + "█" * max(place(end) - start, 1))
    return bars
