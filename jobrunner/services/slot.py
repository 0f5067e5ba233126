"""A place for one child process of the supervisor, and for its successors."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import GivenUp
from jobrunner.domain.exits import BUG, ExitOf
from jobrunner.domain.role import Role
from jobrunner.linux import kernel
from jobrunner.process.presence import Present
from jobrunner.services.machine import Tell

#: A child that lives shorter than this, in seconds, died early. Starts in one slot are at least as far apart, and
#: while its children go on dying early, twice as far each time, up to the longest.
_RESTART_FLOOR = 0.5
_LONGEST_RESTART = 30.0

#: What a child process runs; it gets the supervisor's token, its own number among those of its role, and what hears its
#: troubles and its events.
Main = Callable[[str, int, Tell, Emit], None]


@dataclass(slots=True)
class Slot:
    """`pid` is that of the process which lives here; once it has `ended`, there is none again. Times are monotonic.

    `is_leaving`: it has been asked to end, and another one follows, but in a place that `is_surplus`. `last_words`: why
    it gives up, as it has said itself.
    """

    main: Main
    role: Role
    number: int = 1
    pid: int | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_deaths: int = 0
    ended: bool = False
    is_leaving: bool = False
    is_surplus: bool = False
    last_words: str | None = None

    @property
    def is_worker(self) -> bool:
        """Whether it is one of the workers'."""
        return self.role is Role.WORKER

    @property
    def is_free(self) -> bool:
        """Whether a process is missing here, though it may have to wait."""
        return self.pid is None and not self.ended

    def live(self, parent: int, supervisor: Present, tell: Tell, emit: Emit, exit_of: ExitOf) -> NoReturn:
        """Run the child's main function in the process that has just been forked, and end it."""
        code = BUG
        try:
            kernel.die_with_parent(parent)
            supervisor.release()
            self.main(supervisor.token, self.number, tell, emit)
            code = 0
        except BaseException as error:
            code, words = exit_of(error, self.role)
            emit(GivenUp(os.getpid(), words))
        finally:
            sys.stderr.flush()
            os._exit(code)

    def note_death(self) -> float:
        """Note that the process died unasked, and return in how many seconds another one may start."""
        now = time.monotonic()
        self.early_deaths = self.early_deaths + 1 if now - self.started_at < _RESTART_FLOOR else 0
        delay = min(_RESTART_FLOOR * 2 ** (self.early_deaths - 1), _LONGEST_RESTART) if self.early_deaths else 0.0
        self.restart_at = self.started_at + delay
        return max(self.restart_at - now, 0)

    def note_place(self) -> None:
        """Note that another process may start at once."""
        self.early_deaths, self.restart_at = 0, 0.0

    def death_in_words(self, code: int) -> str:
        """Return how the process ended, given its exit status, negative for a signal."""
        words, self.last_words = self.last_words, None
        if code < 0:
            return f"was killed by signal {-code} ({signal.strsignal(-code)})"
        return f"gave up: {words}" if words else f"ended with exit status {code}"
