"""Extraction of a package's zip: everything is inspected before anything is written, and verified while it is."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from jobrunner.domain.errors import MachineError, PackageError, StillChanging
from jobrunner.domain.package import Footprint
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import space
from jobrunner.linux.processors import idleness
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.digest import digest_of
from jobrunner.unzip.directory import read_directory
from jobrunner.unzip.end import MAX32
from jobrunner.unzip.entry import DESCRIPTOR
from jobrunner.unzip.fields import MALFORMED, named
from jobrunner.unzip.names import choose_encoding
from jobrunner.unzip.rules import Member, allowed_members, require_within_limits
from jobrunner.unzip.streams import METHODS, PIECE, content, crc32

#: What changes with a file, or is another one's.
_TELLING = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_BLOCK = 512  # bytes: what st_blocks counts
_DEFLATE_RATIO = 1032  # the highest that there is
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: So many bytes are decompressed ahead; with more, the memory for large pieces is asked for each time.
_BATCH = PIECE
_MEMBER = 1_000  # bytes of memory that a member takes beside its content
_Piece = tuple[Member, bytes]

#: Told how many of how many bytes are extracted, and the file being written, None at the end; of a small zip, never.
Progress = Callable[[int, int, int | None], None]


class Extracted(NamedTuple):
    """The encoding that a zip's names were taken to have; the zip's bytes, and their SHA-256 in hexadecimal digits."""

    encoding: str
    size: int
    sha256: str


def extract(
    zip_path: str, target: str, settings: ExtractSettings, progress: Progress, package: Footprint | None = None
) -> Extracted:
    """Extract a zip into an existing empty folder, and return what it was.

    `package`: what that holds, the zip included, which counts in its limits. The umask takes from modes.

    Raises PackageError for what is wrong with the zip, before the first write where the zip's directory shows it;
    StillChanging; MachineError where the disk has no room or no thread is to be had; OSError.
    """
    descriptor = _open(zip_path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise PackageError("its zip is not a file")
        try:
            extracted = _extract(descriptor, before, target, settings, progress, package)
        except PackageError as error:
            _verify_unchanged(zip_path, before, error)
            raise
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise PackageError("a member's path is too long below the work folder: shorten it") from error
            raise
        _verify_unchanged(zip_path, before, None)
        return extracted
    finally:
        os.close(descriptor)


def _verify_unchanged(zip_path: str, before: os.stat_result, error: PackageError | None) -> None:
    """Raise StillChanging where the zip at this path is not, or not as, the one that was opened."""
    after = os.lstat(zip_path)
    if any(getattr(before, key) != getattr(after, key) for key in _TELLING):
        raise StillChanging("its zip was changed while it was read") from error


def _open(zip_path: str) -> int:
    """Open the zip without following a link or waiting at a FIFO."""
    try:
        return os.open(zip_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise PackageError("its zip is not there: deliver it again") from None
    except OSError:
        kind = os.lstat(zip_path).st_mode
        if stat.S_ISLNK(kind):
            raise PackageError("its zip is a symbolic link: the file itself has to be delivered") from None
        if not stat.S_ISREG(kind):
            raise PackageError("its zip is not a file") from None
        raise


def _extract(
    descriptor: int,
    status: os.stat_result,
    target: str,
    settings: ExtractSettings,
    progress: Progress,
    package: Footprint | None,
) -> Extracted:
    size = status.st_size
    file = ZipBytes(descriptor, size)
    held = package or Footprint(1, status.st_blocks * _BLOCK)
    beside = Footprint(held.entries - 1, held.size - status.st_blocks * _BLOCK)
    filled = size if status.st_blocks * _BLOCK >= size else file.filled()
    directory = read_directory(file, settings.max_entries)
    encoding = choose_encoding(directory, settings.encoding)
    members: Iterable[Member] = allowed_members(directory, encoding, METHODS)
    if directory.is_kept:
        members = list(members)
    folders, total, taken = require_within_limits(members, filled, settings, beside)
    space.require(target, taken, settings.keep_free)
    for folder in sorted(folders):
        os.mkdir(f"{target}/{folder}")
    if not directory.is_kept:  # read again, so verified again
        members = allowed_members(directory, encoding, METHODS)
    done = reported = 0

    def advance(file: int, written: int) -> None:
        nonlocal done, reported
        done += written
        if done - reported >= space.STRIDE:
            reported = done
            progress(done, total, file)
            space.require(target, total - done, settings.keep_free)
        if done > total:
            raise StillChanging("its zip was changed while it was read")

    pieces = _pieces(file, members)
    with digest_of(file) as digest:
        with ThreadPoolExecutor(1) if total > _BATCH else nullcontext() as reader:
            for member, its_pieces in groupby(_read_ahead(pieces, reader) if reader else pieces, itemgetter(0)):
                _write(member, its_pieces, f"{target}/{member.path}", advance)
        sha256 = digest()
    if reported:
        progress(total, total, None)
    return Extracted(encoding, size, sha256)


def _pieces(file: ZipBytes, members: Iterable[Member]) -> Iterator[_Piece]:
    for member in members:
        if not member.is_folder:
            for piece in content(file, member.entry):
                yield member, piece


def _read_ahead(pieces: Iterator[_Piece], reader: Executor) -> Iterator[_Piece]:
    """Yield the pieces. The reader's thread makes the next ones while some are written, if a processor is idle."""
    with idleness() as is_a_processor_idle:
        batch: Iterable[_Piece] = _some(pieces)
        is_more = True
        while is_more:
            following = None
            if is_a_processor_idle():
                batch = list(batch)
                following = _started(reader, pieces)
            is_more = False
            for piece in batch:
                yield piece
                is_more = True
            batch = following.result() if following else _some(pieces)


