"""The work folder of one attempt, whose content says how far the attempt came."""

import os
import re
from enum import IntEnum
from typing import NamedTuple

from jobrunner.files import moves
from jobrunner.linux.processes import BOOT_ID

_HANDLED = f"handled-{BOOT_ID}"
WORKSPACE_NAME = re.compile(r"(\d+)-(\d+)")


class Stage(IntEnum):
    """How far an attempt came, as its work folder shows it."""

    NEW = 0  #: nothing was there
    TAKEN = 1  #: the sender's package is there, untouched
    HANDLED = 2  #: and the handler's success is recorded
    FLUSHED = 3  #: and all of it is on the disk
    MOVED = 4  #: and the package has been moved to the archive


class Workspace(NamedTuple):
    """The work folder `ID-ATTEMPT` of one attempt. Its name is the fence: who takes a job over renames it first.

    `package/` is the sender's folder. `data/` is the extracted zip while the handler works on it; it becomes
    `handled-BOOT/` when the handler succeeded and `flushed/` when it is on the disk. Then the sender's files join it,
    what is left of their folder becomes `emptied/`, and it goes to the archive. Until it is flushed, a power cut may
    have eaten it: then its BOOT is not the one that runs now.
    """

    path: str
    package: str
    data: str
    handled: str
    flushed: str
    emptied: str
    copying: str
    copied: str
    progress: str

    @classmethod
    def at(cls, work: str, job_id: int, attempt: int) -> "Workspace":
        """Return the work folder of an attempt, whether it exists or not."""
        path = f"{work}/{job_id}-{attempt}"
        parts = ("package", "data", _HANDLED, "flushed", "emptied", "copying", "copied", "progress")
        return cls(path, *[f"{path}/{part}" for part in parts])

    def stage(self) -> Stage:
        """Return how far this attempt, or the one it took over, came."""
        if os.path.lexists(self.handled):
            return Stage.HANDLED
        if os.path.lexists(self.flushed):
            return Stage.FLUSHED
        return Stage.MOVED if os.path.lexists(self.emptied) else Stage.TAKEN

    def clear(self) -> None:
        """Remove what an earlier attempt left beside the sender's package."""
        for name in os.listdir(self.path):
            leftover = os.path.join(self.path, name)
            if leftover != self.package:
                moves.remove_tree(leftover)

    def report_progress(self, done: int, total: int, file: int | None) -> None:
        """Say how many bytes of how many are extracted; nothing any more once all are.

        Of the file that is being written the disk gets what there is: it works while we do, and the flush is short.
        """
        if file is None:
            os.unlink(self.progress)
            return
        moves.begin_flush(file)
        with open(self.progress, "w", encoding="ascii") as report:
            report.write(f"{done} {total}")

    def read_progress(self) -> tuple[int, int] | None:
        """Return what was said last, None before and after the extraction."""
        try:
            with open(self.progress, encoding="ascii") as file:
                done, total = file.read().split()
        except (OSError, ValueError):  # none, or being written just now
            return None
        return int(done), int(total)

    def remove(self) -> None:
        """Remove it, when the job has ended, unless it holds anything of the sender's. Raises OSError."""
        try:
            os.rmdir(self.emptied)  # all that is left once a package is in the archive
            os.rmdir(self.path)
        except OSError:
            if not holds_package(self.path):
                moves.remove_tree(self.path)

    def record_success(self) -> None:
        """Record, in one rename, that the handler succeeded: it is never run again, unless the power goes now."""
        os.rename(self.data, self.handled)

    def distrust(self) -> None:
        """Forget the handler's success: what could not be written may be gone, and the next flush would not say so."""
        os.rename(self.handled, self.data)

    def record_flush(self) -> None:
        """Record that all is on the disk."""
        os.rename(self.handled, self.flushed)

    def join(self) -> None:
        """Bring the sender's files to what is flushed. Raises OSError; cut short and repeated it goes on."""
        if os.path.lexists(self.package):
            moves.merge(self.package, self.flushed)
            os.rename(self.package, self.emptied)


def holds_package(path: str) -> bool:
    """Say whether a work folder holds a sender's package, or what a sender wrote into its folder too late."""
    if any(os.path.lexists(f"{path}/{part}") for part in ("package", "flushed", "copied")):
        return True
    try:
        return bool(os.listdir(f"{path}/emptied"))
    except FileNotFoundError:
        return False
