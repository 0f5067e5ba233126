"""Durations, sizes, names and the like as people write them in settings.

Each parser takes what TOML or the environment holds and returns the value, or raises ValueError with what it wants.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_LENGTH = rf"({_NUMBER})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])\s*"
_A_DURATION = 'a duration such as "10s", "1h30m" or "10 minutes"'
_SMALLEST_LOG = 2**16
#: With less address space, or fewer open files, no program starts.
_SMALLEST_MEMORY = 2**22
_FEWEST_FILES = 8
#: So many workers of one supervisor there can be.
MOST_WORKERS = 1000
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def duration(value: object) -> float:
    """Return the seconds of a duration such as "10s", "1h30m" or "10 minutes"; a bare number is seconds."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(_A_DURATION)
    return seconds


def timeout(value: object) -> float:
    """Return the seconds of a duration that is not zero; infinity for "none"."""
    seconds = math.inf if value == "none" else _seconds(value)
    if not seconds:
        raise ValueError(f'{_A_DURATION}, or "none"')
    return seconds


def age(value: object) -> float:
    """Return the seconds of a duration with its unit: what is older than a bare number would be gone by mistake."""
    seconds = None if _is_bare(value) else _seconds(value)
    if seconds is None:
        raise ValueError('a duration with its unit, such as "30d" or "12h"')
    return seconds


def age_if_any(value: object) -> float:
    """Return the seconds of a duration with its unit; infinity for "none"."""
    try:
        return math.inf if value == "none" else age(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "none"') from None


def _is_bare(value: object) -> bool:
    return isinstance(value, int | float) or (
        isinstance(value, str) and re.fullmatch(_NUMBER, value.strip()) is not None
    )


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    if re.fullmatch(_NUMBER, text) and math.isfinite(float(text)):
        return float(text)
    if not re.fullmatch(f"(?:{_LENGTH})+", text):
        return None
    return sum(float(number) * _SECONDS[unit[0]] for number, unit in re.findall(_LENGTH, text))


def size(value: object) -> int:
    """Return the bytes of a size such as "10 GiB"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]iB|B)", value) if isinstance(value, str) else None
    if not match:
        raise ValueError('a size such as "500 MiB" or "10 GiB"')
    return int(float(match[1]) * _BYTES[match[2]])


def log_size(value: object) -> int:
    """Return the bytes of a size that is at least 64 KiB."""
    count = size(value)
    if count < _SMALLEST_LOG:
        raise ValueError('a size from "64 KiB" on')
    return count


def memory(value: object) -> int:
    """Return the bytes of a size in which a program can start."""
    count = size(value)
    if count < _SMALLEST_MEMORY:
        raise ValueError('a size from "4 MiB" on: no program starts with less')
    return count


def in_bytes(count: int) -> str:
    """Return a number of bytes as a size such as "10 GiB": in the unit in which it is a short one, else rounded."""
    for unit, size_ in reversed(_BYTES.items()):
        is_short = count < 100_000 * size_ or unit == "TiB"
        if count >= size_ and is_short and count * 100 % size_ == 0:
            return f"{count / size_:.12g} {unit}"
    unit, size_ = next(((unit, size_) for unit, size_ in reversed(_BYTES.items()) if count >= size_), ("B", 1))
    return f"{count / size_:.4g} {unit}"


def positive(value: object) -> int:
    """Return a whole number from 1 on."""
    number = _whole(value)
    if number is None or number < 1:
        raise ValueError("a whole number from 1 on")
    return number


def workers(value: object) -> int:
    """Return a number of workers."""
    number = _whole(value)
    if number is None or not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"a whole number from 1 to {MOST_WORKERS:,}")
    return number


def open_files(value: object) -> int:
    """Return a number of open files with which a program can start."""
    number = _whole(value)
    if number is None or number < _FEWEST_FILES:
        raise ValueError(f"a whole number from {_FEWEST_FILES} on: no program starts with less")
    return number


def niceness(value: object) -> int:
    """Return a whole number from 0 to 19."""
    number = _whole(value)
    if number is None or number > 19:
        raise ValueError("a whole number from 0 to 19")
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mode(value: object) -> int:
    """Return the permissions of a folder, written in octal: all for its owner, and no writing for everybody."""
    if not isinstance(value, str) or not re.fullmatch(r"0?7[0-7][0145]", value):
        raise ValueError('a mode such as "0755", "0750" or "0775": all for its owner, no writing for everybody')
    return int(value, 8)


def flag(value: object) -> bool:
    """Return a boolean, or the boolean that a text from the environment says."""
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty" if value == "" else "a text in quotes")
    return value


def names(value: object) -> tuple[str, ...]:
    """Return names: a list of them, or one text that separates them by commas or spaces."""
    if isinstance(value, str):
        value = value.replace(",", " ").split() or None
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise ValueError('a list of names such as ["lab"]')
    return tuple(value)


def path(value: object) -> Path:
    """Return a path as it is written; the caller makes it absolute, below the home."""
    try:
        return Path(text(value)).expanduser()
    except RuntimeError:
        raise ValueError("a path; there is no such user after its ~") from None


def patterns(value: object) -> tuple[str, ...]:
    """Return ends or patterns of file names: a list of them, or one text that separates them by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(
        isinstance(part, str) and part.strip("*") and "/" not in part for part in value
    ):
        raise ValueError(
            'a name without a slash, or a list of them, such as "-downloading" or ["-downloading", "*.part"]'
        )
    return tuple(value)


def pattern(value: object) -> str:
    """Return the name of a file, or a pattern of it."""
    if "/" in text(value):
        raise ValueError('the name of a file in the package, such as "CopyComplete.txt" or "final_summary_*.txt"')
    return text(value)


def complete_when(value: object) -> str:
    """Return what makes a package complete."""
    return _one_of(value, "suffix", "still", "marker")


def zip_name(value: object) -> str:
    """Return how a package's zip is called."""
    return _one_of(value, "same", "only")


#: How lines of the log can be written.
LOG_FORMATS = ("text", "json")


def log_format(value: object) -> str:
    """Return how lines are written."""
    return _one_of(value, *LOG_FORMATS)


def _one_of(value: object, *known: str) -> str:
    if value not in known:
        raise ValueError(f"a word of these: {', '.join(known)}")
    return str(value)


def codec(value: object) -> str:
    """Return "auto" or the name of a codec that Python knows."""
    name = text(value)
    try:
        if name != "auto":
            "a".encode(name)
    except LookupError:
        raise ValueError('"auto" or a codec such as "gbk", "cp932" or "cp437"') from None
    return name


def database_url(value: object) -> str:
    """Return the URL of an SQLite database: three slashes before a path relative to the home, four before another."""
    if not re.fullmatch(r"sqlite:///[^?#]+", value if isinstance(value, str) else ""):
        raise ValueError('a URL such as "sqlite:///jobrunner.db"')
    return str(value)


Parser = Callable[[object], object]
