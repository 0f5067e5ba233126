"""Replaces a file at once: whoever reads it finds the old text or the new one, whole."""

import os
import tempfile
from contextlib import suppress


def replace(path: str, text: str, mode: int) -> None:
    """Write a text file in place of what is at a path, which may be nothing. Raises OSError.

    It is not flushed: after a power cut it may be empty. What is written aside begins with a dot and ends in `.part`.
    """
    descriptor, aside = tempfile.mkstemp(".part", f".{os.path.basename(path)}.", os.path.dirname(path) or ".")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, mode)
        os.rename(aside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise
