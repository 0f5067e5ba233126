"""Delivers notices, each in a child process that is ended, with all that it has started, when its time is over."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.errors import in_words
from jobrunner.domain.last_words import last_words
from jobrunner.linux import kernel, processes
from jobrunner.linux.waiting import BlockedSignals, ready
from jobrunner.process import signals
from jobrunner.process.killing import descendants, end_all, reap
from jobrunner.process.starting import obstacle

#: Bytes that are read at once of what it prints, and of which the last ones are kept.
_PIECE = 2**16
_KEPT = 4096
#: Seconds for which a delivery goes on after a signal: it would have to be sent once more.
_GRACE = 1.5
#: Seconds that what was killed may take to be gone.
_END = 2.0
#: The exit status of a child that prints why it has failed, and nothing else.
_FAILED = 121


class Channel(NamedTuple):
    """A way for notices. `deliver` gets a document, in a child process; what it raises says why it could not."""

    name: str
    deliver: Callable[[bytes], None]


class Stopped(Exception):  # noqa: N818  (what happened, not an error)
    """A signal came before it was known whether a notice was delivered."""


def by_command(words: tuple[str, ...], home: Path, environment: Mapping[str, str]) -> Channel:
    """Return the channel that is a command: started without a shell, in the home, with the notice as its input."""
    return Channel("command", partial(_execute, words, home, environment))


def by_webhook(url: str, secret: bytes | None) -> Channel:
    """Return the channel that posts notices to a URL, signed if there is a secret."""
    return Channel("webhook", partial(_post, url, secret))


class Delivering:
    """Delivers one notice after the other. All that is below this process is taken for left over by that, and ended."""

    def __init__(self, stop: BlockedSignals, *, grace: float = _GRACE) -> None:
        """`stop`: the signals after which a delivery may go on for `grace` seconds."""
        kernel.adopt_orphans()
        self._stop = stop
        self._grace = grace
        #: Whether such a signal has come meanwhile.
        self.is_stopped = False

    def deliver(self, channel: Channel, document: str, seconds: float) -> str | None:
        """Deliver a notice within so many seconds; return what went wrong in words, None where nothing has.

        The database has to be closed. Raises Stopped; OSError where no process can be started.
        """
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        code = None
        try:
            try:
                pid = _forked(channel, document.encode("ascii"), writer)
            finally:
                os.close(writer)
            has_ended, output = self._wait(pid, reader, time.monotonic() + seconds)
            if has_ended:
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        finally:
            os.close(reader)
            end_all(partial(descendants, os.getpid()), patience=_END)
            reap(spare=None)
        if code is None and self.is_stopped:
            raise Stopped
        return _outcome(code, output, seconds)

    def _wait(self, pid: int, reader: int, deadline: float) -> tuple[bool, bytes]:
        """Wait for the end of a child, or of its time; say which came, and return the end of what it has printed."""
        kept, handle = b"", os.pidfd_open(pid)
        beside = {handle, reader}
        try:
            while True:
                if self._stop.wait(max(deadline - time.monotonic(), 0), beside=beside):
                    self.is_stopped = True
                    deadline = min(deadline, time.monotonic() + self._grace)
                has_ended = bool(ready((handle,), 0))
                with suppress(BlockingIOError):
                    piece = os.read(reader, _PIECE)  # as much as a pipe holds
                    kept = (kept + piece)[-_KEPT:]
                    if not piece:
                        beside.discard(reader)
                if has_ended or time.monotonic() >= deadline:
                    return has_ended, kept
        finally:
            os.close(handle)


def within(seconds: float, action: Callable[[], object]) -> None:
    """Run an action in a child process; when its time is over, or a stop is asked for, SIGTERM asks it to end, too.

    Raises OSError where no process can be started.
    """
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            kernel.die_with_parent(parent)
            action()
        finally:
            os._exit(0)
    with processes.handle_of(pid) as handle:
        BlockedSignals(signals.stop_signals()).wait(seconds, beside=(handle,))
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not processes.has_ended(handle):
                os.kill(pid, number)
                processes.has_ended(handle, within=_END)
    os.waitpid(pid, 0)


def _forked(channel: Channel, document: bytes, output: int) -> int:
    """Start a child that delivers a notice, in a session of its own, and return its pid."""
    parent, pid = os.getpid(), os.fork()
    if pid:
        return pid
    try:
        kernel.die_with_parent(parent)
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        channel.deliver(document)
        os._exit(0)
    except BaseException as error:
        why = in_words(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        os.write(2, os.fsencode(why))
    finally:
        os._exit(_FAILED)


def _execute(words: tuple[str, ...], home: Path, environment: Mapping[str, str], document: bytes) -> None:
    """Become the command. Raises OSError, RuntimeError."""
    notice = os.memfd_create("notice")  # a pipe has a writer, who might wait
    os.write(notice, document)
    os.lseek(notice, 0, os.SEEK_SET)
    os.dup2(notice, 0)
    os.chdir(home)
    signals.unblock()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(words[0], words, environment)
    except OSError as error:
        raise RuntimeError(obstacle(words[0], home, environment) or in_words(error)) from error


def _post(url: str, secret: bytes | None, document: bytes) -> None:
    from jobrunner.process.webhook import post  # noqa: PLC0415  (only this child needs it, and for a moment)

    post(url, secret, document)


def _outcome(code: int | None, output: bytes, seconds: float) -> str | None:
    """Return what went wrong, from a child's exit status (negative for a signal, None: it was ended) and its output."""
    said = last_words(output)
    match code:
        case 0:
            return None
        case None:
            return f"it did not end within {seconds:g} s, and was ended" + (f": {said}" if said else "")
        case _ if code == _FAILED:
            return said
    how = f"exit status {code}" if code > 0 else f"it was killed by signal {-code}"
    return f"{how}: {said}" if said else how
