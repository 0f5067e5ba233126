"""The home's folders: where they are, and what lies where in them."""

import os

from jobrunner.domain.job import Job
from jobrunner.domain.naming import zip_among
from jobrunner.domain.settings import FolderSettings
from jobrunner.files import moves
from jobrunner.files.package_rights import rights_of
from jobrunner.files.workspace import LEFTOVER_PREFIX, WORKSPACE_NAME, Workspace
from jobrunner.linux import at

#: So many entries of a folder are looked through for its zip, its marker and what is partial: as many as it may have.
MOST_NAMES = 200_000
#: What a work folder has once the package has been taken from the inbox.
_TAKEN = ("package", "delivered", "flushed", "emptied")


class Folders:
    """The folders of a home, as absolute paths in `str` (names that are not UTF-8 included)."""

    def __init__(self, settings: FolderSettings, *, any_zip: bool = False) -> None:
        """`any_zip`: the only zip of a folder is its package's, whatever it is called."""
        self.inbox = os.path.realpath(settings.inbox)  # where a link on the way leads to later is not followed
        self.work = str(settings.work)
        self.archive = str(settings.archive)
        self.failed = str(settings.failed)
        self.logs = str(settings.logs)
        self.rights = rights_of(settings)
        self.any_zip = any_zip
        self.inbox_is_a_disk = os.path.ismount(self.inbox)  # then without it there is only an empty folder

    def archived(self, name: str) -> str:
        """Return where a processed package lies."""
        return f"{self.archive}/{name}"

    def zip_of(self, package: str, name: str) -> str:
        """Return the path of the zip of the package NAME that lies at the path `package`.

        Raises PackageError where none, or more than one, can be it; OSError.
        """
        path = f"{package}/{name}.zip"
        if os.path.lexists(path):
            return path
        with moves.opened(package) as folder:
            return f"{package}/{zip_among(at.names(folder, most=MOST_NAMES), name, any_name=self.any_zip)}"

    def name_at(self, path: str) -> str | None:
        """Return the name of what lies in inbox, archive, failed or logs where this path leads to it, or into it."""
        ours = {os.path.realpath(folder) for folder in (self.inbox, self.archive, self.failed, self.logs)}
        path = os.path.abspath(path)
        while (above := os.path.dirname(path)) != path:
            if os.path.realpath(above) in ours:
                return os.path.basename(path)
            path = above
        return None

    def log(self, name: str, attempt: int) -> str:
        """Return the log of one attempt."""
        return os.path.join(self.logs, name, f"{attempt}.log")

    def put_down(self, name: str, failed_name: str | None) -> str | None:
        """Return where a package lies on which no attempt works: in failed, in the archive or in the inbox, or None."""
        failed = [os.path.join(self.failed, failed_name)] if failed_name is not None else []
        places = [*failed, self.archived(name), os.path.join(self.failed, name), os.path.join(self.inbox, name)]
        return next((place for place in places if os.path.isdir(place)), None)

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
        places += [self.archived(job.name), self.origin(job)]
        return next((place for place in places if os.path.lexists(place)), None)

    def origin(self, job: Job) -> str:
        """Return where the package lies before the job's first attempt."""
        return self.archived(job.source) if job.source else os.path.join(self.inbox, job.package)

    def workspace(self, job: Job) -> Workspace:
        """Return the newest work folder that the job has, or where the one of its newest attempt would be."""
        attempts = range(job.attempt + 1, 0, -1)  # one more: a power cut may have undone the claim that made it
        found = (Workspace.at(self.work, job.id, attempt) for attempt in attempts)
        return next((workspace for workspace in found if os.path.lexists(workspace.path)), self.own(job))

    def own(self, job: Job) -> Workspace:
        """Return the work folder of this attempt, whether it exists or not."""
        return Workspace.at(self.work, job.id, job.attempt)

    def has_failed(self, job: Job) -> bool:
        """Say whether the failed folder holds the job's package."""
        return job.failed_name is not None and os.path.isdir(os.path.join(self.failed, job.failed_name))
