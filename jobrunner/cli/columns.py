"""How many columns of a terminal a text takes, and what of it fits."""

from unicodedata import combining, east_asian_width


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits."""
    if width_of(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width_of(kept) + width_of(char) >= columns:
            break
        kept += char
    return f"{kept.rstrip()}…"


def padded(text: str, columns: int) -> str:
    """Return a text with spaces behind it, up to so many columns."""
    return text + " " * (columns - width_of(text))
