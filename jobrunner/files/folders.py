"""The home's folders, and how a package goes from one to the next."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError, MachineError, in_words
from jobrunner.domain.job import Job
from jobrunner.domain.package import shown
from jobrunner.domain.rights import PRIVATE_FOLDER_MODE
from jobrunner.domain.settings import FolderSettings
from jobrunner.files import moves, places
from jobrunner.files.rights import rights_of
from jobrunner.files.workspace import LEFTOVER_PREFIX, WORKSPACE_NAME, Stage, Workspace
from jobrunner.linux.rights import settle

#: What a work folder has once the package has been taken from the inbox.
_TAKEN = ("package", "delivered", "flushed", "emptied")


class Folders:
    """The folders of a home, as absolute paths in `str` (names that are not UTF-8 included)."""

    def __init__(self, settings: FolderSettings) -> None:
        self.inbox = os.path.realpath(settings.inbox)  # where a link on the way leads to later is not followed
        self.work = str(settings.work)
        self.archive = str(settings.archive)
        self.failed = str(settings.failed)
        self.logs = str(settings.logs)
        self.rights = rights_of(settings)
        self._disk = moves.Watch(self.work)
        self.inbox_is_a_disk = os.path.ismount(self.inbox)  # then without it there is only an empty folder

    def prepare(self, home: Path) -> None:
        """Check the folders and make those that are missing within the home.

        Raises ConfigurationError: a missing inbox is never made (its sender would not know of it), nor one outside of
        the home (it may be a disk that is not mounted). Before anything is made, all is checked but the inbox's own
        rights, which are its senders' affair.
        """
        if not os.path.isdir(self.inbox):
            raise ConfigurationError(f"the inbox {self.inbox} does not exist: create it, or set folders.inbox")
        ours = {name: getattr(self, name) for name in ("work", "archive", "failed", "logs")}
        missing = []
        for name, folder in ours.items():
            if os.path.isdir(folder):
                continue
            if os.path.lexists(folder):
                raise ConfigurationError(f"folders.{name} is {folder}, which is not a folder: set it to one")
            if not Path(folder).is_relative_to(home):
                raise ConfigurationError(f"the {name} folder {folder} does not exist: create it, or set folders.{name}")
            missing.append(folder)
        places.check_work(self.work, _existing(self.work))
        for name, folder in ours.items():
            places.check_writable(f"the {name} folder", _existing(folder))
        for name in ("archive", "failed"):
            if not moves.same_filesystem(_existing(self.work), _existing(ours[name])):
                raise ConfigurationError(
                    f"work ({self.work}) and {name} ({ours[name]}) are on different filesystems: a package could not "
                    f"be moved in one step; set folders.work to a folder beside {name}"
                )
        for folder in missing:
            try:
                os.makedirs(os.path.dirname(folder), 0o755, exist_ok=True)
                os.mkdir(folder, PRIVATE_FOLDER_MODE if folder == self.logs else 0o755)
            except FileExistsError:
                pass  # another command was faster
            except OSError as error:
                raise ConfigurationError(f"a folder cannot be made: {in_words(error)}") from error

    def archived(self, name: str) -> str:
        """Return where a processed package lies."""
        return f"{self.archive}/{name}"

    def log(self, name: str, attempt: int) -> str:
        """Return the log of one attempt."""
        return os.path.join(self.logs, name, f"{attempt}.log")

    def start_log(self, name: str, attempt: int) -> str:
        """Make the log of an attempt for whoever may read the folder of logs, and return it. Raises OSError."""
        path = self.log(name, attempt)
        for_readers = os.stat(self.logs).st_mode & 0o2070
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(path), 0o700)
        settle(os.path.dirname(path), 0o700 | for_readers)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600 | (for_readers & 0o040))
        finally:
            os.close(descriptor)
        return path

    def logs_of(self, job: Job) -> dict[int, str]:
        """Return the logs of the attempts at a job that printed anything or could have."""
        paths = {attempt: self.log(job.name, attempt) for attempt in range(1, job.attempt + 1)}
        return {attempt: path for attempt, path in paths.items() if os.path.exists(path)}

    def workspaces(self) -> dict[int, list[str]]:
        """Return the paths of the work folders of each job id."""
        found: dict[int, list[str]] = {}
        for name in os.listdir(self.work):
            if match := WORKSPACE_NAME.fullmatch(name):
                found.setdefault(int(match[1]), []).append(os.path.join(self.work, name))
        return found

    def left_over(self) -> list[str]:
        """Return the paths of what attempts have left and we cannot remove. Raises OSError."""
        names = sorted(name for name in os.listdir(self.work) if name.startswith(LEFTOVER_PREFIX))
        return [os.path.join(self.work, name) for name in names]

    def taken_jobs(self) -> set[int]:
        """Return the ids of the jobs whose package has been brought into the work folder."""
        return {
            job_id
            for job_id, paths in self.workspaces().items()
            if any(os.path.lexists(f"{path}/{part}") for path in paths for part in _TAKEN)
        }

    def whereabouts(self, job: Job) -> str | None:
        """Return where the job's package lies now, or None."""
        workspace = self.workspace(job)
        places = [workspace.package, workspace.delivered, workspace.flushed]
        if job.failed_name is not None:
            places.append(os.path.join(self.failed, job.failed_name))
        places += [self.archived(job.name), os.path.join(self.inbox, job.name)]
        return next((place for place in places if os.path.lexists(place)), None)

    def workspace(self, job: Job) -> Workspace:
        """Return the newest work folder that the job has, or where the one of its newest attempt would be."""
        attempts = range(job.attempt + 1, 0, -1)  # one more: a power cut may have undone the claim that made it
        found = (Workspace.at(self.work, job.id, attempt) for attempt in attempts)
        return next((workspace for workspace in found if os.path.lexists(workspace.path)), self.own(job))

    def watch_the_disk(self) -> None:
        """Hold the disk of the work folder open, before anything is written, for the flush. Raises OSError."""
        self._disk.begin()

    def put_in_archive(self, jobs: Sequence[Job]) -> dict[int, MachineError | OSError]:
        """Move handled packages to the archive, durably, from wherever earlier attempts at them came to.

        What is flushed is flushed once for all of them. Return what has kept which job's package from it, by its id.
        """
        workspaces = {job.id: self.own(job) for job in jobs}
        stages = {job_id: workspace.stage() for job_id, workspace in workspaces.items()}
        faults: dict[int, MachineError | OSError] = {}
        unwritten: OSError | None = None
        if Stage.HANDLED in stages.values():
            try:
                self._disk.flush()
            except OSError as error:
                unwritten = error
        for job in jobs:
            try:
                self._move_to_archive(job, workspaces[job.id], stages[job.id], unwritten)
            except (MachineError, OSError) as error:
                faults[job.id] = error
        try:
            moves.flush_directory(self.archive)  # a move is durable in both of its folders or in none
        except OSError as error:
            return dict.fromkeys(stages, error)
        return faults

    def _move_to_archive(self, job: Job, workspace: Workspace, stage: Stage, unwritten: OSError | None) -> None:
        if stage is Stage.MOVED:
            return
        if stage is Stage.HANDLED:
            if unwritten:
                workspace.distrust()
                raise unwritten
            workspace.record_flush()
        workspace.join()
        try:
            moves.rename_new(workspace.flushed, self.archived(job.name))
        except FileExistsError:
            raise MachineError(
                f"the archive has got a {shown(job.name)} meanwhile: move that one away, and this one follows by itself"
            ) from None

    def own(self, job: Job) -> Workspace:
        """Return the work folder of this attempt, whether it exists or not."""
        return Workspace.at(self.work, job.id, job.attempt)

    def has_failed(self, job: Job) -> bool:
        """Say whether the failed folder holds the job's package."""
        return job.failed_name is not None and os.path.isdir(os.path.join(self.failed, job.failed_name))

    def put_aside(self, failed_name: str) -> None:
        """Give a package in the failed folder the next free name: a new delivery of it has come."""
        source = os.path.join(self.failed, failed_name)
        if os.path.lexists(source):
            moves.publish(source, os.path.join(self.failed, moves.free_name(self.failed, failed_name)))


def _existing(folder: str) -> str:
    """Return the folder, or the nearest one above it that exists: it will be made there."""
    return folder if os.path.isdir(folder) else _existing(os.path.dirname(folder))
