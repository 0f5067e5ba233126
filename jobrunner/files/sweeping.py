"""What attempts leave behind is removed, or put out of the way; what is still needed stays."""

import os
from contextlib import suppress

from jobrunner.files import delivery, fence, moves
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import LEFTOVER_PREFIX, WORKSPACE_NAME, Workspace, holds_package, source_of
from jobrunner.linux import at


def clear(workspace: Workspace) -> None:
    """Remove what an earlier attempt left beside the sender's package. Raises OSError."""
    recorded = {workspace.source, workspace.name, workspace.identity}
    kept = {workspace.package, workspace.delivered, workspace.original} | recorded
    for name in os.listdir(workspace.path):
        leftover = f"{workspace.path}/{name}"
        if leftover not in kept and not fence.is_part(name):
            _remove_or_put_aside(leftover)


def free_disk(workspace: Workspace) -> None:
    """Remove what is half written, while the job waits; what cannot be removed now, the next attempt removes."""
    with suppress(OSError):
        for half_written in (workspace.data, workspace.progress, workspace.handler_progress, workspace.copying):
            moves.remove_tree(half_written)
        workspace.forget_copy()


def remove(workspace: Workspace) -> None:
    """Remove the work folder of a job that has ended, as far as that is possible now; the sweep does the rest."""
    with suppress(OSError):  # a supervisor that starts sweeps, too
        try:
            os.rmdir(workspace.emptied)  # all that is left once a package is in the archive
            os.rmdir(workspace.path)
        except OSError:
            _remove_unless_needed(workspace.path)


def sweep(folders: Folders, job_id: int) -> None:
    """Remove what a job that has ended left in the work folder and, hidden, in the inbox. Raises OSError."""
    for path in folders.workspaces().get(job_id, []):
        with suppress(FileNotFoundError):  # its worker may be at it, too
            remove_source(folders, path)
            _remove_unless_needed(path)


def sweep_left_over(folders: Folders) -> None:
    """Remove what could not be removed before, as far as that is possible now."""
    for path in folders.left_over():
        with suppress(OSError):  # status and the check tell of what is left
            moves.remove_tree(path)


def remove_source(folders: Folders, work_folder: str) -> None:
    """Remove the folder in an inbox on another disk of which a work folder has a copy, if it is still there.

    Raises OSError where that cannot be done now.
    """
    source = source_of(work_folder)
    if source is not None:
        with at.held(at.open_root(folders.inbox)) as inbox:
            delivery.remove_hidden(inbox, source)
        os.unlink(os.path.join(work_folder, "source"))


def put_out_of_reach(folders: Folders, work_folder: str) -> str:
    """Rename a work folder, if it is still there, so that no attempt takes it over; return where it is then."""
    aside = os.path.join(folders.work, moves.free_name(folders.work, LEFTOVER_PREFIX + os.path.basename(work_folder)))
    with suppress(FileNotFoundError):
        os.rename(work_folder, aside)
    return aside


def _remove_unless_needed(path: str) -> None:
    """Remove the work folder of a job that has ended, unless it holds a package. Raises OSError.

    While it says which folder in the inbox is still to be removed, that stays.
    """
    if holds_package(path):
        return
    if os.path.lexists(f"{path}/source"):
        for name in os.listdir(path):
            if name != "source":
                _remove_or_put_aside(f"{path}/{name}")
    else:
        _remove_or_put_aside(path)


def _remove_or_put_aside(path: str) -> None:
    """Remove a work folder, or something in one. Raises OSError where it can be neither removed nor renamed.

    What cannot be removed (another user's files, a mount, an immutable file) gets a name in work/ under which it is
    out of the way, and no attempt takes it over.
    """
    try:
        moves.remove_tree(path)
    except OSError:
        folder, name = os.path.split(path)
        if not WORKSPACE_NAME.fullmatch(name):
            folder, name = os.path.dirname(folder), f"{os.path.basename(folder)}-{name}"
        os.rename(path, os.path.join(folder, moves.free_name(folder, f"{LEFTOVER_PREFIX}{name}")))
