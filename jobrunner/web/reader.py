"""The home as the pages read it: in the main thread, one question after the other, beside the server's own thread.

Only the main thread may wait for locks, and a folder that hangs holds up no answer that needs none.
"""

import asyncio
import math
import os
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from jobrunner.domain.errors import JobrunnerError
from jobrunner.wiring.home import Home
from jobrunner.wiring.watching import Looks

T = TypeVar("T")
#: So many questions may wait; with more, the pages say that they are busy.
_MOST_WAITING = 200
#: Seconds after which whoever asks is told that there is no answer.
_PATIENCE = 20.0


class BusyError(JobrunnerError):
    """More is asked for than can be read, or the home does not answer."""


class Reader:
    """An open home, and what is asked of it."""

    def __init__(self, opened: Callable[[], Home]) -> None:
        """`opened` opens the home, and again after an error."""
        self._opened = opened
        self._home: Home | None = opened()
        self._version: object = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._asked = deque[tuple[Callable[[Home], Any], Future[Any]]]()

    async def ask(self, question: Callable[[Home], T]) -> T:
        """Return what a question finds in the home as it is now. Raises what it raises, JobrunnerError.

        From the server's thread.
        """
        if len(self._asked) >= _MOST_WAITING:
            raise BusyError("more pages are asked for than can be made: try again in a moment")
        future: Future[T] = Future()
        self._asked.append((question, future))
        os.eventfd_write(self._bell, 1)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), _PATIENCE)
        except TimeoutError:
            raise BusyError(f"the home has not answered for {_PATIENCE:.0f} s: does one of its disks hang?") from None

    def answer_until_stopped(self, looks: Looks) -> signal.Signals:
        """Answer what is asked until a signal comes, and return that. In the main thread."""
        while True:
            caught = looks.wait(math.inf, beside=(self._bell,))
            if caught == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
            elif caught:
                return caught
            with suppress(BlockingIOError):
                os.eventfd_read(self._bell)
            while self._asked:
                question, future = self._asked.popleft()
                if future.set_running_or_notify_cancel():
                    self._answer(question, future)

    def _answer(self, question: Callable[[Home], T], future: Future[T]) -> None:
        try:
            future.set_result(question(self._fresh()))
        except BaseException as error:
            if self._home is not None:
                self._home.store.close()  # whatever is wrong, the next question finds it mended or not
            self._home = None
            future.set_exception(error)

    def _fresh(self) -> Home:
        home = self._home = self._home or self._opened()
        version = home.store.database.version()
        if version != self._version:
            home.store.database.refresh()
            self._version = home.store.database.version()
        return home
