"""Reading what a zip lists: its central directory, verified by its local records before anything is used.

The format is PKWARE's APPNOTE.TXT 6.3.10; section numbers are of that text. An archive that two readers could
understand differently is refused.
"""

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import le

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.end import MAX16, MAX32, Place, find_directory
from jobrunner.unzip.entry import Entry, Fields
from jobrunner.unzip.fields import DAMAGED, MALFORMED, from_zip64, label, unicode_path
from jobrunner.unzip.local_record import located

_CENTRAL = struct.Struct("<4xx2Bx2HL3L4H2x2L")  # 4.3.12, less what is not used; time and date are one number
_NEWEST = 63  # version 6.3 of the format, with which its latest methods came
_MAX_DIRECTORY = 256 * 2**20
_MOST_KEPT = 20 * 2**20  # bytes of memory
_ENTRY = 700  # bytes that an entry takes about, less its name
_NAME = 5  # bytes that a byte of a name takes at most: as it is, and as a path


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

    def add(self, entry: Entry, end: int) -> None:
        self.starts.append(entry.offset)
        self.ends.append(end)
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
    found = _Found()
    heads = 0
    for fields, record in _records(file, place):
        entry, end = located(file, fields, record, place.start)
        found.add(entry, end)
        heads += entry.data_offset - entry.offset
        if heads > 2 * file.size:  # each one twice at most, and none in another: else reading them could take for ever
            raise PackageError(f"its zip lists the same places again and again: {MALFORMED}")
        if len(found.starts) > 2 * max_entries:
            break
    _verify_that_none_overlap(file, place, found)
    directory = Directory(file, place, found)
    if len(directory) > max_entries:
        raise PackageError(f"the zip has more members than extract.max_entries ({max_entries:,})")
    listed = len(found.starts)
    if listed != place.count if place.count_is_exact else listed & MAX16 != place.count & MAX16:
        raise PackageError(f"its zip declares {place.count:,} members and lists {listed:,}: {DAMAGED}")
    return directory


def _records(file: ZipBytes, place: Place) -> Iterator[tuple[Fields, bytes]]:
    """Yield of each record what an entry has but its data_offset, and what its local record should begin with."""
    stream = file.stream(place.start)
    length = place.length
    while length:
        head = stream.read(_CENTRAL.size)
        if length < _CENTRAL.size or len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            raise PackageError("its zip's directory is damaged: something in it is not a record")
        (
            system, needed, flags, method, modified, crc, compressed, size,
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
        if needed > _NEWEST:
            raise PackageError(
                f"the zip's member {label(name)} needs version {needed / 10} of the zip format, of which the newest is "
                f"{_NEWEST / 10}: have it packed again with another program"
            )
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
                raise PackageError(f"the zip's member {label(name)} overlaps another one: {MALFORMED}")
            found.repeated.add(index)
        else:
            before = index


def _digests(file: ZipBytes, place: Place, count: int) -> Sequence[int]:
    digests = array("q", (hash(fields) for fields, _ in islice(_records(file, place), count)))
    if len(digests) < count:
        raise PackageError("its zip's directory is damaged: it says something else when it is read again")
    return digests
