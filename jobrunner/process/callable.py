"""A handler that is a Python callable: its host, a process that imports it once, stays for the next package."""

import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, bare, result_of_exit
from jobrunner.linux.processes import has_ended
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.handler import Call, Run
from jobrunner.process.launch import start
from jobrunner.process.limits import NO_LIMITS, Limits

#: The module that a host runs.
_HOST = "jobrunner.process.host"
#: Seconds from the end of a host's connection to its own, if it ends, whichever side has ended the connection.
_CLOSED_SECONDS = 1.0


class _Host(NamedTuple):
    process: subprocess.Popen[bytes]
    handle: int  #: a pidfd
    channel: Channel

    def close(self) -> None:
        """Close what belongs to it, once it has ended or is about to."""
        self.process.wait()
        self.channel.close()
        os.close(self.handle)


class CallableHandler:
    """Runs a function in a Python process of its own that imports it once and stays for the next package.

    After `recycle_after` packages it is another process, which imports it again; None: it stays for ever.
    """

    def __init__(
        self,
        function: str,
        home: Path,
        environment: dict[str, str],
        limits: Limits = NO_LIMITS,
        recycle_after: int | None = None,
    ) -> None:
        self._function = function
        self._home = home
        self._environment = environment
        self._limits = limits
        self._recycle_after = recycle_after
        self._host: _Host | None = None
        self._is_spent = False
        self._answers = 0

    @property
    def pid(self) -> int | None:
        """The host."""
        return self._host.process.pid if self._host else None

    @property
    def keeps(self) -> int | None:
        """The host process, while it is good for another package."""
        return None if self._is_spent else self.pid

    def begin(self, call: Call, output: int) -> Run:
        """Send the package to the host, starting it where there is none; it answers, or it dies."""
        if self._is_spent:
            self._forget_host()
        host = self._host
        if host:
            try:
                return self._send(call, host)
            except OSError:  # it has ended since the last package
                self._forget_host()
        return self._send(call, self._start_host(output))

    def _finish(self, host: _Host) -> HandlerResult:
        """Return the host's answer, or what its death means.

        What did not succeed may have left threads and children behind: the next package gets a new host. So it does
        where the host has an account of its own: nothing of that lives when the data folder is taken back from it.
        """
        result = _answer(host)
        is_well = result.outcome in {Outcome.DONE, Outcome.REJECTED} and not has_ended(host.handle)
        self._answers += 1
        self._is_spent = self._limits.account is not None or not is_well
        return result

    def renew(self) -> None:
        """Have a host that has had its packages end, as a program does, or by force after a second."""
        host = self._host
        if host and not self._is_spent and self._answers == self._recycle_after:
            self._is_spent = True
            with suppress(OSError):  # it is just ending
                host.channel.end()
            if not has_ended(host.handle, _CLOSED_SECONDS):
                with suppress(OSError):
                    signal.pidfd_send_signal(host.handle, signal.SIGKILL)

    def _send(self, call: Call, host: _Host) -> Run:
        host.channel.send(call.as_message())
        return Run(host.process.pid, (host.channel.fileno(), host.handle), partial(self._finish, host))

    def _forget_host(self) -> None:
        if self._host:
            self._host.close()
        self._host, self._is_spent = None, False

    def _start_host(self, output: int) -> _Host:
        ours, theirs = Channel.pair()
        with closing(theirs):
            words = (sys.executable, "-P", "-m", _HOST, str(theirs.fileno()), self._function)
            process = start(words, self._home, self._environment, self._limits, output, keep=theirs.fileno())
        self._host = _Host(process, os.pidfd_open(process.pid), ours)
        self._answers = 0
        return self._host


def _answer(host: _Host) -> HandlerResult:
    try:
        # a fork of the host may hold its end open: without an answer it is dead all the same
        if ready((host.channel.fileno(),), 0):
            return result_of(host.channel.receive())
    except Garbage:
        return bare(Outcome.FAILED, "the handler wrote into the connection on which its result is sent")
    except (EOFError, OSError):
        pass
    if not has_ended(host.handle, _CLOSED_SECONDS):
        return bare(Outcome.FAILED, "the handler closed the connection on which its result is sent")
    code = host.process.wait()
    words = f"the handler ended its own process with exit status {code}"
    return bare(Outcome.FAILED, words) if code >= 0 else result_of_exit(code)
