"""The record before a member's content has to say what the central directory says of it."""

import struct

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.end import MAX32
from jobrunner.unzip.entry import DESCRIPTOR, TELLING_FLAGS, UTF8, Entry, Fields
from jobrunner.unzip.fields import from_zip64, label, unicode_path

_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_LITTLE_EXTRA = 64  # bytes: most local records have no more of extra fields


def located(file: ZipBytes, fields: Fields, expected: bytes, directory_start: int) -> Entry:
    """Return the entry with the place of its content, if its own record says what that in the directory says."""
    name, compressed_size, offset = fields[0], fields[6], fields[9]
    if offset + _LOCAL.size > directory_start:  # not read: zip64 can say more than a file's offset may be
        raise PackageError(f"the zip's member {label(name)} is not where the directory says: it is damaged")
    head = _LOCAL.size + len(name)
    record = file.exactly(offset, head + _LITTLE_EXTRA)  # there is as much: the directory is behind it
    is_same = record[:28] == expected and record.startswith(name, _LOCAL.size)
    if not is_same and record[:4] != b"PK\3\4":
        raise PackageError(f"the zip's member {label(name)} is not where the directory says: it is damaged")
    if not is_same and (record[26:28] != len(name).to_bytes(2, "little") or not record.startswith(name, _LOCAL.size)):
        raise PackageError(f"the zip's member {label(name)} has another name in its own record: it is malformed")
    extra_length = record[28] | record[29] << 8
    data_offset = offset + head + extra_length
    if data_offset + compressed_size > directory_start:
        raise PackageError(f"the zip's member {label(name)} reaches into the directory: it is damaged")
    entry = Entry(*fields, data_offset)
    if extra_length or entry.unicode_path is not None or not is_same:
        extra = record[head : head + extra_length]
        if len(extra) < extra_length:
            extra = file.exactly(offset + head, extra_length)
        if not is_same:
            _verify_differences(entry, record, extra)
        _verify_names(entry, extra)
    return entry


def _verify_differences(entry: Entry, record: bytes, extra: bytes) -> None:
    """Raise PackageError unless a local record says the same as the directory, in other words."""
    _, _, flags, method, _, _, crc, compressed, size, _, _ = _LOCAL.unpack_from(record)
    if (flags ^ entry.flags) & TELLING_FLAGS or method != entry.method:
        raise PackageError(f"the zip's member {entry.label} is described in two ways (flags or method)")
    if flags & DESCRIPTOR:
        return  # its sizes and checksum stand behind the data; the directory has them, too
    if MAX32 in {size, compressed}:
        unset = [size == MAX32, compressed == MAX32]
        size, compressed = from_zip64(entry.raw_name, extra, unset, [size, compressed])
    if (crc, compressed, size) != (entry.crc, entry.compressed_size, entry.size):
        raise PackageError(f"the zip's member {entry.label} is described in two ways (sizes or checksum)")


def _verify_names(entry: Entry, local_extra: bytes) -> None:
    """Raise PackageError where the name, if it counts beside such fields, and the two Unicode Path fields differ."""
    local_path = unicode_path(entry.raw_name, local_extra)
    if local_path is None and entry.unicode_path is None:
        return
    told = {entry.unicode_path, local_path} - {None}
    if entry.flags & UTF8 or entry.unicode_path is None:
        told.add(entry.raw_name)
    if len(told) > 1:
        raise PackageError(f"the zip's member {entry.label} has two names: it is malformed")
