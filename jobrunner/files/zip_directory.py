"""Reading what a zip says about itself: its central directory, held against its local records before anything is used.

The format is PKWARE's APPNOTE.TXT 6.3.10; section numbers are of that text. An archive that two readers could
understand differently is refused.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from jobrunner.domain.errors import PackageError, UnfinishedZip
from jobrunner.domain.package import shown

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_CENTRAL = struct.Struct("<4s2B5H3L5H2L")  # 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_MAX_COMMENT = 0xFFFF
_MAX_PADDING = 0x10000  # zeros behind the end: tapes and block devices
_MAX_DIRECTORY = 64 * 2**20  # its names are all held in memory
_LONG_NAME = 200
_MAX16 = 0xFFFF
_MAX32 = 0xFFFFFFFF
_ZIP64 = 0x0001
_UNICODE_PATH = 0x7075

ENCRYPTED = 1 << 0
DESCRIPTOR = 1 << 3
STRONG_ENCRYPTION = 1 << 6
UTF8 = 1 << 11
MASKED = 1 << 13
#: The flags whose meaning a local record must not change.
_TELLING_FLAGS = ENCRYPTED | DESCRIPTOR | STRONG_ENCRYPTION | UTF8 | MASKED


@dataclass(slots=True)
class Entry:
    """One member as the central directory gives it; `offset` is the local record's, `data_offset` its content's."""

    raw_name: bytes
    system: int
    flags: int
    method: int
    modified: int
    crc: int
    compressed_size: int
    size: int
    attributes: int
    offset: int
    unicode_path: bytes | None
    data_offset: int = 0

    @property
    def label(self) -> str:
        """The raw name as a person may see it."""
        return named(os.fsdecode(self.raw_name))


def named(name: str) -> str:
    """Return a member's name as a message has it: as a person may see it, and not endless."""
    return shown(name if len(name) <= _LONG_NAME else f"{name[:_LONG_NAME]}…")


def read_directory(descriptor: int, size: int, max_entries: int = _MAX32) -> list[Entry]:
    """Return the members of the zip of `size` bytes in an open file, each one once, ordered as in the directory.

    Raises PackageError where the file is no zip, is ambiguous or has too many members, OSError.
    """
    end, values = _end_record(descriptor, size)
    start, length, count, shift, exact = _directory_place(descriptor, end, values)
    if length > _MAX_DIRECTORY:
        raise PackageError(f"its zip has a directory of {length:,} bytes, over {_MAX_DIRECTORY:,}: it is no honest zip")
    if shift and os.pread(descriptor, 4, 0) in {b"PK\3\4", b"PK\5\6"}:
        raise PackageError("its zip begins before what it lists: it is damaged, or two zips in one file")
    entries: dict[int, Entry] = {}
    found = 0
    for entry in _records(descriptor, start, length, shift):
        found += 1
        if entries.setdefault(entry.offset, entry) != entry:  # some tools write one record twice
            raise PackageError(f"the zip's member {entry.label} overlaps another one: it is a forgery")
        if len(entries) > max_entries:  # said before the rest of them is held in memory
            raise PackageError(f"the zip has more members than extract.max_entries ({max_entries:,})")
    if found != count if exact else found & _MAX16 != count & _MAX16:
        raise PackageError(f"its zip declares {count:,} members and lists {found:,}: it is damaged")
    members = list(entries.values())
    _hold_against_local_records(descriptor, members, start)
    return members


def read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """Return bytes of the file. Raises PackageError where it ends before."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            raise PackageError("its zip ends in the middle: it is cut short")
        data += more
    return data


def _end_record(descriptor: int, size: int) -> tuple[int, tuple[int, ...]]:
    """Find the end record: the only one whose comment reaches to the end of the file, or to zeros.

    Without one the zip may still be on its way, whatever it begins with: a prefix, nothing yet, a zip within it.
    """
    length = min(size, _END.size + _MAX_COMMENT + _MAX_PADDING)
    tail = read_exactly(descriptor, size - length, length)
    content_end = len(tail.rstrip(b"\0"))
    fitting = []
    position = tail.rfind(b"PK\5\6")
    while position >= 0:
        if position + _END.size <= length:
            _, *values = _END.unpack_from(tail, position)
            comment_end = position + _END.size + values[-1]
            if comment_end <= length and comment_end >= content_end:
                fitting.append((size - length + position, tuple(values)))
        position = tail.rfind(b"PK\5\6", 0, position)
    if not fitting:
        if b"PK\5\6" in tail:
            raise UnfinishedZip("its zip is followed by other bytes, or its comment is cut: it is not as it was sent")
        if size >= 4 and os.pread(descriptor, 4, 0) == b"PK\3\4":
            raise UnfinishedZip("its zip has no end: it was cut short on its way, or is not complete")
        raise UnfinishedZip(f"its zip is not a zip ({size:,} bytes without an end record)")
    if len(fitting) > 1:
        raise PackageError("its zip has two ends that both fit: what it holds depends on who reads it")
    return fitting[0]


def _directory_place(descriptor: int, end: int, values: tuple[int, ...]) -> tuple[int, int, int, int, bool]:
    """Return start, length and number of records of the directory, the prefix's length, and whether that is exact."""
    disk, directory_disk, disk_count, count, length, offset, _comment = values
    located = os.pread(descriptor, _END64_LOCATOR.size, max(end - _END64_LOCATOR.size, 0))
    exact = False
    if located[:4] == b"PK\6\7":
        _, end64_disk, end64_offset, _disks = _END64_LOCATOR.unpack(located)
        end64 = end - _END64_LOCATOR.size - _END64.size
        record = read_exactly(descriptor, max(end64, 0), _END64.size)
        if end64 < 0 or record[:4] != b"PK\6\6":
            raise PackageError("its zip's zip64 locator points nowhere: it is damaged")
        _, record_size, _made, _needed, disk64, directory_disk64, disk_count64, count64, length64, offset64 = (
            _END64.unpack(record)
        )
        pairs = [
            (disk, disk64, _MAX16),
            (directory_disk, directory_disk64, _MAX16),
            (disk_count, disk_count64, _MAX16),
            (count, count64, _MAX16),
            (length, length64, _MAX32),
            (offset, offset64, _MAX32),
        ]
        if any(small not in {large, unset} for small, large, unset in pairs) or record_size != _END64.size - 12:
            raise PackageError("its zip's two end records (zip64 and old) disagree: it is damaged or forged")
        disk, directory_disk, disk_count, count, length, offset = (large for _, large, _ in pairs)
        if end64_offset != end64 - (end64 - length - offset) or end64_disk:
            raise PackageError("its zip's zip64 locator points elsewhere: it is damaged or forged")
        end, exact = end64, True
    if disk or directory_disk or disk_count != count:
        raise PackageError("its zip is one part of a split archive: all in one file has to be delivered")
    start = end - length
    if start < 0 or start < offset:
        raise PackageError("its zip's directory lies before its beginning: it is damaged or cut short")
    return start, length, count, start - offset, exact


