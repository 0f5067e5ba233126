"""The guard: a small process between a worker and its handlers. When the worker dies, it ends all that they started.

The worker forks it before it opens the database. It adopts the orphans among the handlers' descendants, so none gets
out of sight; the kernel closes its connection to the worker at the worker's death, whatever the cause. The orphans of
a guard that is killed are the worker's: then that ends them.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.exits import BUG, GiveUp
from jobrunner.domain.outcome import HandlerResult
from jobrunner.linux import kernel
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.guarding import PATIENCE, Server
from jobrunner.process.handler import Call, Handler
from jobrunner.process.killing import Left, descendants, end_all, reap, wait_for_one
from jobrunner.process.output import DEFAULT_ROOM, Room
from jobrunner.process.presence import Present
from jobrunner.process.title import Title

#: Seconds between two looks at whether the guard was stopped, while the handler runs.
_PAUSE = 1.0
#: A guard that is stopped is continued, but not more often than this during one run of the handler.
_MOST_STOPS = 3
_TITLE = Title("guard")
_KILLED = "the guard of this worker was killed: the worker ends, too"
_HAS_A_BUG = "the guard of this worker met a bug: the worker ends, too"
_STOPPED = "the guard of this worker was stopped again and again: the worker ends, too"

#: Told which processes of the handler do not end; until they do, its result is not known.
HeldUp = Callable[[Sequence[Left]], None]


class Guard:
    """The worker's end."""

    def __init__(
        self,
        handler: Handler,
        *,
        timeout: float,
        present: Present,
        give_up: GiveUp,
        max_processes: int | None = None,
        room: Room = DEFAULT_ROOM,
        title: Title = _TITLE,
    ) -> None:
        """Fork the guard. `timeout` in seconds, for each run of the handler; `present`: the worker's presence.

        `max_processes`: how many processes and threads a run of the handler may have, if they are to be limited.
        `room` is what the log of each run may take. `give_up` hears, in the guard's process, of an error in it. `title`
        is the guard's.
        """
        kernel.adopt_orphans()
        self._channel, theirs = Channel.pair()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            title.show()
            Server(theirs, handler, timeout, present, max_processes, room, give_up).run_until_closed()
        theirs.close()

    def run(
        self, call: Call, held_up: HeldUp, *, look: Callable[[], None] = lambda: None, pause: float = _PAUSE
    ) -> HandlerResult:
        """Run the handler and return how it ended; nothing that it started is left then.

        Meanwhile `look` is called every `pause` seconds; where it raises an error, the guard has to be closed.

        Raises JobrunnerError where the guard was killed: the worker cannot vouch for anything then, and has to end.
        """
        with suppress(OSError):  # the guard was killed: its connection says so below
            self._channel.send(call.as_message())
        stops = 0
        while stops <= _MOST_STOPS:
            if not ready((self._channel.fileno(),), pause):
                stops += self._was_stopped()
                look()
                continue
            try:
                message = self._channel.receive()
                left = _left_in(message)
                if left is None:
                    return result_of(message)
            except (EOFError, OSError, Garbage) as error:
                raise self._end_below(_KILLED, held_up) from error
            held_up(left)
        raise self._end_below(_STOPPED, held_up)

    def hold_to_life(self) -> None:
        """Raise JobrunnerError where the guard was killed while no handler ran."""
        if ready((self._channel.fileno(),), 0):  # it sends nothing unasked: this is its end
            raise self._end_below(_KILLED, lambda left: None)

    def fileno(self) -> int:
        """Return the descriptor that can be read, while no handler runs, once the guard was killed."""
        return self._channel.fileno()

    def close(self) -> None:
        """End the guard and everything below it, and wait for that."""
        self._channel.close()
        if self._pid:
            os.waitpid(self._pid, 0)

    def _was_stopped(self) -> bool:
        """Let a guard that was stopped go on, and say whether it was."""
        if os.waitid(os.P_PID, self._pid, os.WSTOPPED | os.WNOHANG) is None:
            return False
        os.kill(self._pid, signal.SIGCONT)
        return True

    def _end_below(self, reason: str, held_up: HeldUp) -> JobrunnerError:
        """End what was below the guard in its place, and return why the worker cannot go on."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)  # what it had below it is ours from here on
        self._pid = 0
        if os.waitstatus_to_exitcode(status) == BUG:
            reason = _HAS_A_BUG
        while left := end_all(partial(descendants, os.getpid()), patience=PATIENCE):
            held_up(left)
            wait_for_one(left)
        reap(spare=None)
        return JobrunnerError(reason)


def _left_in(message: object) -> list[Left] | None:
    """Return which processes are left, where a message says so. Raises Garbage."""
    match message:
        case {"left": [*pairs]}:
            return [Left.of(pair) for pair in pairs]
    return None
