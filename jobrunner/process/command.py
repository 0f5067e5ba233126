"""A handler that is a command: it starts for each package."""

import os
import re
import subprocess
from pathlib import Path

from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.domain.package import Package
from jobrunner.process.handler import Call, package_environment
from jobrunner.process.launch import start
from jobrunner.process.limits import NO_LIMITS, Limits


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
        self._pidfd = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs the command."""
        return self._process.pid if self._process else None

    def begin(self, call: Call, output: int) -> tuple[int, ...]:
        """Start the command; its pidfd is readable when it has ended."""
        words = command_line(self._words, call.package)
        environment = self._environment | package_environment(call.package)
        self._process = start(words, self._home, environment, self._limits, output)
        self._pidfd = os.pidfd_open(self._process.pid)
        return (self._pidfd,)

    def finish(self) -> HandlerResult:
        """Return what the exit status means."""
        assert self._process is not None
        os.close(self._pidfd)
        code = self._process.wait()
        self._process = None
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
