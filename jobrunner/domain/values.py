"""Durations, sizes and command lines as people write them in settings.

Each parser takes what TOML or the environment holds and returns the value, or raises ValueError with what it wants.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SMALLEST_LOG = 2**16
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def duration(value: object) -> float:
    """Return the seconds of a duration such as "10s", "5m", "2h" or "30d"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value) if isinstance(value, str) else None
    if not match:
        raise ValueError('a duration such as "10s", "5m", "2h" or "30d"')
    return float(match[1]) * _SECONDS[match[2]]


def timeout(value: object) -> float:
    """Return the seconds of a duration that is not zero."""
    seconds = duration(value)
    if seconds == 0:
        raise ValueError('a duration from "1s" on')
    return seconds


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


def in_bytes(count: int) -> str:
    """Return a number of bytes as a size such as "10 GiB"."""
    unit, size_ = next(((unit, size_) for unit, size_ in reversed(_BYTES.items()) if count >= size_), ("B", 1))
    return f"{count / size_:.4g} {unit}"


def positive(value: object) -> int:
    """Return a whole number from 1 on."""
    number = _whole(value)
    if number is None or number < 1:
        raise ValueError("a whole number from 1 on")
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


def environment(value: object) -> tuple[tuple[str, str | None], ...]:
    """Return variables with their texts, None for one that is taken away, from a table or a JSON object."""
    try:
        table: Any = json.loads(value) if isinstance(value, str) else value
        return tuple((_variable(name), _content(name, content)) for name, content in table.items())
    except (json.JSONDecodeError, AttributeError):
        raise ValueError('a table such as { OMP_NUM_THREADS = "1" }, and a JSON object in a variable') from None


def _variable(name: str) -> str:
    if not name or re.search("[=\0]", name):
        raise ValueError(f"a table of names to texts: {name!r} is no name of a variable")
    if name.startswith("JOBRUNNER_"):
        raise ValueError(f"without {name}: the names that begin with JOBRUNNER_ are jobrunner's own")
    return name


def _content(name: str, content: object) -> str | None:
    if content is False:
        return None
    if not isinstance(content, str) or "\0" in content:
        raise ValueError(f"a table of names to texts in quotes, or false: {name} is neither")
    return content


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text in quotes")
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
    if not isinstance(value, list) or not all(isinstance(part, str) and part and "/" not in part for part in value):
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


def command(value: object) -> tuple[str, ...]:
    """Return the words of a command: a list of them, or one text that is split as a shell does."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError:
            raise ValueError("a command whose quotes are closed") from None
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise ValueError('a list of words such as ["python", "analyze.py"]')
    return tuple(value)


def function(value: object) -> str:
    """Return a callable's name as "module:function"."""
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", value if isinstance(value, str) else ""):
        raise ValueError('a module and a function in it, such as "analysis:process"')
    return str(value)


def database_url(value: object) -> str:
    """Return the URL of an SQLite database: three slashes before a path relative to the home, four before another."""
    if not re.fullmatch(r"sqlite:///[^?#]+", value if isinstance(value, str) else ""):
        raise ValueError('a URL such as "sqlite:///jobrunner.db"')
    return str(value)


Parser = Callable[[object], object]
