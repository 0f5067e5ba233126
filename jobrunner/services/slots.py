"""The places of a supervisor's children: so many workers, and perhaps a scanner; their number may change meanwhile."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobrunner.domain.envelope import Envelope
from jobrunner.domain.events import GivenUp
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.role import Role
from jobrunner.linux import proc
from jobrunner.process import signals
from jobrunner.services.slot import Main, Slot

#: While so many workers are held up, because a process of their handlers does not end, no other takes their place.
_MOST_ASIDE = 16
#: Seconds after which a process that might be started is missing.
_STARTS = 5.0
#: What the kernel says of a process that is stopped, by a signal or a debugger, and of one that is dead: proc(5).
_STOPPED, _DEAD = frozenset("Tt"), frozenset("ZX")


class Crew(NamedTuple):
    """What a supervisor keeps alive: `workers` processes that run `worker`, and one of each of the others, if any.

    `drains`: workers end by themselves when nothing is left to do. `grace`: seconds that running jobs get when a
    signal asks to stop. `policy` says what a worker's death means.
    """

    worker: Main
    workers: int
    scanner: Main | None
    drains: bool
    grace: float
    policy: RetryPolicy
    notifier: Main | None = None
    dispatcher: Main | None = None

    @property
    def others(self) -> dict[Role, Main]:
        """What each process runs that is no worker."""
        found = {Role.SCANNER: self.scanner, Role.NOTIFIER: self.notifier, Role.DISPATCHER: self.dispatcher}
        return {role: main for role, main in found.items() if main}


class Slots:
    """All places of one supervisor. `aside` are workers whose places others have: they wait for what does not end."""

    def __init__(self, crew: Crew) -> None:
        self._all = [Slot(crew.worker, Role.WORKER, number) for number in range(1, crew.workers + 1)]
        self._all += [Slot(main, role) for role, main in crew.others.items()]
        self.aside: set[int] = set()
        self._are_kept = True

    @property
    def workers(self) -> list[Slot]:
        """The places of workers, in their order."""
        return [slot for slot in self._all if slot.is_worker]

    @property
    def pids(self) -> set[int]:
        """The children that live, as far as that is known."""
        return {slot.pid for slot in self._all if slot.pid is not None} | self.aside

    @property
    def have_ended(self) -> bool:
        """Whether all workers have ended because nothing is left to do."""
        return all(slot.ended for slot in self.workers)

    @property
    def are_begun(self) -> bool:
        """Whether a process has been started in each place."""
        return all(slot.started_at for slot in self._all)

    def are_alive(self, *, and_replaced: bool) -> bool:
        """Say whether no process that lives is stopped and, with `and_replaced`, each that has died has a successor.

        A successor that has to wait, or is just being started, counts. The notifier does not: the work goes on without.
        """
        needed = [slot for slot in self._all if slot.role is not Role.NOTIFIER]
        states = [_state(slot.pid) for slot in needed if slot.pid is not None]
        if not and_replaced:
            return _STOPPED.isdisjoint(states)
        is_late = any(time.monotonic() > slot.restart_at + _STARTS for slot in self.waiting() if slot in needed)
        return not is_late and (_STOPPED | _DEAD).isdisjoint(states)

    def waiting(self) -> list[Slot]:
        """Return the places in which a process may start, now or when it is time."""
        is_full = len(self.aside) >= _MOST_ASIDE
        return [slot for slot in self._all if slot.is_free and not (slot.is_worker and is_full)]

    def due(self) -> list[Slot]:
        """Return the places in which a process may start now."""
        return [slot for slot in self.waiting() if time.monotonic() >= slot.restart_at]

    def of(self, pid: int) -> Slot | None:
        """Return the place in which a child lives."""
        return next((slot for slot in self._all if slot.pid == pid), None)

    def let_all_go(self) -> set[int]:
        """Return the children that live: all are asked to end, and none is replaced."""
        self._are_kept = False
        return self.pids

    def to_be_told(self, envelopes: Iterable[Envelope]) -> Iterator[Envelope]:
        """Yield what is to be told at once. Why a child gives up is told in one with its end and what follows."""
        for envelope in envelopes:
            slot = self.of(envelope.pid)
            if self._are_kept and slot and isinstance(envelope.event, GivenUp):
                slot.last_words = envelope.event.error
            else:
                yield envelope

    def put_aside(self, pids: Iterable[int]) -> None:
        """Free the places of workers that are held up."""
        for pid in pids:
            if slot := self.of(pid):
                self.aside.add(pid)
                self.vacate(slot)
                slot.restart_at = 0.0

    def vacate(self, slot: Slot) -> None:
        """Note that no child lives in a place any more; a place too many is removed with that."""
        slot.pid, slot.is_leaving = None, False
        if slot.is_surplus:
            self._all.remove(slot)

    def take_over(self, crew: Crew, *, renew: bool) -> None:
        """Keep this crew from now on: places are added, or drained and then removed.

        With `renew` all children are replaced, each worker after its package, so there are never more than wanted; not
        the dispatcher, which workers that go on need: the new ones tell it what is new.
        """
        self._all += [
            Slot(crew.worker, Role.WORKER, number) for number in range(len(self.workers) + 1, crew.workers + 1)
        ]
        for number, slot in enumerate(self.workers, 1):
            slot.is_surplus = number > crew.workers
            slot.main = crew.worker
            if renew or slot.is_surplus:
                self._let_go(slot, signals.DRAIN_SIGNAL)
        others = {slot.role: slot for slot in self._all if not slot.is_worker}
        self._all += [Slot(main, role) for role, main in crew.others.items() if role not in others]
        for role, slot in others.items():
            slot.main, slot.is_surplus = crew.others.get(role, slot.main), role not in crew.others
            is_renewed = renew and role is not Role.DISPATCHER
            if is_renewed or slot.is_surplus:
                self._let_go(slot, signal.SIGTERM)

    def _let_go(self, slot: Slot, number: signal.Signals) -> None:
        if slot.pid is None:
            self.vacate(slot)
        else:
            slot.is_leaving = True
            send({slot.pid}, number)


def _state(pid: int) -> str:
    try:
        return proc.stat(pid).state
    except OSError:  # it has ended
        return "X"


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to children that were not reaped yet: until then no other process can have their pids."""
    for pid in pids:
        os.kill(pid, number)
