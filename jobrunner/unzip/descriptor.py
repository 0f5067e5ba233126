"""The data descriptor: the record behind a member's content, of a sender who did not know its sizes before (4.3.9)."""

import struct

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.end import MAX32
from jobrunner.unzip.entry import Entry
from jobrunner.unzip.fields import MALFORMED

_SIGNATURE = b"PK\7\x08"  # which some leave out
_FORMS = (struct.Struct("<3L"), struct.Struct("<L2Q"))  # some write sizes of 64 bits without need
_LONGEST = 24  # bytes


def descriptor_length(file: ZipBytes, entry: Entry, directory_start: int, *, is_needed: bool) -> int:
    """Return the length of the data descriptor that says what the directory says of a member: 0 where there is none.

    Raises PackageError where it says something else, or is needed and missing; OSError.
    """
    crc, compressed_size, size = entry.crc, entry.compressed_size, entry.size
    start = entry.data_offset + compressed_size
    found = file.read(start, min(_LONGEST, directory_start - start))
    for form in _FORMS if compressed_size <= MAX32 and size <= MAX32 else _FORMS[1:]:
        values = form.pack(crc, compressed_size, size)
        if found.startswith(_SIGNATURE + values):
            return len(_SIGNATURE) + form.size
        if found.startswith(values):
            return form.size
    if found.startswith(_SIGNATURE):
        raise PackageError(
            f"the zip's member {entry.label} has a data descriptor that is cut, "
            f"or has another checksum or size than the directory: {MALFORMED}"
        )
    if is_needed:
        raise PackageError(
            f"the zip's member {entry.label} has no data descriptor with the directory's checksum and sizes "
            f"behind its content: {MALFORMED}"
        )
    return 0
