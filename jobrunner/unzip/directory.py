"""Reading what a zip lists: its central directory, verified by its local records before anything is used.

The format is PKWARE's APPNOTE.TXT 6.3.10; section numbers are of that text. An archive that two readers could
understand differently is refused.
"""

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import le
from typing import NamedTuple

from jobrunner.domain.errors import PackageError, UnfinishedZip
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.end import MAX16, MAX32, Place, find_directory
from jobrunner.unzip.fields import from_zip64, label, unicode_path

_CENTRAL = struct.Struct("<4xxB2x2HL3L4H2x2L")  # 4.3.12, less what is not used; time and date are one number
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_MAX_DIRECTORY = 256 * 2**20
_LITTLE_EXTRA = 64  # bytes: most local records have no more of extra fields
_MOST_KEPT = 20 * 2**20  # bytes of memory
_ENTRY = 700  # bytes that an entry takes about, less its name
_NAME = 5  # bytes that a byte of a name takes at most: as it is, and as a path

ENCRYPTED = 1 << 0
DESCRIPTOR = 1 << 3
STRONG_ENCRYPTION = 1 << 6
UTF8 = 1 << 11
MASKED = 1 << 13
#: The flags whose meaning a local record must not change.
_TELLING_FLAGS = ENCRYPTED | DESCRIPTOR | STRONG_ENCRYPTION | UTF8 | MASKED


class Entry(NamedTuple):
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
        """The raw name as a message has it."""
        return label(self.raw_name)


#: What a record of the directory says: an entry's fields but the last.
_Fields = tuple[bytes, int, int, int, int, int, int, int, int, int, bytes | None]


class Directory:
    """The members of a zip, each one once, in the directory's order.

    Many are not kept in memory but read again at each iteration: what was checked of a member in one iteration has to
    be checked again in the next, as the file may have been changed in between.
    """

    def __init__(self, file: ZipBytes, place: Place, found: "_Found") -> None:
        self._file = file
        self._place = place
        self._found = found

    def __len__(self) -> int:
        return len(self._found.starts) - len(self._found.repeated)

    @property
    def is_kept(self) -> bool:
        """Whether the members are held in memory."""
        return len(self._found.starts) == len(self._found.kept)

    def __iter__(self) -> Iterator[Entry]:
        found = self._found
        if self.is_kept and not found.repeated:
            return iter(found.kept)
        return self._each_once()

    def _each_once(self) -> Iterator[Entry]:
        found = self._found
        records = _records(self._file, self._place)
        read_again = (
            Entry(*fields, data_offset) for (fields, _), data_offset in zip(records, found.data_offsets, strict=False)
        )
        for index, entry in enumerate(found.kept if self.is_kept else read_again):
            if index not in found.repeated:
                yield entry


class _Found:
    """What is kept of all records: few bytes of each, and all as long as that is little."""

    def __init__(self) -> None:
        self.starts = array("Q")
        self.ends = array("Q")
        self.data_offsets = array("Q")
        self.kept: list[Entry] = []
        self._kept_size = 0
        self.repeated: set[int] = set()

    def add(self, entry: Entry) -> None:
        self.starts.append(entry.offset)
        self.ends.append(entry.data_offset + entry.compressed_size)
        self.data_offsets.append(entry.data_offset)
        self._kept_size += _ENTRY + _NAME * len(entry.raw_name)
        if entry.unicode_path is not None:
            self._kept_size += _NAME * len(entry.unicode_path)
        if self._kept_size <= _MOST_KEPT:
            self.kept.append(entry)
        else:
            self.kept.clear()


