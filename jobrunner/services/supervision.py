"""The supervisor: starts workers, replaces those that die, recovers what they left, and stops them."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import DatabaseGone, MachineError, StoreError, in_words
from jobrunner.domain.events import GivenUp, Stopping, Trouble, WorkerDied
from jobrunner.domain.exits import BUG, ExitOf
from jobrunner.domain.role import Role
from jobrunner.linux import kernel, processes
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process import signals
from jobrunner.process.event_pipe import EventPipe
from jobrunner.process.presence import Presence
from jobrunner.services.pausing import PauseWatch
from jobrunner.services.recovery import Recovery
from jobrunner.services.registration import Registration
from jobrunner.services.slot import Main, Slot, death_in_words
from jobrunner.services.troubles import Troubles
from jobrunner.store.store import Store

#: Shows what the workers do; it gets their pids, None for one that is about to start.
Draw = Callable[[Sequence[int | None]], None]

#: Seconds between two looks at the workers of other supervisors.
_TICK = 0.4
#: The same while a worker of ours is known to have died and its guard has not ended yet.
_SHORT_TICK = 0.02
#: Seconds for which more events are left to gather, once one has been read: to read several costs less.
_TRICKLE = 0.05
#: Seconds that we wait for the guards of killed workers; what they leave then is recovered at the next start.
_GUARDS_END = 10.0
#: While so many workers are held up, because a process of their handlers does not end, no other takes their place.
_MOST_ASIDE = 16


class Supervisor:
    """Keeps children alive. It forks them, so it holds no connection to the database while it does."""

    def __init__(
        self, store: Store, presence: Presence, recovery: Recovery, emit: Emit, exit_of: ExitOf, *, grace: float
    ) -> None:
        """`grace`: seconds that running jobs get when a signal asks to stop."""
        self._store = store
        self._recovery = recovery
        self._emit = emit
        self._exit_of = exit_of
        self._grace = grace
        self._present = presence.appear()
        self._registration = Registration(store, self._present.token)
        self._pause = PauseWatch(store, emit)
        self._slots: list[Slot] = []
        self._aside: set[int] = set()
        self._dead: dict[int, float] = {}
        self._troubles = Troubles(emit)
        self._events = EventPipe()
        self._signals = BlockedSignals(signals.stop_signals() | {signal.SIGCHLD})
        self._recover_at = 0.0
        self._draw: Draw = lambda _pids: None
        #: Is called often, for what takes a moment and can wait: a worker that has just died goes before it.
        self.meanwhile: Callable[[], None] = lambda: None
        store.database.waiting.tell = partial(self._troubles.note, os.getpid())

    @property
    def token(self) -> str:
        """What the workers of this supervisor are recorded under."""
        return self._present.token

    def run(
        self, worker: Main, count: int, *, beside: Main | None = None, drain: bool = False, draw: Draw | None = None
    ) -> signal.Signals | None:
        """Run `count` workers, and another process beside them, until a signal comes; return it.

        With `drain`, return None when the workers have ended by themselves. `draw` is called several times a second.
        Raises StoreError: the database is gone.
        """
        self._draw = draw or self._draw
        self._slots = [Slot(worker, Role.WORKER, number) for number in range(1, count + 1)]
        if beside:
            self._slots.append(Slot(beside, Role.SCANNER))
        self._registration.begin("run" if beside else "work", count)
        self._recover()
        self._sweep()
        heard = False
        while True:
            for slot in self._slots:
                if self._may_start(slot) and time.monotonic() >= slot.restart_at:
                    self._start(slot)
            if all(slot.ended for slot in self._slots if slot.is_worker):
                return self._stop(None)
            caught = self._wait(listens=not heard)
            if caught and caught != signal.SIGCHLD:
                return self._stop(caught)
            self._reap(drain=drain)
            heard = self._hear()
            if caught or time.monotonic() >= self._recover_at:
                self._recover()

    def leave(self) -> None:
        """End the supervisor's own presence."""
        self._registration.end()
        self._present.leave()

    def _may_start(self, slot: Slot) -> bool:
        """Say whether a process may start in a slot, once it is time for that."""
        return slot.is_free and not (slot.is_worker and len(self._aside) >= _MOST_ASIDE)

    def _hear(self) -> bool:
        """Hear what the children have to say, and free the places of those that wait for what their handlers left.

        Return whether there were events of theirs.
        """
        heard = self._hear_events()
        held_up = self._troubles.hear()
        for slot in self._slots:
            if slot.pid in held_up:
                self._aside.add(slot.pid)
                slot.pid, slot.restart_at = None, 0.0
        return heard

    def _hear_events(self) -> bool:
        envelopes = self._events.receive()
        for envelope in envelopes:
            self._emit.pass_on(envelope)
        self._draw([slot.pid for slot in self._slots if slot.is_worker])
        return bool(envelopes)

    def _start(self, slot: Slot) -> None:
        self._store.close()
        sys.stdout.flush()
        sys.stderr.flush()
        parent, slot.started_at = os.getpid(), time.monotonic()
        slot.pid = os.fork()
        if slot.pid == 0:
            self._run_child(slot, parent)

    def _run_child(self, slot: Slot, parent: int) -> None:
        code, emit = BUG, Emit(slot.role, self._events.send)
        try:
            kernel.die_with_parent(parent)
            self._present.release()
            slot.main(self.token, slot.number, self._troubles.tell, emit)
            code = 0
        except BaseException as error:
            code, words = self._exit_of(error, slot.role)
            emit(GivenUp(os.getpid(), words))
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _reap(self, *, drain: bool) -> None:
        while ended := processes.ended_child():
            pid, code = ended
            self._hear()  # its last words
            self._troubles.forget(pid)
            if pid in self._aside:
                self._aside.discard(pid)
                continue
            slot = next((slot for slot in self._slots if slot.pid == pid), None)
            if slot is None:
                continue
            slot.pid = None
            if slot.is_worker and code != 0:
                self._dead[pid] = time.monotonic() + _GUARDS_END
            if code == 0 and drain:
                slot.ended = True
                continue
            if code == -signals.CANCEL_SIGNAL:  # recovery says so, of the job
                slot.note_place()
                continue
            delay, words = slot.note_death(), death_in_words(code)
            self._registration.note_death(f"{slot.role} {pid} {words}")
            self._emit(WorkerDied(slot.role, pid, words, slot.early_deaths, delay))

    def _recover(self) -> None:
        trouble = None
        try:
            self._store.database.hold_to_file()
            self._store.open()
            self._present.hold_to_folder()
            self._registration.record()
            self._pause.look()
            alive, now = self._recovery.run(), time.monotonic()
            self._dead = {pid: until for pid, until in self._dead.items() if pid in alive and until > now}
            if not self._dead:
                self.meanwhile()
        except DatabaseGone as gone:
            self._troubles.note(os.getpid(), str(gone))
            self._stop(signal.SIGTERM)
            raise StoreError("stopped, because the database is gone") from gone
        except (StoreError, MachineError, OSError) as error:
            trouble = in_words(error) if isinstance(error, OSError) else str(error)
        self._troubles.note(os.getpid(), trouble)
        self._recover_at = time.monotonic() + (_SHORT_TICK if self._dead else _TICK)

    def _sweep(self) -> None:
        try:
            self._recovery.sweep()
        except (StoreError, OSError) as error:
            why = in_words(error) if isinstance(error, OSError) else error
            self._emit(Trouble(f"what dead processes left stays until the next start: {why}"))

    def _wait(self, *, listens: bool) -> signal.Signals | None:
        """Wait for a signal, a word of a child, or until something is due; events are such words if we listen."""
        due = [self._recover_at, *(slot.restart_at for slot in self._slots if self._may_start(slot))]
        seconds = min(due) - time.monotonic()
        if listens:
            return self._signals.wait(seconds, beside=(self._troubles.fileno(), self._events.fileno()))
        return self._signals.wait(min(seconds, _TRICKLE), beside=(self._troubles.fileno(),))

    def _stop(self, caught: signal.Signals | None) -> signal.Signals | None:
        """Let the children end; kill them when the grace is over or another signal comes. Return the first signal."""
        running = {slot.pid for slot in self._slots if slot.pid is not None} | self._aside
        if caught:
            self._store.database.waiting.give_up = lambda: True
        if running and caught:
            self._emit(Stopping(self._grace))
        _send(running, signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while running:
            came = self._signals.wait(min(deadline - time.monotonic(), _TICK), beside=(self._events.fileno(),))
            while ended := processes.ended_child():
                running.discard(ended[0])
            self._hear_events()
            is_another = came not in {None, signal.SIGCHLD}
            caught = caught or (came if is_another else None)
            if (is_another or time.monotonic() >= deadline) and running:
                _send(running, signal.SIGKILL)
                deadline = time.monotonic() + 1
        self._hear_events()
        self._troubles.hear()
        self._troubles.end()
        workers = {slot.pid for slot in self._slots if slot.is_worker} | self._dead.keys()
        deadline = time.monotonic() + _GUARDS_END
        with suppress(StoreError, MachineError, OSError):  # then the next start recovers
            self._store.open()
            self._present.hold_to_folder()
            while self._recovery.run(stopped=True) & workers and time.monotonic() < deadline:
                time.sleep(_SHORT_TICK)  # a guard is still ending its handler
        return caught


def _send(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)