def _started(reader: Executor, pieces: Iterator[_Piece]) -> Future[list[_Piece]]:
    try:
        return reader.submit(list, _some(pieces))
    except RuntimeError as error:
        raise MachineError(
            "no second thread could be started to read its zip: is the limit of processes or of memory reached?"
        ) from error


def _some(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    held = 0
    for piece in pieces:
        yield piece
        held += max(len(piece[1]), _MEMBER)
        if held > _BATCH:
            return


def _write(member: Member, pieces: Iterable[_Piece], path: str, advance: Callable[[int, int], None]) -> None:
    """Write one file, telling the size of each piece. Raises PackageError where it is not what was declared."""
    entry = member.entry
    checksum = size = 0
    file = os.open(path, _NEW_FILE, member.mode)
    try:
        for _, piece in pieces:
            size += len(piece)
            if size > entry.size:
                raise _too_long(member)
            checksum = crc32(piece, checksum)
            written = os.write(file, piece)
            while written < len(piece):
                written += os.write(file, memoryview(piece)[written:])
            advance(file, written)
        if size != entry.size:
            raise PackageError(
                f"the zip's member {named(member.path)} declares {entry.size:,} bytes and holds {size:,}"
            )
        if checksum != entry.crc:
            raise PackageError(
                f"the zip's member {named(member.path)} is damaged: its checksum is not the declared one"
            )
        changed_at = _seconds(entry.modified)
        if changed_at is not None:
            os.utime(file, (changed_at, changed_at))
    finally:
        os.close(file)


def _too_long(member: Member) -> PackageError:
    """Return the error for a member that holds more than is declared: of the Finder, it is less by 4 GiB or more."""
    entry = member.entry
    is_finders = entry.flags & DESCRIPTOR and entry.compressed_size * _DEFLATE_RATIO > MAX32
    cure = (
        "of over 4 GiB the macOS Finder writes a wrong size: have it packed with zip -r in the Terminal"
        if is_finders
        else MALFORMED
    )
    return PackageError(
        f"the zip's member {named(member.path)} holds more than the {entry.size:,} bytes declared: {cure}"
    )


@lru_cache(maxsize=1024)
def _seconds(modified: int) -> float | None:
    """Return a DOS date and time (local, two seconds exact) in seconds since 1970; None where there is no such day."""
    date, clock = modified >> 16, modified & 0xFFFF
    day = (1980 + (date >> 9), date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63, 2 * (clock & 31), 0, 0, -1)
    if not (1 <= day[1] <= 12 and 1 <= day[2] <= 31):
        return None
    return time.mktime(day)
