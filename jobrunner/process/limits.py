"""What a handler's processes may do: the kernel holds each of them to it (setrlimit(2), nice(2), prctl(2))."""

import os
import resource
import sys
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import ProcessSettings
from jobrunner.linux import kernel
from jobrunner.process.account import Account

_RESOURCES = {"max_open_files": resource.RLIMIT_NOFILE, "max_memory": resource.RLIMIT_AS}


class Limits(NamedTuple):
    """Bytes of address space and open files of each process, None where they stay as they are; added niceness.

    Whether it keeps to the rights that it has, whatever it starts; whom it runs as, None for ourselves.
    """

    max_memory: int | None = None
    max_open_files: int | None = None
    nice: int = 0
    no_new_privileges: bool = False
    account: Account | None = None

    @classmethod
    def of(cls, settings: ProcessSettings) -> "Limits":
        """Return the limits that are set. Raises ConfigurationError where the account is none for a handler."""
        return cls(
            settings.max_memory,
            settings.max_open_files,
            settings.nice,
            settings.no_new_privileges,
            Account.of(settings.user),
        )

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
        """Put this process, which has its account already, and all that it starts under the limits. Raises OSError."""
        os.nice(self.nice)
        if self.no_new_privileges:
            kernel.renounce_privileges()
        for name, number in _RESOURCES.items():
            wanted = getattr(self, name)
            if wanted is not None:
                resource.setrlimit(number, (min(wanted, sys.maxsize),) * 2)


NO_LIMITS = Limits()
