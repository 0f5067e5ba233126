"""How one setting is declared."""

from dataclasses import field
from typing import Any

from jobrunner.domain.values import Parser


def key(parse: Parser, default: Any, meaning: str, *, example: str = "") -> Any:
    """Declare a key. `default` is as a user would write it; a key without one gets an `example` in a new file."""
    value = None if default is None else parse(default)
    metadata = {"parse": parse, "written": default, "meaning": meaning, "example": example}
    return field(default=value, metadata=metadata)
