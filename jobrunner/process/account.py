"""The user of the system whom a handler runs as."""

import os
import pwd
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError


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

        Raises ConfigurationError where there is no such user, or where nobody but ourselves can be one.
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

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say who this is."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}
