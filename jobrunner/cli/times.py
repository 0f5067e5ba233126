"""Times, for people here."""

from datetime import datetime


def local(seconds: float | None) -> str:
    """Return a time as a person here reads it."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
