"""One member of a zip, as its central directory gives it; section numbers are of APPNOTE.TXT 6.3.10."""

from typing import NamedTuple

from jobrunner.unzip.fields import label

ENCRYPTED = 1 << 0
DESCRIPTOR = 1 << 3
PATCH = 1 << 5
STRONG_ENCRYPTION = 1 << 6
UTF8 = 1 << 11
MASKED = 1 << 13
FAT, UNIX = 0, 3
#: FAT, NTFS (11 is Info-ZIP's), VFAT: their tools may separate folders by a backslash.
DOS_SYSTEMS = frozenset({FAT, 10, 11, 14})


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
Fields = tuple[bytes, int, int, int, int, int, int, int, int, int, bytes | None]
