"""What can go wrong, sorted by whose fault it is, because that decides what happens next."""

import os
from collections.abc import Sequence

from jobrunner.domain.lack import Lack
from jobrunner.domain.package import shown


class JobrunnerError(Exception):
    """An error that the user can act on; its text is one plain line."""


class ConfigurationError(JobrunnerError):
    """The home or its settings are wrong: nothing was started."""


class NoHome(ConfigurationError):  # noqa: N818  (what it is not)
    """There is neither a settings file nor a database nor an inbox."""


class StoreError(JobrunnerError):
    """The database cannot be used."""


class DatabaseGone(StoreError):  # noqa: N818  (what happened, not an error)
    """Another file, or none, lies where the open database was: whatever is written to it is lost."""


class DamagedDatabase(StoreError):  # noqa: N818  (what it is)
    """The database file is not one any more, or parts of it are unreadable."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"the database {path} is damaged ({reason}): stop jobrunner, then make a new one from the folders with "
            "jobrunner check --rebuild"
        )
        self.reason = reason


class LostDatabase(ConfigurationError):  # noqa: N818
    """There is no database, but there is `left`: a file or folder that only one with a database can have."""

    def __init__(self, path: object, left: str) -> None:
        super().__init__(
            f"the database {path} is not there, but {shown(left)} is: put the database back, or make a new one from "
            "the folders with jobrunner check --rebuild"
        )
        self.reason = f"{shown(left)} is there"


class PackageError(JobrunnerError):
    """The package itself is bad: no second try can help, so its sender has to."""


class Incomplete(PackageError):  # noqa: N818  (what it is, not an error)
    """What makes a folder a complete package is not there. `found`: a few names of what is there instead."""

    def __init__(self, lack: Lack, reason: str, found: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.lack = lack
        self.found = found


class UnfinishedZip(PackageError):  # noqa: N818  (what it is, not an error)
    """The zip has no end: it was cut short for good or, where it has just changed, is still being written.

    `cure`: what its sender has to do if nothing of it comes any more.
    """

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.cure = cure


class NotTaken(PackageError):  # noqa: N818  (what happened, not an error)
    """The package is too large to be taken, or it is no folder: it stays in the inbox."""


class NotKnown(JobrunnerError):  # noqa: N818  (what it is not, an error)
    """No package of a name has a job."""


class MachineError(JobrunnerError):
    """The machine is at fault (full disk, permission, a program that is not there): the package waits."""


class NoRoom(MachineError):  # noqa: N818  (what it is, not an error)
    """The disk of the work folder has too little room: so many bytes have to be free."""

    def __init__(self, reason: str, needed: int) -> None:
        super().__init__(reason)
        self.needed = needed


class StillChanging(MachineError):  # noqa: N818  (what happened, not an error)
    """The package has changed a moment ago, so it waits; `reason` says what of it changed."""

    QUESTION = ": is it still being written?"  #: Ends the text of this error, and of no other.

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}{self.QUESTION}")
        self.reason = reason


class ClaimLost(JobrunnerError):  # noqa: N818  (what happened, not an error)
    """Another worker holds this job by now: touch nothing more of it."""


class Reject(Exception):  # noqa: N818  (reads as a verb in a handler: raise jobrunner.Reject)
    """Raise it in a callable handler when the data is bad: the job fails at once, with this text."""


class RetryLater(Exception):  # noqa: N818
    """Raise it in a callable handler for "not now": tried again with backoff, without using up an attempt."""


def in_words(error: OSError | MemoryError) -> str:
    """Return what the system's error says, in one line with the file's name and without its number."""
    if isinstance(error, MemoryError):
        return "the machine has no memory left"
    where = f": {shown(os.fsdecode(error.filename))}" if error.filename else ""
    return f"{error.strerror or error}{where}"
