"""Copies a package by descriptors: what others have open, link to or swap changes nothing in the copy."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator

from jobrunner.domain.errors import MachineError, PackageError, StillChanging
from jobrunner.domain.package import Footprint, shown
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import space
from jobrunner.files.looking import BLOCK, UNTAKABLE, in_our_words, length_of, place, refuse_beyond
from jobrunner.files.package_rights import Rights
from jobrunner.files.trees import Kind, Walk, keep_user_attributes
from jobrunner.linux import at

_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)
_MOST_NOTES = 100
_STRIDE = 4 * _PIECE  # bytes after which the disk's free space is looked at again

#: Told how many of how many bytes are copied, at last all; of a small package, never.
Report = Callable[[int, int], None]


class Copy:
    """One copy. Contents, times and user.* attributes are the sender's; owner and rights are ours.

    Files stay sparse, and share their blocks with the sender's where the filesystem can do that.
    """

    def __init__(
        self,
        source: int,
        rights: Rights,
        settings: ExtractSettings,
        *,
        lenient: bool,
        verified: bool,
        report: Report = lambda done, total: None,
        only: Collection[str] | None = None,
    ) -> None:
        """`source` is an open folder. `lenient`: what cannot be taken is left out. `verified`: `verify` will work.

        `only` these paths in it are copied, as `receipts.files_in` has them; all of them must be there.
        """
        self._source = source
        self._owner = os.fstat(source).st_uid
        self._only = None if only is None else _with_folders(only)
        self._walk = Walk(source, most=settings.max_entries if only is None else None, opening=self._open_folder)
        self._rights = rights
        self._settings = settings
        self._lenient = lenient
        self._is_verified = verified
        self._report = report
        self._clones = not verified
        self._digests: dict[int, bytes] = {}
        self._entries = self._size = self._written = self._left_out = 0
        self._looked_at = -_STRIDE
        self._passed = self._length = 0
        self._notes: list[str] = []

    @property
    def found(self) -> Footprint:
        """What has been copied."""
        return Footprint(self._entries, self._size)

    @property
    def notes(self) -> list[str]:
        """What was left out and why, a line each."""
        more = self._left_out - len(self._notes)
        return [*self._notes, *([f"… and {more:,} more"] if more else [])]

    def make(self, target: int) -> None:
        """Copy all into an open folder, which is empty and ours alone.

        Raises NotTaken, PackageError for what cannot be taken, StillChanging, MachineError where the disk is too
        full, OSError.
        """
        here = os.dup(target)
        entered: list[os.stat_result] = []
        try:
            for kind, folder, name in self._walk:
                if kind is Kind.ENTER:
                    if name:
                        os.mkdir(name, 0o700, dir_fd=here)
                        here = at.replaced(here, at.open_folder(here, name))
                    entered.append(os.fstat(folder))
                    keep_user_attributes(folder, here)
                elif kind is Kind.LEAVE:
                    self._finish(here, entered.pop())
                    here = at.replaced(here, at.open_above(here))
                elif not self._is_wanted(name):
                    continue
                elif kind is Kind.OTHER:
                    self._leave_out(name, "is a link, a device, a FIFO or a socket: only files and folders are taken")
                else:
                    self._copy_file(folder, here, name)
            self._finish(here, entered.pop())
            if self._only:
                raise PackageError(f"{shown(min(self._only))}, which is the sender's, is not there any more")
            if self._length:
                self._report(self._length, self._length)
        except OSError as error:
            raise in_our_words(error, self._walk, self._settings) from error
        finally:
            os.close(here)

    def verify(self, target: int) -> None:
        """Read the copy, which has been flushed. Raises MachineError where it is not what was written, OSError."""
        for kind, folder, name in (walk := Walk(target)):
            if kind is Kind.FILE:
                with at.held(at.open_file(folder, name)) as file:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # not what the page cache still holds
                    status = os.fstat(file)
                    digest = hashlib.blake2b()
                    for offset, piece in _pieces(file, status.st_size):
                        _add_piece(digest, offset, piece)
                if self._digests.get(status.st_ino) != digest.digest():
                    raise MachineError(
                        f"{place(walk, name)} does not read back as it was written: the disk is not to be trusted"
                    )

    def _is_wanted(self, name: str) -> bool:
        """Say whether an entry of the folder that was shown last is to be copied, which it is once."""
        if self._only is None:
            return True
        path = self._walk.path(name)
        is_wanted = path in self._only
        self._only.discard(path)
        return is_wanted

    def _open_folder(self, folder: int, name: str) -> int | None:
        if not self._is_wanted(name):
            return None
        self._count()
        try:
            return at.open_our_folder(folder, name)
        except OSError as error:
            self._leave_unopened(name, error)
            return None

    def _copy_file(self, folder: int, target: int, name: str) -> None:
        self._count()
        try:
            source = at.open_our_file(folder, name)
        except OSError as error:
            self._leave_unopened(name, error)
            return
        with at.held(source):
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                self._leave_out(name, "is no file any more")
            elif status.st_nlink > 1 and status.st_uid != self._owner:
                self._leave_out(name, "is a hard link to a file of another user")
            else:
                with at.held(at.new_file(target, name)) as copy:
                    self._copy_content(source, copy, status, name)
                    keep_user_attributes(source, copy)
                    self._finish(copy, status)

    def _copy_content(self, source: int, copy: int, status: os.stat_result, name: str) -> None:
        digest = hashlib.blake2b()
        self._size += status.st_blocks * BLOCK
        refuse_beyond(self._entries, self._size, self._settings)
        if self._clones and status.st_size:
            self._clones = at.clone(source, copy)
        if not self._clones:
            for offset, piece in _pieces(source, status.st_size):
                self._advance(len(piece), offset, copy)
                if self._is_verified:
                    _add_piece(digest, offset, piece)
                written = 0
                while written < len(piece):
                    written += os.pwrite(copy, memoryview(piece)[written:], offset + written)
            os.truncate(copy, status.st_size)
        self._passed += status.st_size
        if self._is_verified:
            self._digests[os.fstat(copy).st_ino] = digest.digest()
        after = os.fstat(source)
        if any(getattr(status, key) != getattr(after, key) for key in ("st_size", "st_mtime_ns", "st_ctime_ns")):
            if not self._lenient:
                raise StillChanging(f"{place(self._walk, name)} changed while it was copied")
            self._leave_out(name, "changed while it was copied: it is here as it was read")

    def _finish(self, copy: int, status: os.stat_result) -> None:
        self._rights.give(copy, status.st_mode)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _count(self) -> None:
        self._entries += 1
        refuse_beyond(self._entries, self._size, self._settings)

    def _advance(self, size: int, offset: int, copy: int) -> None:
        """Make sure of the room for so many bytes more, at this offset of a file, and tell how far that is."""
        self._written += size
        refuse_beyond(self._entries, self._written, self._settings)  # of a file that is not as large as it says
        if self._written - self._looked_at >= _STRIDE:
            self._looked_at = self._written
            space.require(copy, _STRIDE, self._settings.keep_free)
            if self._written >= _STRIDE:
                self._length = self._length or length_of(self._source, self._settings)
                self._report(self._passed + offset, self._length)

    def _leave_unopened(self, name: str, error: OSError) -> None:
        if not self._lenient or error.errno not in UNTAKABLE:
            raise error
        self._leave_out(name, f"cannot be opened ({error.strerror})")

    def _leave_out(self, name: str, reason: str) -> None:
        reason = f"{place(self._walk, name)} {reason}"
        if not self._lenient:
            raise PackageError(reason)
        self._left_out += 1
        if len(self._notes) < _MOST_NOTES:
            self._notes.append(reason)


def _with_folders(paths: Collection[str]) -> set[str]:
    """Return these paths, and those of the folders that lead to them."""
    wanted: set[str] = set()
    for path in paths:
        parts = path.removesuffix("/").split("/")
        wanted.update("/".join(parts[:length]) for length in range(1, len(parts) + 1))
    return wanted


def _pieces(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of each piece of an open file, up to `size`, less what is a hole."""
    offset = 0
    while offset < size:
        if size > _PIECE:
            try:
                offset = os.lseek(file, offset, os.SEEK_DATA) // _PIECE * _PIECE
            except OSError as error:
                if error.errno == errno.ENXIO:  # only a hole is left
                    return
                raise
        piece = os.pread(file, min(_PIECE, size - offset), offset)
        if not piece:
            return
        yield offset, piece
        offset += len(piece)


def _add_piece(digest: hashlib.blake2b, offset: int, piece: bytes) -> None:
    if piece != _ZEROS[: len(piece)]:  # there a hole reads like one that is none
        digest.update(b"%d " % offset)
        digest.update(piece)
