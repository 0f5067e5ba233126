"""What keeps the processes of one supervisor from working: each trouble is said once, however many of them meet it."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import HeldUp, Mended, Trouble

#: Characters of a trouble, so that a line stays below the bytes that a pipe takes whole or not at all (PIPE_BUF).
_LONGEST = 600
_PIPE = 65536
#: Seconds without any trouble before all is said to be well: of several processes that met it, one tells it later.
CALM = 0.3


class Troubles:
    """Processes tell their troubles through a pipe: the database may be the trouble, or the disk be full."""

    def __init__(self, emit: Emit, *, ticks: Callable[[], float] = time.monotonic) -> None:
        """`ticks` counts seconds and cannot be set."""
        self._emit = emit
        self._ticks = ticks
        self._calm_since: float | None = None
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._rest = b""
        self._of: dict[int, str] = {}
        self._said: set[str] = set()

    @property
    def is_any_said(self) -> bool:
        """Whether something is wrong, or was until a moment ago, so that there is more to say before long."""
        return bool(self._said)

    def first(self) -> str | None:
        """Return what keeps a process from working, of several the first that met something; None: nothing does."""
        return next(iter(self._of.values()), None)

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to hear."""
        return self._reader

    def tell(self, trouble: str | None) -> None:
        """Let the supervisor know what keeps this process from working; None: nothing any more."""
        line = json.dumps([os.getpid(), trouble and trouble[:_LONGEST], isinstance(trouble, HeldUp)]) + "\n"
        with suppress(BlockingIOError):  # the supervisor has not read for long
            os.write(self._writer, line.encode("ascii"))

    def hear(self) -> set[int]:
        """Say what is new among what the processes told, and that all is well when it is again.

        Return which processes told that they are held up.
        """
        held_up = set()
        with suppress(BlockingIOError):
            while heard := os.read(self._reader, _PIPE):
                *lines, self._rest = (self._rest + heard).split(b"\n")
                for line in lines:
                    pid, trouble, is_held_up = json.loads(line)
                    self.note(pid, trouble)
                    if is_held_up:
                        held_up.add(pid)
        if self._of or not self._said:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = self._ticks()
        elif self._ticks() - self._calm_since >= CALM:
            self.end()
        return held_up

    def end(self) -> None:
        """Say that all is well, if that is so and has not been said."""
        if self._said and not self._of:
            self._said.clear()
            self._emit(Mended())

    def forget(self, pid: int) -> None:
        """A process has ended, and its trouble with it."""
        self.note(pid, None)

    def note(self, pid: int, trouble: str | None) -> None:
        """Say what keeps a process from working, if that is new."""
        if trouble is None:
            self._of.pop(pid, None)
        else:
            self._of[pid] = trouble
            if trouble not in self._said:
                self._said.add(trouble)
                self._emit(Trouble(trouble))
