"""The user of the system whom a handler runs as."""

import os
import pwd
import subprocess
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown


class Account(NamedTuple):
    """A user other than root, with the groups that it is in."""

    name: str
    uid: int
    gid: int
    groups: list[int]
    home: str

    @classmethod
    def of(cls, name: str | None) -> "Account | None":
        """Return the account of a user's name, None for None.

        Raises ConfigurationError where there is no such user, or where we may not act as another user.
        """
        if name is None:
            return None
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise ConfigurationError(f"process.user: this machine has no user {name}") from None
        if entry.pw_uid == 0:
            raise ConfigurationError("process.user is root: name a user with fewer rights, or remove the line")
        if os.geteuid() != 0:
            raise ConfigurationError(
                f"process.user is {name}, but only root can start programs as another user: run jobrunner as root, or "
                "remove the line"
            )
        return cls(name, entry.pw_uid, entry.pw_gid, os.getgrouplist(name, entry.pw_gid), entry.pw_dir)

    def check_reach(self, folder: str) -> None:
        """Raise ConfigurationError where this user cannot get to a folder: the kernel says it best."""
        words = ("/bin/sh", "-c", 'test -x "$0"', folder)
        if subprocess.run(words, user=self.uid, group=self.gid, extra_groups=self.groups, check=False).returncode:
            raise ConfigurationError(
                f"process.user is {self.name}, who cannot reach {shown(folder)}: let others pass through it and each "
                "folder above it (chmod o+x)"
            )

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say who this is."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}
