"""Commands that run beside a test: forks of a process that has imported jobrunner, with what subprocess.Popen has."""

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from tests import warm


class Started(subprocess.Popen[str]):
    """A command in the background, which a test deals with as with a program that it has started itself."""

    def __init__(self, command: warm.Command, stdout: TextIO | None, stderr: TextIO | None) -> None:
        """`stdout` and `stderr`: where it can be read what the command writes there, if anywhere."""
        self._answers = command.answers
        self.args, self.pid, self.returncode = command.words, command.pid, None
        self.stdin, self.stdout, self.stderr = None, stdout, stderr
        self._read: list[Future[str] | None] = []

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._answers:
                self.returncode = int(self._answers.readline())
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, sig)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        if not self._read:  # it goes on where this has been asked before, and the time was over
            pool = ThreadPoolExecutor(2)
            self._read = [pool.submit(_rest, stream) if stream else None for stream in (self.stdout, self.stderr)]
            pool.shutdown(wait=False)
        try:
            stdout, stderr = (each.result(timeout) if each else None for each in self._read)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        self.wait(timeout)
        return stdout, stderr


def _rest(stream: IO[str]) -> str:
    with stream:
        return stream.read()


def start(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    python: Sequence[str] = (sys.executable,),
    user: warm.Identity | None = None,
    stdout: Any = subprocess.DEVNULL,
    stderr: Any = subprocess.PIPE,
) -> Started:
    """Start jobrunner beside the test, in a process group of its own. Its output goes where subprocess says."""
    with ExitStack() as closed:
        nothing = closed.enter_context(open(os.devnull, "r+b"))
        ends: list[TextIO | None] = []
        streams = [nothing.fileno()]
        for given in (stdout, stderr):
            ends.append(None)
            if given == subprocess.PIPE:
                ours, theirs = os.pipe()
                closed.callback(os.close, theirs)
                ends[-1] = open(ours, encoding="utf-8")  # noqa: SIM115  (closed by the test, or at its end)
                streams.append(theirs)
            elif given == subprocess.DEVNULL:
                streams.append(nothing.fileno())
            else:
                streams.append(given if isinstance(given, int) else given.fileno())
        command = warm.start(
            warm.JOBRUNNER,
            words,
            environment=environment,
            folder=Path.cwd(),
            streams=streams,
            python=python,
            user=user,
            in_group=True,
        )
    return Started(command, *ends)
