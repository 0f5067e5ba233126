"""What a guard asks of a handler, whichever kind it is: to run on one package."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.process.channel import Garbage


@dataclass(frozen=True, slots=True)
class Call:
    """One run of the handler: on which package, where its output goes, and where it may write how far it is."""

    package: Package
    log_path: str
    progress_path: str

    def as_message(self) -> list[str | int]:
        """Return it as a message, for `of`."""
        name, data, zip_path, attempt, home = self.package
        return [name, str(data), str(zip_path), attempt, str(home), self.log_path, self.progress_path]

    @classmethod
    def of(cls, message: object) -> "Call":
        """Return the call that a message is. Raises Garbage where it is none."""
        match message:
            case [str(name), str(data), str(zip_path), int(attempt), str(home), str(log_path), str(progress_path)]:
                return cls(Package(name, Path(data), Path(zip_path), attempt, Path(home)), log_path, progress_path)
        raise Garbage


class Run(NamedTuple):
    """A run that has begun: it ends when one of the descriptors in `ended` can be read.

    `pid` is the process that it runs in; `finish` returns how it ended, then.
    """

    pid: int
    ended: tuple[int, ...]
    finish: Callable[[], HandlerResult]


class Handler(Protocol):
    """A way to run the handler, as the guard drives it."""

    @property
    def pid(self) -> int | None:
        """The process that the handler runs in; None from when its end is known until the next one starts."""

    @property
    def keeps(self) -> int | None:
        """The pid that lives on between packages, if any."""

    def begin(self, call: Call, output: int) -> Run:
        """Start to run it. `output` is the descriptor that it prints to. Raises CannotStart, OSError."""

    def renew(self) -> None:
        """Between two packages: let go of what has run for long enough. What that leaves is ended before the next."""


def environment_of_call(call: Call) -> dict[str, str]:
    """Return the variables that tell a handler about its package."""
    package = call.package
    return {
        "JOBRUNNER_PACKAGE": package.name,
        "JOBRUNNER_DATA": str(package.data),
        "JOBRUNNER_ZIP": str(package.zip),
        "JOBRUNNER_ATTEMPT": str(package.attempt),
        "JOBRUNNER_HOME": str(package.home),
        "JOBRUNNER_PROGRESS": call.progress_path,
    }
