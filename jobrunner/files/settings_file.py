"""The settings file as it lies on the disk: its text, and by what a later look sees that it has changed."""

import os
from typing import NamedTuple


class SettingsText(NamedTuple):
    """What the file held when it had this state; both None where there is none."""

    text: str | None
    state: str | None


def read(path: str) -> SettingsText:
    """Return the file as it is now. Raises OSError, UnicodeDecodeError."""
    try:
        with open(path, "rb") as file:
            state = _in_words(os.fstat(file.fileno()))  # before it is read: what comes later is another state
            return SettingsText(file.read().decode("utf-8").removeprefix("\ufeff"), state)
    except FileNotFoundError:
        return SettingsText(None, None)


def state(path: str) -> str | None:
    """Return by what a change of the file shows, None where there is none. Raises OSError."""
    try:
        return _in_words(os.stat(path))
    except FileNotFoundError:
        return None


def _in_words(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
