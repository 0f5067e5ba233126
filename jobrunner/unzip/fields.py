"""The parts of a zip's record that have no fixed length: its name, for messages, and its extra fields.

Section numbers are of PKWARE's APPNOTE.TXT 6.3.10.
"""

import os
import struct
import zlib

from jobrunner.domain.errors import PackageError
from jobrunner.domain.package import shown

#: What a message ends with: the sender's program made it so, or it became so on its way.
MALFORMED = "it is malformed; have it packed again"
DAMAGED = "it is damaged; deliver it again"
_LONG_NAME = 200
_ZIP64 = b"\x01\x00"
_UNICODE_PATH = b"\x75\x70"


def label(raw_name: bytes) -> str:
    """Return a member's raw name as a message has it."""
    return named(os.fsdecode(raw_name))


def named(name: str) -> str:
    """Return a member's name as a message has it: as a person may see it, and not endless."""
    return shown(name if len(name) <= _LONG_NAME else f"{name[:_LONG_NAME]}…")


def from_zip64(raw_name: bytes, extra: bytes, unset: list[bool], values: list[int]) -> list[int]:
    """Return the values; those that are unset are read from the zip64 field (4.5.3), in which they stand in order.

    Without such a field they are what they are: a file may have just 0xFFFFFFFF bytes. Raises PackageError where it is
    too short for them, or there are two.
    """
    field = _extra_field(raw_name, extra, _ZIP64)
    if field is None:
        return values
    position = 0
    for index, missing in enumerate(unset):
        if missing:
            width = 4 if index == 3 else 8
            if position + width > len(field):
                raise PackageError(f"the zip's member {label(raw_name)} is damaged: its zip64 field is too short")
            values[index] = int.from_bytes(field[position : position + width], "little")
            position += width
    return values


def unicode_path(raw_name: bytes, extra: bytes) -> bytes | None:
    """Return the name of the Info-ZIP Unicode Path field (4.6.9), if it is valid and made for this name.

    Raises PackageError where there are two.
    """
    field = _extra_field(raw_name, extra, _UNICODE_PATH)
    if field is None or len(field) < 5 or field[0] != 1:
        return None
    return field[5:] if int.from_bytes(field[1:5], "little") == zlib.crc32(raw_name) else None


def _extra_field(raw_name: bytes, extra: bytes, wanted: bytes) -> bytes | None:
    """Return one field of an extra block (4.5.1); what is malformed ends it, as honest tools pad it oddly."""
    if wanted not in extra:
        return None
    found = None
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2sH", extra, position)
        position += 4 + length
        if position > len(extra):
            break
        if kind == wanted:
            field = extra[position - length : position]
            if found not in {None, field}:
                raise PackageError(f"the zip's member {label(raw_name)} has two extra fields of one kind: {MALFORMED}")
            found = field
    return found
