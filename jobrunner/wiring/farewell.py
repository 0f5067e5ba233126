"""The last notices of a supervisor."""

import os
import signal
import time
from contextlib import suppress
from types import TracebackType

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.events import GivenUp
from jobrunner.domain.exits import ExitOf
from jobrunner.domain.notice import Kind, Notice, of_stop
from jobrunner.domain.role import Role
from jobrunner.domain.settings import Settings
from jobrunner.linux.locks import Waiting
from jobrunner.process.delivering import within
from jobrunner.wiring.home import Home
from jobrunner.wiring.notifying import notifier

#: Seconds that they may take in all.
_SECONDS = 5.0


class Farewell:
    """Sends, once all has ended, what has not been sent; and that it was stopped, unless it has just drained."""

    def __init__(self, home: Home, command: str, exit_of: ExitOf) -> None:
        self._home = home
        self._command = command
        self._exit_of = exit_of
        #: The settings that were gone by last; None: nothing was begun.
        self.settings: Settings | None = None
        #: The signal that came.
        self.caught: signal.Signals | None = None

    def __enter__(self) -> "Farewell":
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        settings = self.settings
        if settings is None or not settings.notify.channels:
            return
        notice = None
        if (self.caught or error) and settings.notify.wants(Kind.STOPPED):
            by = self.caught.name if self.caught else None
            notice = of_stop(self._command, by, _words(error), time.time(), str(settings.home))
        self._home.store.close()
        with suppress(OSError):  # no process can be started
            within(_SECONDS, lambda: self._send(settings, notice))

    def _send(self, settings: Settings, notice: Notice | None) -> None:
        emit = self._home.emit.in_role(Role.NOTIFIER)
        try:
            notifier(settings, Waiting(lambda _: None), emit).last_round(notice)
        except BaseException as error:
            emit(GivenUp(os.getpid(), self._exit_of(error, Role.NOTIFIER).words))


def _words(error: BaseException | None) -> str | None:
    return (
        None if error is None else str(error) if isinstance(error, JobrunnerError | OSError) else "a bug in jobrunner"
    )
