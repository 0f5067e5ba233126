"""A handler that is a Python callable: its host, a process that imports it once, stays for the next package."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.linux.processes import has_ended
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.handler import Call
from jobrunner.process.launch import start
from jobrunner.process.limits import NO_LIMITS, Limits

#: The module that a host runs.
_HOST = "jobrunner.process.host"
#: Seconds from the end of a host's connection to its own, if it ends.
_CLOSED_SECONDS = 1.0


class CallableHandler:
    """Runs a function in a Python process of its own that imports it once and stays for the next package."""

    def __init__(self, function: str, home: Path, environment: dict[str, str], limits: Limits = NO_LIMITS) -> None:
        self._function = function
        self._home = home
        self._environment = environment
        self._limits = limits
        self._channel: Channel | None = None
        self._pidfd = -1
        self._is_spent = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The host."""
        return self._process.pid if self._process else None

    @property
    def keeps(self) -> int | None:
        """The host process, while it is good for another package."""
        return self._process.pid if self._process and not self._is_spent else None

    def begin(self, call: Call, output: int) -> tuple[int, ...]:
        """Send the package to the host, starting it where there is none; it answers, or it dies."""
        if self._is_spent:
            self._forget_host()
        try:
            return self._send(call, output)
        except OSError:  # it has ended since the last package
            self._forget_host()
            return self._send(call, output)

    def finish(self) -> HandlerResult:
        """Return the host's answer, or what its death means.

        What did not succeed may have left threads and children behind: the next package gets a new host. So it does
        where the host has an account of its own: nothing of that lives when the data folder is taken back from it.
        """
        result = self._answer()
        is_well = result.outcome in {Outcome.DONE, Outcome.REJECTED} and not has_ended(self._pidfd)
        self._is_spent = self._limits.account is not None or not is_well
        return result

    def _answer(self) -> HandlerResult:
        assert self._process is not None
        assert self._channel is not None
        try:
            # a fork of the host may hold its end open: without an answer it is dead all the same
            if ready((self._channel.fileno(),), 0):
                return result_of(self._channel.receive())
        except Garbage:
            return HandlerResult(Outcome.FAILED, "the handler wrote into the connection on which its result is sent")
        except (EOFError, OSError):
            pass
        if not has_ended(self._pidfd, _CLOSED_SECONDS):
            return HandlerResult(Outcome.FAILED, "the handler closed the connection on which its result is sent")
        code = self._process.wait()
        words = f"the handler ended its own process with exit status {code}"
        return HandlerResult(Outcome.FAILED, words) if code >= 0 else result_of_exit(code)

    def _send(self, call: Call, output: int) -> tuple[int, ...]:
        if self._process is None:
            self._start_host(output)
        assert self._channel is not None
        self._channel.send(call.as_message())
        return self._channel.fileno(), self._pidfd

    def _forget_host(self) -> None:
        """Close what belongs to a host that has ended."""
        if self._process is not None and self._channel is not None:
            self._process.wait()
            self._channel.close()
            os.close(self._pidfd)
        self._process, self._channel, self._is_spent = None, None, False

    def _start_host(self, output: int) -> None:
        ours, theirs = Channel.pair()
        with closing(theirs):
            words = (sys.executable, "-P", "-m", _HOST, str(theirs.fileno()), self._function)
            self._process = start(words, self._home, self._environment, self._limits, output, keep=theirs.fileno())
        self._channel = ours
        self._pidfd = os.pidfd_open(self._process.pid)