def _records(descriptor: int, start: int, length: int, shift: int) -> Iterator[Entry]:
    file = io.BufferedReader(io.FileIO(descriptor, closefd=False), 1 << 18)
    file.seek(start)
    while length:
        head = file.read(_CENTRAL.size)
        if length < _CENTRAL.size or len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            raise PackageError("its zip's directory is damaged: something in it is not a record")
        fields = _CENTRAL.unpack(head)
        _, _, system, _, flags, method, time, date, crc, compressed, size = fields[:11]
        name_length, extra_length, comment_length, disk, _, attributes, offset = fields[11:]
        length -= _CENTRAL.size + name_length + extra_length + comment_length
        if length < 0:
            raise PackageError("its zip's directory is damaged: its last record is cut")
        name = file.read(name_length)
        extra = file.read(extra_length)
        file.read(comment_length)
        unset = [size == _MAX32, compressed == _MAX32, offset == _MAX32, disk == _MAX16]
        if any(unset):
            size, compressed, offset, disk = _from_zip64(extra, unset, [size, compressed, offset, disk])
        if disk:
            raise PackageError("its zip is one part of a split archive: all of it has to be delivered in one file")
        modified = date << 16 | time
        offset += shift
        path = _unicode_path(extra, name)
        yield Entry(name, system, flags, method, modified, crc, compressed, size, attributes, offset, path)


def _hold_against_local_records(descriptor: int, entries: list[Entry], directory_start: int) -> None:
    """Check that no two members share bytes, and that each local record says what the directory says."""
    before = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset < before:
            raise PackageError(f"the zip's member {entry.label} overlaps another one: it is a forgery")
        if entry.offset + _LOCAL.size > directory_start:  # not read: zip64 can say more than a file's offset may be
            raise PackageError(f"the zip's member {entry.label} is not where the directory says: it is damaged")
        head = read_exactly(descriptor, entry.offset, _LOCAL.size + len(entry.raw_name))
        mark, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = _LOCAL.unpack_from(head)
        if mark != b"PK\3\4":
            raise PackageError(f"the zip's member {entry.label} is not where the directory says: it is damaged")
        if name_length != len(entry.raw_name) or head[_LOCAL.size :] != entry.raw_name:
            raise PackageError(f"the zip's member {entry.label} has another name in its own record: it is a forgery")
        extra_offset = entry.offset + _LOCAL.size + name_length
        entry.data_offset = extra_offset + extra_length
        before = entry.data_offset + entry.compressed_size
        if before > directory_start:
            raise PackageError(f"the zip's member {entry.label} reaches into the directory: it is damaged")
        if (flags ^ entry.flags) & _TELLING_FLAGS or method != entry.method:
            raise PackageError(f"the zip's member {entry.label} is described in two ways (flags or method)")
        if flags & DESCRIPTOR:
            continue  # its sizes and checksum stand behind the data; the directory has them, too
        if _MAX32 in {size, compressed}:
            extra = read_exactly(descriptor, extra_offset, extra_length)
            size, compressed = _from_zip64(extra, [size == _MAX32, compressed == _MAX32], [size, compressed])
        if (crc, compressed, size) != (entry.crc, entry.compressed_size, entry.size):
            raise PackageError(f"the zip's member {entry.label} is described in two ways (sizes or checksum)")


def _from_zip64(extra: bytes, unset: list[bool], values: list[int]) -> list[int]:
    """Return the values with those that are unset taken from the zip64 field (4.5.3), where they stand in order."""
    field = _extra_field(extra, _ZIP64) or b""
    position = 0
    for index, missing in enumerate(unset):
        if missing:
            width = 4 if index == 3 else 8
            if position + width > len(field):
                raise PackageError("its zip is damaged: a zip64 field is missing")
            values[index] = int.from_bytes(field[position : position + width], "little")
            position += width
    return values


def _unicode_path(extra: bytes, raw_name: bytes) -> bytes | None:
    """Return the name of the Info-ZIP Unicode Path field (4.6.9), if it is valid and made for this name."""
    field = _extra_field(extra, _UNICODE_PATH)
    if field is None or len(field) < 5 or field[0] != 1:
        return None
    return field[5:] if int.from_bytes(field[1:5], "little") == zlib.crc32(raw_name) else None


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    """Return one field of an extra block (4.5.1); what is malformed ends it, as honest tools pad it oddly."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if position + 4 + length > len(extra):
            return None
        if kind == wanted:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return None
