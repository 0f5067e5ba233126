"""The first step of an attempt: the package is taken, and its zip extracted, unless it has been handled already."""

import os
import time
from contextlib import nullcontext

from jobrunner.domain.errors import MachineError, PackageError, UnfinishedZip
from jobrunner.domain.job import Details
from jobrunner.domain.package import Footprint, shown
from jobrunner.domain.receipt import Zip
from jobrunner.domain.settings import Settings
from jobrunner.files import moves, receipts, sweeping
from jobrunner.files.folders import Folders
from jobrunner.files.taking import SMALL, BeforeLong, Taking
from jobrunner.files.workspace import Stage
from jobrunner.linux.turns import Turns
from jobrunner.services.attempt import CurrentAttempt
from jobrunner.unzip.extraction import Progress, extract


class Preparing:
    """Makes the data folder of an attempt."""

    def __init__(self, settings: Settings, folders: Folders, taking: Taking, turns: Turns | None) -> None:
        """`turns`: how many workers may extract at a time, None where each that there is may."""
        self._settings = settings
        self._folders = folders
        self._taking = taking
        self._turns = turns

    def prepare(self, attempt: CurrentAttempt, before_long: BeforeLong) -> bool:
        """Bring the package into the work folder and extract it; False where an earlier attempt has handled it.

        `before_long` is called before anything that may take long. Raises PackageError, MachineError, StillChanging,
        ClaimLost, Stopped, OSError, MemoryError.
        """
        job, workspace = attempt.job, attempt.workspace
        taken = self._taking.take(job, workspace, attempt.confirm, before_long)
        attempt.stage, attempt.size = taken.stage, taken.found.size
        if attempt.size > SMALL:
            before_long()
        if taken.stage >= Stage.HANDLED:
            return False
        if taken.stage is not Stage.NEW:
            sweeping.clear(workspace)
        if os.path.lexists(self._folders.archived(job.name)):
            raise PackageError(
                "the archive already has a package of this name: move that one away, then jobrunner retry it"
            )
        self._folders.rights.make_folder(workspace.data)
        attempt.zip_path = self._folders.zip_of(workspace.package, job.package)
        zip_name = os.path.basename(attempt.zip_path)
        if zip_name != f"{job.package}.zip":
            workspace.record_name(job.package)
        report = workspace.report_extracted
        with self._turns.taken() if self._turns else nullcontext():
            attempt.zip = unzip(attempt.zip_path, workspace.data, taken.found, self._settings, attempt.details, report)
        attempt.sender_files = [zip_name] if taken.found.entries == 1 else receipts.files_in(workspace.package)
        return True


def unzip(zip_path: str, data: str, found: Footprint, settings: Settings, details: Details, report: Progress) -> Zip:
    """Extract the zip of a package, as it lies there, into an empty folder, and return what it is.

    `found`: what the package holds. Raises PackageError, MachineError, StillChanging, OSError, MemoryError.
    """
    start = time.monotonic()
    try:
        extracted = extract(zip_path, data, settings.extract, report, found)
    except UnfinishedZip as error:
        age = time.time() - os.lstat(zip_path).st_mtime  # which a copy has from what its sender wrote
        if 0 <= age < settings.intake.broken_after:  # else the clock was set back since
            raise MachineError(f"{error}; it has changed within intake.broken_after") from error
        raise PackageError(f"{error}; {error.cure}") from error
    finally:
        details.extract = time.monotonic() - start
    details.encoding = extracted.encoding
    package, zip_name = os.path.split(zip_path)
    conflict = moves.first_conflict(data, package, [zip_name] if found.entries == 1 else None)
    if conflict is not None:
        raise PackageError(f"the zip's member {shown(conflict)} would take the place of a file beside the zip")
    return Zip(zip_name, extracted.size, extracted.sha256)
