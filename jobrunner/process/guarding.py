"""What runs in the guard's process: the handler, under a timeout, and the end of all that it started."""

import os
import signal
import time
from contextlib import suppress
from functools import partial

from jobrunner.domain.errors import in_words
from jobrunner.domain.exits import GiveUp
from jobrunner.domain.job import Outcome
from jobrunner.domain.last_words import last_words
from jobrunner.domain.outcome import HandlerResult, timed_out
from jobrunner.linux import kernel, proc
from jobrunner.linux.waiting import ready
from jobrunner.process import cgroup, signals
from jobrunner.process.channel import Channel, Garbage
from jobrunner.process.handler import Call, Handler
from jobrunner.process.killing import Left, descendants, end_all, reap, wait_for_one
from jobrunner.process.output import Log, Output, Room
from jobrunner.process.presence import Present
from jobrunner.process.starting import CannotStart

#: What ps and top show of a guard.
GUARD_NAME = "jobrunner-guard"
#: Seconds from SIGTERM to SIGKILL for a handler whose time is over.
TERM_SECONDS = 5.0
#: Seconds for what was killed to end, before it is said that it does not.
PATIENCE = 2.0
#: Seconds for which output that trickles in is left alone: it costs less in larger pieces.
_TRICKLE_SECONDS = 0.002
#: Bytes at the end of a log in which the reason of a failure is looked for.
_LAST_WORDS = 1 << 13


class _WorkerGone(Exception):  # noqa: N818
    pass


class Server:
    """The guard's end. It holds the worker's presence for as long as anything is left below it."""

    def __init__(
        self,
        worker: Channel,
        handler: Handler,
        timeout: float,
        present: Present,
        max_processes: int | None,
        room: Room,
        give_up: GiveUp,
    ) -> None:
        self._worker = worker
        self._handler = handler
        self._timeout = timeout
        self._present = present
        self._max_processes = max_processes
        self._room = room
        self._give_up = give_up
        self._output = Output()
        self._log: Log | None = None
        self._groups: list[cgroup.Group] = []
        self._is_closing = False
        self._boot = proc.BOOT_ID
        self._noted = 0

    def run_until_closed(self) -> None:
        """Serve, then end everything below and this process."""
        code = 0
        try:
            kernel.set_name(GUARD_NAME)
            kernel.adopt_orphans()
            os.setpgrp()  # a kill of the supervisor's whole process group leaves us to clear up
            for number in (
                signals.stop_signals() | signals.reload_signals()
            ):  # a handler of ours, and not SIG_IGN, which programs would inherit
                signal.signal(number, lambda *_: None)
            signals.unblock()
            self._groups = cgroup.enter(self._present.token, self._max_processes)
            while True:
                call = Call.of(self._worker.receive())
                self._worker.send_result(self.run(call))
                self._handler.renew()  # the worker does not wait for that: it records the result meanwhile
        except (EOFError, OSError, Garbage, _WorkerGone):  # there is no worker any more, or it is out of its mind
            pass
        except BaseException as error:
            code = self._give_up(error)
        finally:
            self._close(code)

    def _close(self, code: int) -> None:
        self._is_closing = True
        try:
            self._end_below(spare=None)
            self.nothing_is_left()
            for group in self._groups:
                group.leave()
        finally:
            os._exit(code)

    def nothing_is_left(self) -> None:
        """Do what is to be done once all that was started has ended, before this process does: nothing at home."""

    def run(self, call: Call) -> HandlerResult:
        """Run the handler on one package; return how it ended. Raises _WorkerGone."""
        try:
            log = self._log = Log(call.log_path, self._room)
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"the handler's output cannot be kept: {in_words(error)}")
        try:
            return self._result_of(call, log)
        finally:
            self._output.pump(log)
            log.close()
            self._log = None

    def _result_of(self, call: Call, log: Log) -> HandlerResult:
        if self._handler.pid and not self._handler.keeps:
            self._end_below(spare=None)
        try:
            run = self._handler.begin(call, self._output.writing)
        except CannotStart as refused:
            return HandlerResult(Outcome.FAILED, f"the handler cannot be started: {refused}")
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"the handler cannot be started: {in_words(error)}")
        self._note_session(run.pid)
        in_time = self._wait(run.ended, self._timeout, log)
        if not in_time:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(run.pid, signal.SIGTERM)
            self._wait(run.ended, TERM_SECONDS, log)
        # before the handler is waited for, which one that traces it could prevent
        self._end_below(spare=run.pid if in_time else None)
        result = run.finish()
        if self._handler.pid:
            self._end_below(spare=self._handler.keeps)
        if not in_time:
            result = timed_out(self._timeout)
        if not result.is_bare:
            return result
        self._output.pump(log)
        return result.explained(last_words(log.end(_LAST_WORDS)))

    def _note_session(self, handler: int) -> None:
        """Say how recovery finds what the handler starts, should we be killed, too."""
        if handler != self._noted:
            self._noted = handler
            self._present.note(f"{self._boot} {proc.session(handler)}")

    def _wait(self, ended: tuple[int, ...], seconds: float, log: Log) -> bool:
        """Wait for the handler's end and log what it prints; False when the time is over. Raises _WorkerGone."""
        worker, output = self._worker.fileno(), self._output.reading
        quiet, noisy = (*ended, worker), (*ended, worker, output)
        deadline = time.monotonic() + seconds
        listens = False
        while True:
            left = deadline - time.monotonic()
            happened = ready(noisy, left) if listens else ready(quiet, min(left, _TRICKLE_SECONDS))
            if worker in happened:  # it sends nothing while we run: this is its end
                raise _WorkerGone
            listens = output not in happened or self._output.pump(log)
            if not happened.isdisjoint(ended):
                return True
            if left <= 0:
                return False

    def _end_below(self, *, spare: int | None) -> None:
        """End all that was started, but for one process and what that has started, and wait until nothing is left.

        Another user's process and one that waits for a disk may take any time, of which the worker is told. Raises
        _WorkerGone, but where we are closing.
        """
        said: list[Left] = []
        while any(pid != spare for pid in proc.children(os.getpid())) and (left := self._try_to_end(spare)):
            if self._log:  # whoever goes on printing must not wait for us
                self._output.pump(self._log)
            if self._is_closing:
                wait_for_one(left)
                continue
            if left != said:
                self._worker.send({"left": left})
                said = left
            if wait_for_one(left, beside=self._worker.fileno()):
                raise _WorkerGone

    def _try_to_end(self, spare: int | None) -> list[Left]:
        find = partial(descendants, os.getpid(), spare=spare)
        left = end_all(find, patience=PATIENCE)
        spares_nobody = spare is None or self._handler.keeps is None  # a command has ended: that is its pid
        if left and self._groups and spares_nobody:
            self._groups[0].kill_others(PATIENCE)  # another user's, too
            left = end_all(find, patience=PATIENCE)
        reap(spare=self._handler.pid)
        return left