def read_directory(file: ZipBytes, max_entries: int = MAX32) -> Directory:
    """Return the members of a zip, when they fit each other and their local records.

    Raises PackageError where the file is no zip, is ambiguous or has too many members, OSError.
    """
    place = find_directory(file)
    if place.length > _MAX_DIRECTORY:
        raise PackageError(
            f"its zip has a directory of {place.length:,} bytes, over {_MAX_DIRECTORY:,}: deliver it in several zips"
        )
    if place.prefix and file.read(0, 4) in {b"PK\3\4", b"PK\5\6"}:
        raise UnfinishedZip("its zip begins before what it lists: it is damaged, cut short, or two zips in one file")
    found = _Found()
    heads = 0
    for fields, record in _records(file, place):
        entry = _located(file, fields, record, place.start)
        found.add(entry)
        heads += entry.data_offset - entry.offset
        if heads > 2 * file.size:  # each one twice at most, and none in another: else reading them could take for ever
            raise PackageError("its zip lists the same places again and again: it is malformed")
        if len(found.starts) > 2 * max_entries:
            break
    _verify_that_none_overlap(file, place, found)
    directory = Directory(file, place, found)
    if len(directory) > max_entries:
        raise PackageError(f"the zip has more members than extract.max_entries ({max_entries:,})")
    listed = len(found.starts)
    if listed != place.count if place.count_is_exact else listed & MAX16 != place.count & MAX16:
        raise PackageError(f"its zip declares {place.count:,} members and lists {listed:,}: it is damaged")
    return directory


def _records(file: ZipBytes, place: Place) -> Iterator[tuple[_Fields, bytes]]:
    """Yield of each record what an entry has but its data_offset, and what its local record should begin with."""
    stream = file.stream(place.start)
    length = place.length
    while length:
        head = stream.read(_CENTRAL.size)
        if length < _CENTRAL.size or len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            raise PackageError("its zip's directory is damaged: something in it is not a record")
        (
            system, flags, method, modified, crc, compressed, size,
            name_length, extra_length, comment_length, disk, attributes, offset,
        ) = _CENTRAL.unpack(head)  # fmt: skip
        rest = name_length + extra_length + comment_length
        length -= _CENTRAL.size + rest
        if length < 0:
            raise PackageError("its zip's directory is damaged: its last record is cut")
        name = stream.read(rest)
        extra = b""
        if rest > name_length:
            name, extra = name[:name_length], name[name_length : name_length + extra_length]
        local = b"PK\3\4" + head[6:30]
        if disk or MAX32 in (size, compressed, offset):
            unset = [size == MAX32, compressed == MAX32, offset == MAX32, disk == MAX16]
            size, compressed, offset, disk = from_zip64(name, extra, unset, [size, compressed, offset, disk])
            if disk:
                raise PackageError("its zip is one part of a split archive: all of it has to be delivered in one file")
            if unset[0] or unset[1]:
                local = b""  # has a zip64 field of its own, which has to be read
        offset += place.prefix
        path = unicode_path(name, extra) if extra else None
        yield (name, system, flags, method, modified, crc, compressed, size, attributes, offset, path), local


def _located(file: ZipBytes, fields: _Fields, expected: bytes, directory_start: int) -> Entry:
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
    if (flags ^ entry.flags) & _TELLING_FLAGS or method != entry.method:
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


def _verify_that_none_overlap(file: ZipBytes, place: Place, found: _Found) -> None:
    """Check that no two members share bytes; a record that some tools write twice counts once."""
    if all(map(le, found.ends, islice(found.starts, 1, None))):  # each ends before the next: nothing to sort
        return
    digests: Sequence[int] = ()
    before = -1
    for index in sorted(range(len(found.starts)), key=found.starts.__getitem__):
        if before >= 0 and found.starts[index] < found.ends[before]:
            digests = digests or _digests(file, place, len(found.starts))
            if (found.starts[index], digests[index]) != (found.starts[before], digests[before]):
                (name, *_), _ = next(islice(_records(file, place), index, None))
                raise PackageError(f"the zip's member {label(name)} overlaps another one: it is malformed")
            found.repeated.add(index)
        else:
            before = index


def _digests(file: ZipBytes, place: Place, count: int) -> Sequence[int]:
    digests = array("q", (hash(fields) for fields, _ in islice(_records(file, place), count)))
    if len(digests) < count:
        raise PackageError("its zip's directory is damaged: it says something else when it is read again")
    return digests
