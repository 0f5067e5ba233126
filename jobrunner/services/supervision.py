"""The supervisor: starts workers, replaces those that die, recovers what they left, and stops them."""

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import DatabaseGone, MachineError, StoreError, in_words
from jobrunner.domain.events import Stopping, Trouble, WorkerDied
from jobrunner.domain.exits import ExitOf
from jobrunner.linux import processes
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process import signals
from jobrunner.process.event_pipe import EventPipe
from jobrunner.process.presence import Presence
from jobrunner.services.recovery import Recovery
from jobrunner.services.registration import Registration
from jobrunner.services.reloading import Reloading
from jobrunner.services.rounds import Look, Rounds
from jobrunner.services.serving import Serving
from jobrunner.services.slot import Slot
from jobrunner.services.slots import Crew, Slots, send
from jobrunner.services.troubles import Troubles
from jobrunner.store.store import Store

#: Shows what the workers of these pids do (None: about to start); returns in how many seconds there is more to show.
Draw = Callable[[Sequence[int | None]], float]

#: Seconds between two looks at those that are to end, and at the guards that are ending their handlers.
_TICK = 0.4
_SHORT_TICK = 0.02
#: Seconds for which more events are left to gather, once one has been read: to read several costs less.
_TRICKLE = 0.05
#: Seconds that we wait for the guards of killed workers; what they leave then is recovered at the next start.
_GUARDS_END = 10.0


