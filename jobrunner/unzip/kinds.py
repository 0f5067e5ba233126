"""What a file is that is called a zip and is none: its first bytes tell."""

import re

_AGAIN = "have it packed as a zip"
#: How a file of each kind begins, what it is, and what its sender can do.
_KINDS = (
    (rb"\Z", "an empty file", "deliver it again"),
    (rb"\x1f\x8b", "a gzip file", _AGAIN),
    (rb"Rar!\x1a\x07", "a RAR archive", _AGAIN),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _AGAIN),
    (rb"BZh[1-9]", "a bzip2 file", _AGAIN),
    (rb"\xfd7zXZ\0", "an xz file", _AGAIN),
    (rb"\x28\xb5\x2f\xfd", "a zstd file", _AGAIN),
    (rb"(?s).{257}ustar", "a tar archive", _AGAIN),
    (rb"(?i)(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head)", "a web page (HTML)", "have it downloaded again"),
    (rb"PK\x07\x08", "the first part of a split archive", "deliver all of it in one file"),
    (rb"%PDF-", "a PDF file", _AGAIN),
    (rb"(\xef\xbb\xbf)?[\t\n\r\x20-\x7e]{4,}\Z", "a text", "deliver the zip itself"),
)
#: So many bytes tell.
ENOUGH = 512


def other_kind(beginning: bytes) -> tuple[str, str] | None:
    """Return what a file that begins so is instead of a zip, and what its sender can do; None where that is unclear."""
    for pattern, what, cure in _KINDS:
        if re.match(pattern, beginning):
            return what, cure
    return None
