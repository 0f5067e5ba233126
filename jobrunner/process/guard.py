"""The guard: a small process between a worker and its handlers. When the worker dies, it ends all that they started.

The worker forks it before it opens the database. It adopts the orphans among the handlers' descendants, so none gets
out of sight; the kernel closes its connection to the worker at the worker's death, whatever the cause.
"""

import os
import select
import signal
import time
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from jobrunner.domain.errors import JobrunnerError, in_words
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, timed_out
from jobrunner.linux import kernel
from jobrunner.process import cgroup, signals
from jobrunner.process.handler import Call, Handler
from jobrunner.process.output import DEFAULT_ROOM, Log, Output, Room

#: Seconds from SIGTERM to SIGKILL for a handler whose time is over.
TERM_SECONDS = 5.0
#: Seconds for which output that trickles in is left alone: it costs less in larger pieces.
_TRICKLE_SECONDS = 0.002
_LONGEST_POLL = 86_400.0  # poll(2) counts milliseconds in a C int
_KILLED = "the guard of this worker was killed: the worker ends, too"


class Guard:
    """The worker's end."""

    def __init__(self, handler: Handler, *, timeout: float, worker: str, room: Room = DEFAULT_ROOM) -> None:
        """Fork the guard. `timeout` in seconds, for each run of the handler; `worker` is its token.

        `room` is what the log of each run may take.
        """
        self._connection, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._connection.close()
            _Server(theirs, handler, timeout, worker, room).run_until_closed()
        theirs.close()

    def run(self, call: Call) -> HandlerResult:
        """Run the handler and return how it ended; nothing that it started is left then.

        Raises JobrunnerError where the guard was killed: the worker cannot vouch for anything then, and has to end.
        """
        try:
            self._connection.send(call)
            result: HandlerResult = self._connection.recv()
        except (EOFError, OSError) as error:
            raise JobrunnerError(_KILLED) from error
        return result

    def hold_to_life(self) -> None:
        """Raise JobrunnerError where the guard was killed while no handler ran."""
        if self._connection.poll():  # it sends nothing unasked: this is its end
            raise JobrunnerError(_KILLED)

    def close(self) -> None:
        """End the guard and everything below it, and wait for that."""
        self._connection.close()
        os.waitpid(self._pid, 0)


class _WorkerGone(Exception):  # noqa: N818
    pass


class _Server:
    def __init__(self, worker: Connection, handler: Handler, timeout: float, token: str, room: Room) -> None:
        self._worker = worker
        self._handler = handler
        self._timeout = timeout
        self._token = token
        self._room = room
        self._output = Output()

    def run_until_closed(self) -> None:
        """Serve, then end everything below and this process."""
        code, group = 1, None
        try:
            kernel.set_name("jobrunner-guard")
            kernel.adopt_orphans()
            os.setpgrp()  # who kills the supervisor's whole process group leaves us to clear up
            for number in signals.stop_signals():  # a handler of ours, and not SIG_IGN, which programs would inherit
                signal.signal(number, lambda *_: None)
            signals.unblock()
            group = cgroup.enter(self._token)
            with suppress(EOFError, ConnectionResetError, _WorkerGone):
                while True:
                    call = self._worker.recv()
                    self._worker.send(self._run(call))
            code = 0
        finally:
            _end_children(spare=None)
            if group:
                cgroup.leave(group)
            os._exit(code)

    def _run(self, call: Call) -> HandlerResult:
        try:
            self._log = Log(call.log_path, self._room)
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"the handler's output cannot be kept: {in_words(error)}")
        try:
            return self._result_of(call)
        finally:
            self._output.pump(self._log)
            self._log.close()

    def _result_of(self, call: Call) -> HandlerResult:
        try:
            ended = self._handler.begin(call, self._output.writing)
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"the handler cannot be started: {in_words(error)}")
        if self._wait(ended, self._timeout):
            result = self._handler.finish()
        else:
            self._end(ended)
            result = timed_out(self._timeout)
        _end_children(spare=self._handler.keeps)
        return result

    def _end(self, ended: tuple[int, ...]) -> None:
        process = self._handler.process
        assert process is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        self._wait(ended, TERM_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._handler.finish()

    def _wait(self, ended: tuple[int, ...], seconds: float) -> bool:
        """Wait for the handler's end and log what it prints; False when the time is over. Raises _WorkerGone."""
        poll = select.poll()
        for descriptor in (*ended, self._worker.fileno()):
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + seconds
        output, listens = self._output.reading, False
        while True:
            left = deadline - time.monotonic()
            longest = _LONGEST_POLL if listens else _TRICKLE_SECONDS
            ready = {descriptor for descriptor, _ in poll.poll(min(max(left, 0), longest) * 1000)}
            if self._worker.fileno() in ready:  # it sends nothing while we run: this is its end
                raise _WorkerGone
            if output in ready:
                ready.remove(output)
                listens = self._output.pump(self._log)
                if not listens:
                    poll.unregister(output)
            elif not listens:
                poll.register(output, select.POLLIN)
                listens = True
            if ready:
                return True
            if left <= 0:
                return False


def _end_children(*, spare: int | None) -> None:
    """Kill all descendants but one: the children of who is killed become ours, until there are none."""
    while children := [pid for pid in _children() if pid != spare]:
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]
