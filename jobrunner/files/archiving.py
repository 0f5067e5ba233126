"""The way of handled packages to the archive: flushed, joined by the sender's files, moved, and that made durable."""

from collections.abc import Mapping

from jobrunner.domain.errors import MachineError
from jobrunner.domain.package import shown
from jobrunner.files import moves
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Stage, Workspace

#: A work folder, and how far the attempt in it came.
Handled = tuple[Workspace, Stage]


class Archiving:
    """Each step is one rename, which may be repeated: whatever it is cut short in, the next attempt goes on there."""

    def __init__(self, folders: Folders, disk: moves.Watch) -> None:
        """`disk` is the work folder's, which has been held open since before the first of these files was written."""
        self._folders = folders
        self._disk = disk

    def archive(self, packages: Mapping[str, Handled]) -> dict[str, MachineError | OSError]:
        """Move handled packages to the archive, durably, from wherever earlier attempts at them came to.

        What is flushed is flushed once for all of them. Return what has kept which package from it, by its name.
        """
        faults: dict[str, MachineError | OSError] = {}
        unwritten: OSError | None = None
        if any(stage is Stage.HANDLED for _, stage in packages.values()):
            try:
                self._disk.flush()
            except OSError as error:
                unwritten = error
        for name, (workspace, stage) in packages.items():
            try:
                self._move(name, workspace, stage, unwritten)
            except (MachineError, OSError) as error:
                faults[name] = error
        try:
            moves.flush_directory(self._folders.archive)  # a move is durable in both of its folders or in none
        except OSError as error:
            return dict.fromkeys(packages, error)
        return faults

    def _move(self, name: str, workspace: Workspace, stage: Stage, unwritten: OSError | None) -> None:
        if stage is Stage.MOVED:
            return
        if stage is Stage.HANDLED:
            if unwritten:
                workspace.distrust()
                raise unwritten
            workspace.record_flush()
        workspace.join()
        try:
            moves.rename_new(workspace.flushed, self._folders.archived(name))
        except FileExistsError:
            raise MachineError(
                f"the archive has got a {shown(name)} meanwhile: move that one away, and this one follows by itself"
            ) from None
