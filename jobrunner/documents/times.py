"""Times as programs read them."""

from datetime import UTC, datetime


def utc(seconds: float | None) -> str | None:
    """Return a time, in seconds since 1970, as ISO 8601 in UTC; None for none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
