"""The work folder of one attempt, whose content says how far the attempt came."""

import os
import re
import stat
from contextlib import suppress
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from jobrunner.domain.job import Identity
from jobrunner.domain.progress import COPYING, EXTRACTING, LONGEST, Progress, line_of, progress_in
from jobrunner.domain.status import Step
from jobrunner.files import moves
from jobrunner.files.delivery import Source
from jobrunner.linux import at, flushing
from jobrunner.linux.proc import BOOT_ID

_HANDLED = f"handled-{BOOT_ID}"
_ORIGINAL_PREFIX = "original-"
_ORIGINAL = f"{_ORIGINAL_PREFIX}{BOOT_ID}"
#: What a sender's package, or all of it that there is, may lie in.
_PACKAGES = ("package", "delivered", "flushed", "copied")
#: The numbers are SQLite's: at most 18 digits, so that each can be one of them.
WORKSPACE_NAME = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
#: What cannot be a work folder's any more gets this name, so that no attempt can take it over.
LEFTOVER_PREFIX = ".left-over-"
#: The work folder of a try is this and the end of its token, by whose lock it is known whether the try lives.
TRY_PREFIX = ".try-"


class Stage(IntEnum):
    """How far an attempt came, as its work folder shows it."""

    NEW = 0  #: nothing was there
    TAKEN = 1  #: the sender's package is there, untouched
    HANDLED = 2  #: and the handler's success is recorded
    FLUSHED = 3  #: and all of it is on the disk
    MOVED = 4  #: and the package has been moved to the archive


class Workspace(NamedTuple):
    """The work folder `ID-ATTEMPT` of one attempt. Its name is the fence: whoever takes a job over renames it first.

    `package/` is the sender's folder, or a copy of it that is ours alone: then `delivered/` is the sender's own until
    the copy is whole, and `original-BOOT/` from then on. `data-ATTEMPT/` is the extracted zip while the handler works
    on it: no other attempt's handler gets a folder of that name. It becomes `handled-BOOT/` when the handler succeeded
    and `flushed/` when it is on the disk. Then the sender's files join it, what is left of their folder becomes
    `emptied/`, and it goes to the archive. Until it is flushed, a power cut may have eaten what another BOOT than this
    one wrote. `source` says which folder in the inbox was copied, `name` of which package this is, unless its zip does,
    and `identity` which revision of it, unless that is the first.
    How far the attempt is says `progress-ATTEMPT` while we work on it, and `handler-progress-ATTEMPT` while the handler
    does, if that writes it.
    """

    path: str
    package: str
    delivered: str
    original: str
    data: str
    handled: str
    flushed: str
    emptied: str
    copying: str
    copied: str
    source: str
    name: str
    identity: str
    progress: str
    handler_progress: str

    @classmethod
    @lru_cache(maxsize=1024)  # it is asked for at each step of an attempt, and those of a batch take turns
    def at(cls, work: str, job_id: int, attempt: int) -> "Workspace":
        """Return the work folder of an attempt, whether it exists or not."""
        return cls.in_folder(f"{work}/{job_id}-{attempt}", attempt)

    @classmethod
    def in_folder(cls, path: str, attempt: int) -> "Workspace":
        """Return the work folder of an attempt that is called otherwise: a try's."""
        data = f"data-{attempt}"
        parts = ("package", "delivered", _ORIGINAL, data, _HANDLED, "flushed", "emptied", "copying", "copied")
        progress = f"progress-{attempt}"
        return cls(
            path,
            *[f"{path}/{part}" for part in (*parts, "source", "name", "identity", progress, f"handler-{progress}")],
        )

    def stage(self) -> Stage:
        """Return how far this attempt, or the one it took over, came."""
        if os.path.lexists(self.handled):
            return Stage.HANDLED
        if os.path.lexists(self.flushed):
            return Stage.FLUSHED
        return Stage.MOVED if os.path.lexists(self.emptied) else Stage.TAKEN

    def step(self, *, has_handler: bool) -> Step | None:
        """Return what the attempt is at, for people; None where there is no work folder, or none that we may look into.

        A small zip is extracted before it could be told from a handler's run.
        """
        if not os.access(self.path, os.X_OK, effective_ids=True):
            return None
        if self.stage() is not Stage.TAKEN:
            return Step.ARCHIVING
        if not os.path.lexists(self.data):
            return Step.TAKING
        return Step.HANDLER if has_handler and not os.path.lexists(self.progress) else Step.EXTRACTING

    def has_package(self) -> bool:
        """Say whether the package, whole, lies here as its sender left it or as a copy."""
        return os.path.lexists(self.package) or os.path.lexists(self.delivered)

    def distrust_copy(self) -> None:
        """Forget a copy that was cut short, or that a power cut may have eaten: the sender's own folder is here."""
        for name in os.listdir(self.path):
            if name.startswith(_ORIGINAL_PREFIX) and name != _ORIGINAL:
                os.rename(f"{self.path}/{name}", self.delivered)
        if os.path.lexists(self.delivered):
            moves.remove_tree(self.package)

    def record_copy(self) -> None:
        """Record that the copy is whole."""
        os.rename(self.copying, self.package)
        os.rename(self.delivered, self.original)

    def forget_copy(self) -> None:
        """Have the next attempt make a copy of its own: the sender may have gone on writing, and the disk is freed."""
        if os.path.lexists(self.original):
            os.rename(self.original, self.delivered)
            moves.remove_tree(self.package)

    def record_source(self, source: Source) -> None:
        """Record which folder in the inbox is going to be copied."""
        with open(self.source, "w", encoding="ascii") as file:
            file.write(str(source))

    def record_name(self, name: str) -> None:
        """Record of which package this is. A link, made in one step, leads nowhere: its target is the name."""
        with suppress(FileExistsError):
            os.symlink(name, self.name)

    def record_identity(self, identity: Identity) -> None:
        """Record which job's this is, of a package that has several, or that is not called as its job is."""
        with suppress(FileExistsError):
            os.symlink(f"{identity.revision}/{identity.source or ''}/{identity.name}", self.identity)

    def report_copied(self, done: int, total: int) -> None:
        """Say how many bytes of how many of the package are copied."""
        self._report(done, total, COPYING)

    def report_extracted(self, done: int, total: int, file: int | None) -> None:
        """Say how many bytes of how many are extracted.

        Of the file that is being written the disk gets what there is: it works while we do, and the flush is short.
        """
        if file is not None:
            flushing.begin_flush(file)
        self._report(done, total, EXTRACTING)

    def progress_now(self) -> Progress | None:
        """Return what was said last of the step that is under way; None where nothing was.

        What a handler has written there may be anything.
        """
        if said := progress_in(_beginning(self.path, self.progress), is_bytes=True):
            return said
        return progress_in(_beginning(self.path, self.handler_progress)) if os.path.lexists(self.data) else None

    def _report(self, done: int, total: int, text: str) -> None:
        """Write how far it is; once all is done, there is nothing more to say."""
        if done < total:
            with open(self.progress, "wb") as report:
                report.write(line_of(done, total, text))
        else:
            with suppress(FileNotFoundError):
                os.unlink(self.progress)

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


