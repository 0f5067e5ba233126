"""A handler that is a command: it starts for each package."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path

from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.domain.package import Package
from jobrunner.process.handler import Call, Run, environment_of_call
from jobrunner.process.launch import start
from jobrunner.process.limits import NO_LIMITS, Limits
from jobrunner.process.starting import refusal


class CommandHandler:
    """Runs a command for each package, without a shell, in the home folder."""

    keeps = None

    def __init__(
        self, words: tuple[str, ...], home: Path, environment: dict[str, str], limits: Limits = NO_LIMITS
    ) -> None:
        self._words = words
        self._home = home
        self._environment = environment
        self._limits = limits
        #: The process that runs the command, until its end is known.
        self.pid: int | None = None

    def begin(self, call: Call, output: int) -> Run:
        """Start the command. Raises CannotStart, too."""
        words = command_line(self._words, call.package)
        environment = self._environment | environment_of_call(call)
        try:
            process = start(words, self._home, environment, self._limits, output)
        except OSError as error:
            raise refusal(error, words[0], self._home, environment) or error from None
        self.pid = process.pid
        handle = os.pidfd_open(process.pid)
        return Run(process.pid, (handle,), partial(self._finish, process, handle))

    def renew(self) -> None:
        """Do nothing: it is new for each package."""

    def _finish(self, process: subprocess.Popen[bytes], handle: int) -> HandlerResult:
        """Return what the exit status means."""
        os.close(handle)
        code = process.wait()
        self.pid = None
        return result_of_exit(code)


def command_line(words: tuple[str, ...], package: Package) -> tuple[str, ...]:
    """Return the words with their placeholders replaced; where there are none, the data folder is appended."""
    values = {
        "{data}": str(package.data),
        "{package}": package.name,
        "{home}": str(package.home),
        "{attempt}": str(package.attempt),
    }
    if not any(placeholder in word for word in words for placeholder in values):
        return (*words, str(package.data))
    return tuple(_replaced(word, values) for word in words)


def _replaced(word: str, values: dict[str, str]) -> str:
    """Replace in one pass: a package may be named "{home}"."""
    return re.sub("|".join(map(re.escape, values)), lambda match: values[match[0]], word)
