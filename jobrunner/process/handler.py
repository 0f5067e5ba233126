"""How the user's handler is started: as a command for each package, or as a callable in a process that stays."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Protocol

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult, result_of_exit
from jobrunner.domain.package import Package
from jobrunner.domain.settings import ProcessSettings
from jobrunner.linux import kernel
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.environment import environment_of
from jobrunner.process.limits import NO_LIMITS, Limits

#: Names the worker in the environment of all that a handler starts.
WORKER_VARIABLE = "JOBRUNNER_WORKER"

#: Seconds from the end of a host's connection to its own, if it ends.
_CLOSED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One run of the handler: on which package, and where its output goes."""

    package: Package
    log_path: str

    def as_message(self) -> list[str | int]:
        """Return it as a message, for `of`."""
        name, data, zip_path, attempt, home = self.package
        return [name, str(data), str(zip_path), attempt, str(home), self.log_path]

    @classmethod
    def of(cls, message: object) -> "Call":
        """Return the call that a message is. Raises Garbage where it is none."""
        match message:
            case [str(name), str(data), str(zip_path), int(attempt), str(home), str(log_path)]:
                return cls(Package(name, Path(data), Path(zip_path), attempt, Path(home)), log_path)
        raise Garbage


class Handler(Protocol):
    """A way to run the handler, as the guard drives it: begin, wait until a descriptor is readable, finish."""

    process: subprocess.Popen[bytes] | None

    def begin(self, call: Call, output: int) -> tuple[int, ...]:
        """Start, and return the descriptors of which one becomes readable at the end. Raises OSError.

        `output` is the descriptor that it prints to.
        """

    def finish(self) -> HandlerResult:
        """Return how it ended."""

    @property
    def keeps(self) -> int | None:
        """The pid that lives on between packages, if any."""


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
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, call: Call, output: int) -> tuple[int, ...]:
        """Start the command; its pidfd is readable when it has ended."""
        words = command_line(self._words, call.package)
        environment = self._environment | package_environment(call.package)
        self.process = _start(words, self._home, environment, self._limits, output)
        self._pidfd = os.pidfd_open(self.process.pid)
        return (self._pidfd,)

    def finish(self) -> HandlerResult:
        """Return what the exit status means."""
        assert self.process is not None
        os.close(self._pidfd)
        code = self.process.wait()
        self.process = None
        return result_of_exit(code)


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
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def keeps(self) -> int | None:
        """The host process, while it is good for another package."""
        return self.process.pid if self.process and not self._is_spent else None

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
        is_well = result.outcome in {Outcome.DONE, Outcome.REJECTED} and not kernel.has_ended(self._pidfd)
        self._is_spent = self._limits.account is not None or not is_well
        return result

    def _answer(self) -> HandlerResult:
        assert self.process is not None
        assert self._channel is not None
        try:
            # a fork of the host may hold its end open: without an answer it is dead all the same
            if kernel.is_readable(self._channel.fileno()):
                return result_of(self._channel.receive())
        except Garbage:
            return HandlerResult(Outcome.FAILED, "the handler wrote into the connection on which its result is sent")
        except (EOFError, OSError):
            pass
        if not kernel.has_ended(self._pidfd, _CLOSED_SECONDS):
            return HandlerResult(Outcome.FAILED, "the handler closed the connection on which its result is sent")
        code = self.process.wait()
        words = f"the handler ended its own process with exit status {code}"
        return HandlerResult(Outcome.FAILED, words) if code >= 0 else result_of_exit(code)

    def _send(self, call: Call, output: int) -> tuple[int, ...]:
        if self.process is None:
            self._start_host(output)
        assert self._channel is not None
        self._channel.send(call.as_message())
        return self._channel.fileno(), self._pidfd

    def _forget_host(self) -> None:
        """Close what belongs to a host that has ended."""
        if self.process is not None and self._channel is not None:
            self.process.wait()
            self._channel.close()
            os.close(self._pidfd)
        self.process, self._channel, self._is_spent = None, None, False

    def _start_host(self, output: int) -> None:
        ours, theirs = Channel.pair()
        with closing(theirs):
            words = (
                sys.executable,
                "-P",
                "-m",
                "jobrunner.process.host",
                str(theirs.fileno()),
                self._function,
            )
            self.process = _start(words, self._home, self._environment, self._limits, output, keep=theirs.fileno())
        self._channel = ours
        self._pidfd = os.pidfd_open(self.process.pid)


def handler_for(settings: ProcessSettings, home: Path, worker: str) -> Handler | None:
    """Return the configured handler, None if there is none. `worker` is the token that marks its processes."""
    limits = Limits.of(settings)
    environment = environment_of(settings, limits.account, os.environ) | {WORKER_VARIABLE: worker}
    if settings.command is not None:
        return CommandHandler(settings.command, home, environment, limits)
    if settings.callable is not None:
        return CallableHandler(settings.callable, home, environment, limits)
    return None


def check(settings: ProcessSettings, home: Path) -> None:
    """Raise ConfigurationError where the handler is certain not to start."""
    Limits.of(settings).check()
    if settings.command is not None:
        program = settings.command[0]
        # shutil.which looks at a path as it stands: from the home, where the command is started
        found = shutil.which(str(home / program) if "/" in program else program)
        if not found:
            raise ConfigurationError(f"process.command: the program {program} is not found, or not executable")
    if settings.callable is not None:
        module = settings.callable.partition(":")[0].partition(".")[0]
        if PathFinder.find_spec(module, [str(home), *sys.path]) is None:
            raise ConfigurationError(
                f"process.callable: there is no module {module} in {home} or among those installed"
            )


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


def package_environment(package: Package) -> dict[str, str]:
    """Return the variables that tell a handler about its package."""
    return {
        "JOBRUNNER_PACKAGE": package.name,
        "JOBRUNNER_DATA": str(package.data),
        "JOBRUNNER_ZIP": str(package.zip),
        "JOBRUNNER_ATTEMPT": str(package.attempt),
        "JOBRUNNER_HOME": str(package.home),
    }


def _replaced(word: str, values: dict[str, str]) -> str:
    """Replace in one pass: a package may be named "{home}"."""
    return re.sub("|".join(map(re.escape, values)), lambda match: values[match[0]], word)


def _start(
    words: tuple[str, ...],
    home: Path,
    environment: dict[str, str],
    limits: Limits,
    output: int,
    *,
    keep: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, under limits, that does not outlive this process."""
    parent = os.getpid()
    account = limits.account
    if account:
        os.fchown(output, account.uid, -1)  # it may open /dev/stdout

    def prepare() -> None:  # it has its session and its account by then; the kernel forgets the parent with the user
        kernel.die_with_parent(parent)
        limits.apply()

    return subprocess.Popen(
        words,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=account and account.groups,
        pass_fds=() if keep is None else (keep,),
        preexec_fn=prepare,  # noqa: PLW1509  (the guard has one thread)
    )