def _beginning(folder: str, path: str) -> bytes:
    """Return how a file in a folder begins; empty where it is no file, or not ours to read. It is never waited for."""
    with suppress(OSError), moves.opened(folder) as here, at.held(at.open_file(here, os.path.basename(path))) as file:
        if stat.S_ISREG(os.fstat(file).st_mode):
            return os.read(file, LONGEST)
    return b""


def source_of(path: str) -> Source | None:
    """Return of which folder in the inbox a work folder has a copy, None if of none or if that folder is removed."""
    try:
        with open(f"{path}/source", encoding="ascii") as file:
            return Source.parse(file.read())
    except (FileNotFoundError, ValueError):  # cut short: nothing had been done yet
        return None


def name_of(path: str) -> str | None:
    """Return which name of a package is recorded in a work folder, None if none is."""
    try:
        return os.readlink(f"{path}/name")
    except OSError:
        return None


def identity_of(path: str, package: str) -> Identity:
    """Return which job of a package a work folder is recorded to be of: the package's first one, if nothing else is."""
    with suppress(OSError, ValueError):
        revision, source, name = os.readlink(f"{path}/identity").split("/")
        return Identity(name, package, int(revision), source or None)
    return Identity.plain(package)


def holds_package(path: str) -> bool:
    """Say whether a work folder holds a sender's package, or what a sender wrote into its folder too late."""
    if any(os.path.lexists(f"{path}/{part}") for part in _PACKAGES):
        return True
    try:
        return bool(os.listdir(f"{path}/emptied"))
    except FileNotFoundError:
        return False
