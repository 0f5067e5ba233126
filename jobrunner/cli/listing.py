"""Packages, one a line: on a terminal they fit it, into a pipe nothing is cut."""

import os
import shutil
import time
from collections.abc import Iterable
from itertools import islice

from jobrunner.cli.columns import cut, width_of
from jobrunner.cli.output import Styled, say, styled
from jobrunner.domain.filters import ListedJob, Standing
from jobrunner.domain.package import printable, shown
from jobrunner.words.phrases import TINTS, duration, progress
from jobrunner.words.times import local, short

_PAGE = 500
_UNBOUNDED = 1_000_000
_GAP = "  "
_STATE = max(map(len, Standing))
_ATTEMPTS = "attempts"
#: Columns that are the least for a reason beside a name; it has a line of its own where there are fewer.
_LEAST = 16
#: Lines of a terminal that are left for the head, what is said below, and the prompt.
_OTHER_LINES = 4
_FEWEST_LINES = 5


def screenful() -> int | None:
    """Return how many lines the terminal has for packages; None where stdout is none."""
    return max(shutil.get_terminal_size().lines - _OTHER_LINES, _FEWEST_LINES) if os.isatty(1) else None


def print_listing(jobs: Iterable[ListedJob], *, most_lines: int | None = None) -> int:
    """Print a table of any length, or as much of it as has that many lines; return how many packages are in it."""
    width = shutil.get_terminal_size().columns if os.isatty(1) else None
    remaining, count, lines = iter(jobs), 0, 0
    while page := list(islice(remaining, _PAGE)):
        layout = _Layout(page, width)
        if not count:
            say(styled(layout.head, dim=True))
        for listed in page:
            row = layout.row(listed)
            lines += sum(map(layout.height, row))
            if count and most_lines and lines > most_lines:
                return count
            for line in row:
                say(*line)
            count += 1
    return count


class _Layout:
    """How the columns of a page are laid out. A name is never cut, and stands where a terminal does not break it."""

    def __init__(self, page: list[ListedJob], width: int | None) -> None:
        self._width = width
        self._now = time.time()
        reasons = [_reason(listed, self._now) for listed in page]
        self._clock = max(len(self._time(listed)) for listed in page)
        self._indent = _STATE + self._clock + len(_ATTEMPTS) + 3 * len(_GAP)
        self._room = max((width or _UNBOUNDED) - self._indent, 2 * _LEAST)
        longest = max(width_of(shown(listed.job.name)) for listed in page)
        self._column = min(longest, self._room - 2 * _LEAST) if any(reasons) else longest
        head = (f"{'state':<{_STATE}}", f"{'since':<{self._clock}}", _ATTEMPTS)
        self.head = _GAP.join((*head, f"{'package':<{self._column}}", "why" * any(reasons))).rstrip()

    def row(self, listed: ListedJob) -> list[list[str | Styled]]:
        """Return the line of a package, or two: the second with the reason, where that has no room in the first."""
        name, reason = shown(listed.job.name), printable(_reason(listed, self._now))
        line: list[str | Styled] = [
            styled(f"{listed.standing:<{_STATE}}", fg=TINTS[listed.standing]),
            _GAP,
            styled(f"{self._time(listed):<{self._clock}}", dim=True),
            _GAP,
            styled(f"{listed.job.attempt:>{len(_ATTEMPTS)}}", dim=listed.job.attempt <= 1),
            _GAP,
            name,
        ]
        if not reason:
            return [line]
        padding = " " * (self._column - width_of(name)) + _GAP
        left = self._room - width_of(name) - len(padding)
        if left < min(_LEAST, width_of(reason)):
            return [line, [" " * (self._indent + len(_GAP)), styled(cut(reason, self._room - len(_GAP)), dim=True)]]
        return [[*line, padding, styled(cut(reason, left), dim=True)]]

    def height(self, line: list[str | Styled]) -> int:
        """Return how many lines of the terminal a line takes."""
        columns = sum(width_of(part if isinstance(part, str) else part.text) for part in line)
        return -(-columns // (self._width or _UNBOUNDED))

    def _time(self, listed: ListedJob) -> str:
        return local(listed.reached_at) if self._width is None else short(listed.reached_at, self._now)


def _reason(listed: ListedJob, now: float) -> str:
    """Return why a job is in its state; of one that runs, how far it is, or else how it ended before."""
    job = listed.job
    match listed.standing:
        case Standing.WAITING:
            return f"again in {duration((job.not_before_at or now) - now)}: {job.error}"
        case Standing.RUNNING if listed.progress or listed.node:
            told = progress(listed.progress) if listed.progress else ""
            return ", ".join(filter(None, (told, listed.node and f"on {listed.node}")))
        case Standing.QUEUED | Standing.RUNNING:
            return f"before: {job.error}" if job.error else ""
        case Standing.CANCELLED:
            return ""
    return job.error or ""
