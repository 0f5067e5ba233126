"""A package: what a handler is run on, what it takes on a disk, and the rules for its name."""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

#: A file name on Linux has at most 255 bytes, and the package NAME holds NAME.zip.
MAX_NAME_BYTES = 251

_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\"}


class Package(NamedTuple):
    """What a handler is run on.

    `data` is the folder with the zip's extracted members: what the handler writes there is archived.
    `zip` is the file as the sender left it. `attempt` counts from 1 over the life of the job.
    """

    name: str
    data: Path
    zip: Path
    attempt: int
    home: Path


class Footprint(NamedTuple):
    """Files and folders, and the bytes that they take on a disk."""

    entries: int
    size: int


NOTHING = Footprint(0, 0)


def shown(name: str) -> str:
    r"""Return the name as a person may safely see it: on one line, in printable characters.

    Only a name that needs it is escaped, backslashes included, so that `unshown` finds it again. Bytes that are not
    UTF-8 become `\xNN`.
    """
    if name.isprintable() and unshown(name) == name:
        return name
    return "".join(char if char.isprintable() and char != "\\" else _escaped(char) for char in name)


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a message as a person may safely see it: on one line, in printable characters.

    Names that are `shown` in it stay as they are. `keep`: characters that are let through, such as the end of a line.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def unshown(text: str) -> str:
    """Return the name that `shown` printed as `text`; what is no escape of its stays as it is."""

    def character(match: re.Match[str]) -> str:
        for char, escape in _ESCAPES.items():
            if escape == match[0]:
                return char
        if match[1].startswith("x"):
            return os.fsdecode(bytes.fromhex(match[1][1:]))
        code = int(match[1][1:], 16)
        is_character = code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF
        return chr(code) if is_character else match[0]

    return re.sub(r"\\(\\|n|t|r|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", character, text)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
