"""What a terminal shows while jobrunner works: the events scroll, and at the foot is a line for each worker."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from jobrunner.cli.columns import cut, padded, width_of
from jobrunner.cli.log import Log
from jobrunner.cli.output import Footer, Line, Styled, can_be_redrawn, styled
from jobrunner.domain.envelope import Envelope
from jobrunner.domain.errors import StoreError
from jobrunner.domain.events import JobDone, JobFailed, Paused, Resumed
from jobrunner.domain.package import shown
from jobrunner.domain.status import RunningJob
from jobrunner.words.phrases import age, step

#: Seconds between two looks at what runs.
_BETWEEN_LOOKS = 0.25
#: The same while the terminal takes nothing more.
_UNREAD = 1.0
_WIDEST_NAME = 32
_BAR = 12


class LiveView:
    """A listener that passes the events on to a log; where stderr is no terminal that can be drawn on, it does no more.

    It counts how many packages are `done` and have `failed`.
    """

    def __init__(self, log: Log) -> None:
        self.done = 0
        self.failed = 0
        self._log = log
        self._footer = Footer(log.draw)
        self._can_draw = log.may_draw and can_be_redrawn(2)
        self._jobs: dict[int, RunningJob] = {}
        self._looked_at = 0.0
        self._is_drawn = False
        self._idle = "idle"

    def show(self, envelope: Envelope) -> None:
        """Print an event; the lines below it come back with the next `draw`."""
        self.done += isinstance(envelope.event, JobDone)
        self.failed += isinstance(envelope.event, JobFailed)
        if isinstance(envelope.event, Paused | Resumed):
            self._idle = "idle, paused" if isinstance(envelope.event, Paused) else "idle"
        self.erase()
        self._log.show(envelope)

    def draw(self, running: Callable[[], Sequence[RunningJob]], workers: Sequence[int | None]) -> float:
        """Draw a line for each of these workers; `running` says what they do, and may raise StoreError or OSError.

        Return in how many seconds there is more to draw, if nothing happens until then.
        """
        self._log.flush()
        if self._log.is_behind:
            return _UNREAD
        now = time.monotonic()
        is_due = now - self._looked_at >= _BETWEEN_LOOKS
        if not self._can_draw:
            return math.inf
        if self._is_drawn and not is_due:
            return self._looked_at + _BETWEEN_LOOKS - now
        if is_due:
            self._looked_at = now
            with suppress(StoreError, OSError):  # then what was seen last is shown
                self._jobs = {entry.worker_pid: entry for entry in running()}
        self._footer.draw(_lines(workers, self._jobs, self._idle))
        self._is_drawn = True
        return _BETWEEN_LOOKS if self._jobs else math.inf

    def erase(self) -> None:
        """Remove the lines of the workers."""
        self._footer.erase()
        self._is_drawn = False


def _lines(workers: Sequence[int | None], jobs: dict[int, RunningJob], idle: str) -> list[Line]:
    size = shutil.get_terminal_size()
    most = max(size.lines // 2, 1)
    entries = [jobs.get(pid) if pid else None for pid in workers[:most]]
    running = [entry for entry in entries if entry]
    name = min(max((width_of(shown(entry.job.name)) for entry in running), default=0), _WIDEST_NAME)
    clock = max((len(age(entry.seconds)) for entry in running), default=0)
    bar = _BAR if any(_fraction(entry) is not None for entry in running) else 0
    lines: list[Line] = []
    for number, entry in enumerate(entries, 1):
        line: list[str | Styled] = [styled(f"{number:>3}  ", dim=True)]
        if entry:
            line += [
                f"{padded(cut(shown(entry.job.name), name), name)}  {age(entry.seconds):>{clock}}  ",
                styled(_bar(_fraction(entry), bar), fg="blue"),
                cut(step(entry), max(size.columns - 12 - name - clock - bar, 1)),
            ]
        else:
            line.append(styled(idle, dim=True))
        lines.append(line)
    if len(workers) > most:
        lines[-1] = [styled(f"     … and {len(workers) - most + 1:,} more", dim=True)]
    return lines


def _fraction(entry: RunningJob) -> float | None:
    return entry.progress and entry.progress.fraction


def _bar(fraction: float | None, width: int) -> str:
    """Return a bar and a gap, blank where nothing is known, and nothing where there is no bar at all."""
    if not width:
        return ""
    full = round((fraction or 0) * width)
    return f"{' ' * width if fraction is None else '█' * full + '░' * (width - full)}  "
