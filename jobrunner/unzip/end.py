"""Finding a zip's central directory, from the end record at the end of the file (APPNOTE.TXT 6.3.10)."""

import os
import struct
from dataclasses import dataclass

from jobrunner.domain.errors import PackageError, UnfinishedZip
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.fields import DAMAGED
from jobrunner.unzip.kinds import ENOUGH, other_kind

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
#: What a field of 16 or 32 bits says where its value stands in a zip64 record.
MAX16 = 0xFFFF
MAX32 = 0xFFFFFFFF
_HOW_TO_SEND = (
    "deliver it again; a sender that is slow names the folder NAME-downloading until all of it is there, or set "
    "intake.settle"
)
_NOTHING = b"\0\t\n\r "  # what may follow the end
#: What a zip64 end record says of its own length: less its first 12 bytes; some writers count these, too.
_END64_SIZES = {_END64.size - 12, _END64.size}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the directory lies, how many records it declares, and how many bytes precede the archive in the file."""

    start: int
    length: int
    count: int
    count_is_exact: bool
    prefix: int


def _end_record(file: ZipBytes) -> tuple[int, tuple[int, ...]]:
    """Find the end record: the only one whose comment reaches to the end of the file, or to zeros and white space.

    Without one the zip may still be on its way, whatever it begins with: a prefix, nothing yet, a zip within it.
    """
    tail, length = file.tail, len(file.tail)
    content_end = len(tail.rstrip(_NOTHING))
    fitting = []
    position = tail.rfind(b"PK\5\6")
    while position >= 0:
        if position + _END.size <= length:
            _, *values = _END.unpack_from(tail, position)
            comment_end = position + _END.size + values[-1]
            if comment_end <= length and comment_end >= content_end:
                fitting.append((file.size - length + position, tuple(values)))
        position = tail.rfind(b"PK\5\6", 0, position)
    if not fitting:
        raise _without_end(file)
    if len(fitting) > 1:
        raise PackageError("its zip has two ends that both fit: what it holds depends on who reads it")
    return fitting[0]


def _without_end(file: ZipBytes) -> UnfinishedZip:
    """Return what a file without a fitting end record is refused with."""
    beginning = file.read(0, ENOUGH)
    if kind := other_kind(beginning):
        what, cure = kind
        return UnfinishedZip(f"its zip is not a zip but {what}", cure)
    if b"PK\5\6" in file.tail:
        reason = "its zip is followed by other bytes, or its comment is cut: it is not as it was sent"
    elif beginning[:4] == b"PK\3\4":
        reason = "its zip has no end: it was cut short on its way, or is not complete"
    else:
        reason = f"its zip is not a zip, or was cut short: it has no end record in {file.size:,} B"
    return UnfinishedZip(reason, _HOW_TO_SEND)


def find_directory(file: ZipBytes) -> Place:
    """Find the central directory of a zip.

    Raises UnfinishedZip where it has no end, PackageError where it is damaged or ambiguous, OSError.
    """
    end, values = _end_record(file)
    disk, directory_disk, disk_count, count, length, offset, _comment = values
    located = file.read(max(end - _END64_LOCATOR.size, 0), _END64_LOCATOR.size)
    is_zip64 = located[:4] == b"PK\6\7"
    if is_zip64:
        _, end64_disk, end64_offset, _disks = _END64_LOCATOR.unpack(located)
        end64 = end - _END64_LOCATOR.size - _END64.size
        record = file.exactly(max(end64, 0), _END64.size)
        if end64 < 0 or record[:4] != b"PK\6\6":
            raise PackageError(f"its zip's zip64 locator points nowhere: {DAMAGED}")
        _, record_size, _made, _needed, disk64, directory_disk64, disk_count64, count64, length64, offset64 = (
            _END64.unpack(record)
        )
        if record_size not in _END64_SIZES or not (
            disk in {disk64, MAX16}
            and directory_disk in {directory_disk64, MAX16}
            and disk_count in {disk_count64, disk_count64 & MAX16, MAX16}
            and count in {count64, count64 & MAX16, MAX16}
            and length in {length64, MAX32}
            and offset in {offset64, MAX32}
        ):
            raise PackageError(f"its zip's two end records (zip64 and old) disagree: {DAMAGED}")
        disk, directory_disk, disk_count, count = disk64, directory_disk64, disk_count64, count64
        length, offset, end = length64, offset64, end64
    if disk or directory_disk or disk_count != count:
        raise PackageError("its zip is one part of a split archive: all in one file has to be delivered")
    if is_zip64 and (end64_offset != offset + length or end64_disk):
        raise PackageError(f"its zip's zip64 locator points elsewhere: {DAMAGED}")
    start = end - length
    if start < 0 or start < offset:
        raise PackageError(f"its zip's directory lies before its beginning: {DAMAGED}")
    prefix = start - offset
    if prefix and prefix % (MAX32 + 1) == 0 and not is_zip64:
        raise PackageError(
            "its zip is larger than 4 GiB and not zip64: so the macOS Finder writes it, and where its members lie is "
            "lost; have it packed with zip -r in the Terminal, or in several zips"
        )
    if prefix and file.read(0, 4) in {b"PK\3\4", b"PK\5\6"}:
        raise UnfinishedZip(
            "its zip begins before what it lists: it is damaged, cut short, or two zips in one file", _HOW_TO_SEND
        )
    return Place(start, length, count, is_zip64, prefix)


def unfinished(descriptor: int, size: int) -> str | None:
    """Return why an open file of `size` bytes may be a zip that is not all there yet; None if it has its end.

    Whether it is sound is not looked at. Raises OSError.
    """
    end = os.pread(descriptor, _END.size, max(size - _END.size, 0))
    if len(end) == _END.size and end[:4] == b"PK\5\6":
        *_, length, offset, comment_length = _END.unpack(end)
        if not comment_length and offset + length + _END.size == size:  # as nearly all zips end
            return None
    try:
        find_directory(ZipBytes(descriptor, size))
    except UnfinishedZip as unfinished_zip:
        return str(unfinished_zip)
    except PackageError:
        return None
    return None
