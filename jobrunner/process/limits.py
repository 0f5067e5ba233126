"""What a handler's processes may use: limits that the kernel keeps for each of them (setrlimit(2), nice(2))."""

import os
import resource
import sys
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import ProcessSettings

_RESOURCES = {"max_open_files": resource.RLIMIT_NOFILE, "max_memory": resource.RLIMIT_AS}


class Limits(NamedTuple):
    """Bytes of address space and open files of each process, None where they stay as they are; added niceness."""

    max_memory: int | None = None
    max_open_files: int | None = None
    nice: int = 0

    @classmethod
    def of(cls, settings: ProcessSettings) -> "Limits":
        """Return the limits that are set."""
        return cls(settings.max_memory, settings.max_open_files, settings.nice)

    def check(self) -> None:
        """Raise ConfigurationError where a limit is above the one that we are under ourselves."""
        for name, number in _RESOURCES.items():
            wanted, (_, most) = getattr(self, name), resource.getrlimit(number)
            if wanted is not None and most != resource.RLIM_INFINITY and wanted > most:
                raise ConfigurationError(
                    f"process.{name} is {wanted}, but jobrunner itself is held to {most}: lower it, or raise the hard "
                    "limit that jobrunner is started with"
                )

    def apply(self) -> None:
        """Put this process, and all that it starts, under the limits. Raises OSError."""
        os.nice(self.nice)
        for name, number in _RESOURCES.items():
            wanted = getattr(self, name)
            if wanted is not None:
                resource.setrlimit(number, (min(wanted, sys.maxsize),) * 2)


NO_LIMITS = Limits()
