"""The record before a member's content has to say what the central directory says of it."""

import struct

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.descriptor import descriptor_length
from jobrunner.unzip.end import MAX32
from jobrunner.unzip.entry import (
    DESCRIPTOR,
    DOS_SYSTEMS,
    ENCRYPTED,
    MASKED,
    PATCH,
    STRONG_ENCRYPTION,
    UTF8,
    Entry,
    Fields,
)
from jobrunner.unzip.fields import DAMAGED, MALFORMED, from_zip64, label, unicode_path

_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_LITTLE_EXTRA = 64  # bytes: most local records have no more of extra fields
#: The flags that say how the content is to be read: the two records must have the same.
_TELLING_FLAGS = ENCRYPTED | PATCH | STRONG_ENCRYPTION | MASKED


def located(file: ZipBytes, fields: Fields, expected: bytes, directory_start: int) -> tuple[Entry, int]:
    """Return the entry with the place of its content, and where its last byte ends, its data descriptor included.

    Raises PackageError where its own records say something else than that in the directory, OSError.
    """
    name, compressed_size, offset = fields[0], fields[6], fields[9]
    if offset + _LOCAL.size > directory_start:  # not read: zip64 can say more than a file's offset may be
        raise PackageError(f"the zip's member {label(name)} is not where the directory says: {DAMAGED}")
    head = _LOCAL.size + len(name)
    record = file.exactly(offset, head + _LITTLE_EXTRA)  # there is as much: the directory is behind it
    is_same = record[:28] == expected and record.startswith(name, _LOCAL.size)
    if not is_same:
        _verify_name(fields, record)
    extra_length = record[28] | record[29] << 8
    data_offset = offset + head + extra_length
    end = data_offset + compressed_size
    if end > directory_start:
        raise PackageError(f"the zip's member {label(name)} reaches into the directory: {DAMAGED}")
    entry = Entry(*fields, data_offset)
    if extra_length or entry.unicode_path is not None or not is_same or entry.flags & DESCRIPTOR:
        extra = record[head : head + extra_length]
        if len(extra) < extra_length:
            extra = file.exactly(offset + head, extra_length)
        _verify_unicode_path(entry, record, extra)
        is_told = is_same or _says_the_same(entry, record, extra)
        if (record[6] | entry.flags) & DESCRIPTOR:
            end += descriptor_length(file, entry, directory_start, is_needed=not is_told)
    return entry, end


def _verify_name(fields: Fields, record: bytes) -> None:
    """Raise PackageError unless a local record is one and has the directory's name, on DOS with either slash."""
    name, system = fields[0], fields[1]
    if record[:4] != b"PK\3\4":
        raise PackageError(f"the zip's member {label(name)} is not where the directory says: {DAMAGED}")
    own = record[_LOCAL.size : _LOCAL.size + len(name)]
    if system in DOS_SYSTEMS:  # IZArc writes one in one record and the other in the other
        name, own = name.replace(b"\\", b"/"), own.replace(b"\\", b"/")
    if record[26:28] != len(name).to_bytes(2, "little") or own != name:
        raise PackageError(f"the zip's member {label(name)} has another name in its own record: {MALFORMED}")


def _says_the_same(entry: Entry, record: bytes, extra: bytes) -> bool:
    """Return whether a local record has the directory's sizes and checksum: before a data descriptor it need not.

    Raises PackageError where it contradicts the directory.
    """
    _, _, flags, method, _, _, crc, compressed, size, _, _ = _LOCAL.unpack_from(record)
    differing = flags ^ entry.flags
    if differing & _TELLING_FLAGS or method != entry.method or (differing & UTF8 and not entry.raw_name.isascii()):
        raise PackageError(f"the zip's member {entry.label} is described in two ways (flags or method): {MALFORMED}")
    if MAX32 in {size, compressed} and not flags & DESCRIPTOR:
        unset = [size == MAX32, compressed == MAX32]
        size, compressed = from_zip64(entry.raw_name, extra, unset, [size, compressed])
    is_same = (crc, compressed, size) == (entry.crc, entry.compressed_size, entry.size)
    if not (is_same or flags & DESCRIPTOR):
        raise PackageError(f"the zip's member {entry.label} is described in two ways (sizes or checksum): {MALFORMED}")
    return is_same


def _verify_unicode_path(entry: Entry, record: bytes, local_extra: bytes) -> None:
    """Raise PackageError where the name, if it counts beside such fields, and the two Unicode Path fields differ."""
    local_path = unicode_path(entry.raw_name, local_extra)
    if local_path is None and entry.unicode_path is None:
        return
    told = {entry.unicode_path, local_path} - {None}
    if (record[7] << 8 | entry.flags) & UTF8 or entry.unicode_path is None:
        told.add(entry.raw_name)
    if len(told) > 1:
        raise PackageError(f"the zip's member {entry.label} has two names: {MALFORMED}")
