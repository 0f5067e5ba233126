"""The machine's faults: found by a probe, told once, and waited for, so that no package suffers for them."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from jobrunner.domain.errors import MachineError, StoreError, in_words
from jobrunner.domain.events import HeldUp
from jobrunner.files import keeping, probe
from jobrunner.files.folders import Folders
from jobrunner.process.signals import StopRequest
from jobrunner.store.store import Store

#: Seconds between two probes while something is wrong: doubled from the first to the last.
_SHORTEST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
#: Seconds that a probe waits for a lock on the database: there will be another probe.
_PATIENCE = 0.1

#: Is told, at each change, what is wrong in words; None when nothing is wrong any more.
Tell = Callable[[str | None], None]

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818  (what happened, not an error)
    """A signal asked to stop before the machine was mended: what is not recorded is left to recovery."""


class Machine:
    """Tells a worker whether it can work here, and lets it wait until it can."""

    def __init__(
        self,
        folders: Folders,
        keep_free: int,
        store: Store,
        tell: Tell,
        asked_to_stop: StopRequest,
        others: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`others` returns what else is wrong, in words, than with folders and database; None if nothing is."""
        self._others = others
        self._folders = folders
        self._keep_free = keep_free
        self._store = store
        self._tell = tell
        self._asked_to_stop = asked_to_stop
        self._told: str | None = None
        #: The worker's, once it has one.
        self.token = ""
        #: Whether another worker takes the place of this one, which ends after its package.
        self.is_replaced = False

    def look(self) -> str | None:
        """Return what is wrong with the folders, as far as it shows without writing; None if nothing is."""
        return probe.look(self._folders, self._keep_free)

    def probe(self) -> str | None:
        """Return what is wrong with the folders or the database, connecting again where need be; None if nothing is.

        It is recorded with the worker, for others to see: that proves, too, that the database can be written to.
        """
        self.make_room(self._keep_free)
        trouble = probe.probe(self._folders, self._keep_free) or self._others()
        try:
            self._store.open()
            with self._store.write(patience=_PATIENCE):
                self._store.workers.note_trouble(self.token, trouble)
        except StoreError as error:
            self._store.close()
            return trouble or str(error)
        return trouble

    def obstacle(self) -> str | None:
        """Return what else is wrong than with folders and database: it costs little to ask; None if nothing is."""
        return self._others()

    def make_room(self, needed: int) -> None:
        """Have so many bytes free, if the data of failed attempts that goes for it is enough: the oldest goes first."""
        with suppress(OSError):  # the probe says what is wrong
            keeping.make_room(self._folders, needed)

    def until_it_works(self, action: Callable[[], T]) -> T:
        """Repeat `action` until the machine lets it succeed, and return what it returns. Raises Stopped."""
        pause, again = _SHORTEST_PAUSE, False
        while True:
            try:
                result = action()
            except (StoreError, MachineError) as error:
                words = str(error)
            except OSError as error:
                words = in_words(error)
            else:
                self.say(None)
                return result
            trouble = self.probe()
            if trouble or again:  # else it may be over already
                pause = self._wait(trouble or words, pause)
            again = True

    def wait_until_well(self, trouble: str | None) -> None:
        """Wait until a probe finds nothing wrong, with `trouble` at least one pause. Raises Stopped."""
        if trouble:
            self._wait(trouble, _SHORTEST_PAUSE)
        self.say(None)

    def hold_up(self, trouble: str | None) -> None:
        """Say what holds up this worker's package, so that another worker takes its place; None: nothing any more."""
        self.is_replaced = True
        with suppress(StoreError), self._store.write(patience=_PATIENCE):
            self._store.workers.note_trouble(self.token, trouble)
        self.say(HeldUp(trouble) if trouble else None)

    def _wait(self, trouble: str | None, pause: float) -> float:
        while trouble:
            self.say(trouble)
            if self._asked_to_stop.at_once(pause):
                raise Stopped
            pause = min(pause * 2, _LONGEST_PAUSE)
            trouble = self.probe()
        return pause

    def say(self, trouble: str | None) -> None:
        """Tell what is in the way, or None once nothing is any more, if that has changed."""
        if trouble != self._told:
            self._told = trouble
            self._tell(trouble)
