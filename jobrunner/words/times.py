"""Times as people read them, in their time zone."""

from datetime import datetime


def short(seconds: float, now: float) -> str:
    """Return a time in that time zone: of today without its day, of other days without its seconds."""
    text = local(seconds)
    day, _, clock = text.partition(" ")
    return clock if day == local(now).partition(" ")[0] else text[:16]


def local(seconds: float | None) -> str:
    """Return a time in the time zone of whoever reads it."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
