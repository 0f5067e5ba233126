"""Times as people read them, in their time zone."""

from datetime import datetime


def local(seconds: float | None) -> str:
    """Return a time in the time zone of whoever reads it."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