class Supervisor:
    """Keeps children alive. It forks them, so it holds no connection to the database while it does."""

    def __init__(
        self,
        store: Store,
        presence: Presence,
        recovery: Recovery,
        reloading: Reloading,
        crew_of: Callable[[], Crew],
        emit: Emit,
        exit_of: ExitOf,
        serving: Serving,
        looks: Sequence[Look] = (),
    ) -> None:
        """`crew_of` returns whom to keep alive. `looks` are called often. `serving` is told all."""
        self._store = store
        self._presence = presence
        self._recovery = recovery
        self._emit = emit
        self._exit_of = exit_of
        self._reloading = reloading
        self._crew_of = crew_of
        self._serving = serving
        self._looks = looks
        self._crew = crew_of()
        self._present = presence.appear()
        self._registration = Registration(store, self._present.token)
        self._slots = Slots(self._crew)
        self._dead: dict[int, float] = {}
        self._troubles = Troubles(emit)
        self._events = EventPipe()
        self._reload_signals = signals.reload_signals()
        self._signals = BlockedSignals(signals.stop_signals() | self._reload_signals | {signal.SIGCHLD})
        self._is_to_reload = False
        self._rounds = Rounds(store.database.path)
        self._draw_at = math.inf
        self._draw: Draw = lambda _pids: math.inf
        store.database.waiting.tell = partial(self._troubles.note, os.getpid())

    @property
    def token(self) -> str:
        """What the workers of this supervisor are recorded under."""
        return self._present.token

    def run(self, draw: Draw | None = None) -> signal.Signals | None:
        """Keep the crew alive until a signal comes; return it, or None when the workers have ended by themselves.

        `draw` is called several times a second. Raises StoreError: the database is gone.
        """
        self._draw = draw or self._draw
        self._slots = Slots(self._crew)
        self._registration.begin("run" if self._crew.scanner else "work", self._crew.workers, self._reloading.state)
        self._recover()
        self._sweep()
        heard = False
        while True:
            for slot in self._slots.due():
                self._start(slot)
            if self._slots.have_ended:
                return self._stop(None)
            caught = self._wait(listens=not heard)
            self._is_to_reload |= caught in self._reload_signals
            if caught and caught not in self._reload_signals | {signal.SIGCHLD}:
                return self._stop(caught)
            self._reap()
            heard = self._hear()
            if caught or self._rounds.is_due():
                self._recover()

    def leave(self) -> None:
        """End the supervisor's own presence."""
        self._registration.end()
        self._present.leave()

    def _hear(self) -> bool:
        """Hear what the children have to say, and free the places of those that wait for what their handlers left.

        Return whether there were events of theirs.
        """
        heard = self._hear_events()
        self._slots.put_aside(self._troubles.hear())
        return heard

    def _hear_events(self) -> bool:
        envelopes = self._events.receive()
        for envelope in self._slots.to_be_told(envelopes):
            self._emit.pass_on(envelope)
        self._draw_at = time.monotonic() + self._draw([slot.pid for slot in self._slots.workers])
        return bool(envelopes)

    def _start(self, slot: Slot) -> None:
        self._store.close()
        sys.stdout.flush()
        sys.stderr.flush()
        parent, slot.started_at = os.getpid(), time.monotonic()
        slot.pid = os.fork()
        if slot.pid == 0:
            slot.live(parent, self._present, self._troubles.tell, Emit(slot.role, self._events.send), self._exit_of)

    def _reap(self) -> None:
        while ended := processes.ended_child():
            pid, code = ended
            self._hear()  # its last words
            self._troubles.forget(pid)
            self._slots.aside.discard(pid)
            slot = self._slots.of(pid)
            if slot is None:
                continue
            was_asked = (slot.is_leaving and code == 0) or code == -signals.CANCEL_SIGNAL  # recovery tells of that job
            self._slots.vacate(slot)
            if slot.is_worker and code != 0:
                self._dead[pid] = time.monotonic() + _GUARDS_END
            if was_asked:
                slot.note_place()
                continue
            if code == 0 and self._crew.drains:
                slot.ended = True
                continue
            delay, words = slot.note_death(), slot.death_in_words(code)
            self._registration.note_death(f"{slot.role} {pid} {words}")
            self._emit(WorkerDied(slot.role, pid, words, slot.early_deaths, delay))

    def _recover(self) -> None:
        trouble, again, is_busy = None, math.inf, True
        try:
            self._store.database.hold_to_file()
            self._store.open()
            self._present.hold_to_folder()
            self._registration.record()
            self._reload()
            alive, now = self._recovery.run(), time.monotonic()
            pids = {process.pid for process in alive}
            self._dead = {pid: until for pid, until in self._dead.items() if pid in pids and until > now}
            ours = self._slots.pids | self._dead.keys()
            is_woken = self._rounds.watch(process for process in alive if process.pid not in ours)
            is_busy = self._recovery.waits or not is_woken
            for look in self._looks if not self._dead else ():
                again = min(again, look())
        except DatabaseGone as gone:
            self._troubles.note(os.getpid(), str(gone))
            self._stop(signal.SIGTERM)
            raise StoreError("stopped, because the database is gone") from gone
        except (StoreError, MachineError, OSError) as error:
            trouble = in_words(error) if isinstance(error, OSError) else str(error)
        self._troubles.note(os.getpid(), trouble)
        again = min(again, self._serving.look(self._slots, self._troubles.first))
        self._rounds.end(again, is_busy=is_busy or self._troubles.is_any_said, is_urgent=bool(self._dead))

    def _reload(self) -> None:
        """Take changed settings over if that is asked for, and only then answer. Raises StoreError."""
        reloaded = self._reloading.look(self._registration, at_once=self._is_to_reload)
        if reloaded:
            self._is_to_reload = False
            self._crew = self._crew_of()
            self._recovery.decide_by(self._crew.policy)
            self._slots.take_over(self._crew, renew=reloaded.concerns_workers)
        self._registration.record()

    def _sweep(self) -> None:
        try:
            self._recovery.sweep()
        except (StoreError, OSError) as error:
            why = in_words(error) if isinstance(error, OSError) else error
            self._emit(Trouble(f"what dead processes left stays until the next start: {why}"))

    def _wait(self, *, listens: bool) -> signal.Signals | None:
        """Wait for a signal, a word of a child, or until something is due; events are such words if we listen."""
        now = time.monotonic()
        due = [self._rounds.next_at, self._draw_at, *(slot.restart_at for slot in self._slots.waiting())]
        beside = [self._troubles.fileno(), *self._rounds.descriptors]
        if listens:
            beside.append(self._events.fileno())
        else:
            due.append(now + _TRICKLE)
        return self._signals.wait(min(due) - now, beside=beside)

    def _stop(self, caught: signal.Signals | None) -> signal.Signals | None:
        """Let the children end; kill those that are stopped or too slow, or at another signal. Return the first one."""
        running = self._slots.let_all_go()
        if caught:
            self._store.database.waiting.give_up = lambda: True
        if running and caught:
            self._emit(Stopping(self._crew.grace))
        send(running, signal.SIGTERM)
        deadline = time.monotonic() + self._crew.grace
        while running:
            self._serving.stop(deadline - time.monotonic())
            came = self._signals.wait(min(deadline - time.monotonic(), _TICK), beside=(self._events.fileno(),))
            while ended := processes.ended_child():
                running.discard(ended[0])
            self._hear_events()
            is_another = came not in {None, signal.SIGCHLD, *self._reload_signals}
            caught = caught or (came if is_another else None)
            if running and (is_another or time.monotonic() >= deadline or all(map(processes.is_stopped, running))):
                send(running, signal.SIGKILL)
                deadline = time.monotonic() + 1
        self._hear_events()
        self._troubles.hear()
        self._troubles.end()
        workers = {slot.pid for slot in self._slots.workers} | self._dead.keys()
        deadline = time.monotonic() + _GUARDS_END
        with suppress(StoreError, MachineError, OSError):  # then the next start recovers
            self._store.open()
            self._present.hold_to_folder()
            while time.monotonic() < deadline and workers & {each.pid for each in self._recovery.run(stopped=True)}:
                time.sleep(_SHORT_TICK)  # a guard is still ending its handler
        return caught
