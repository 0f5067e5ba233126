"""What is printed: each line goes out here, escaped, so that nothing in it steers a terminal or forges another."""

import os
import sys
from contextlib import suppress
from typing import Any, NamedTuple

import typer

from jobrunner.domain.package import printable


class Styled(NamedTuple):
    """A part of a line with a colour, or in bold or dim, on a terminal that shows it."""

    text: str
    style: dict[str, Any]


def styled(text: str, **style: Any) -> Styled:
    """Return a part of a line with a style of `typer.style`."""
    return Styled(text, style)


def say(*parts: str | Styled, stream: int = 1) -> None:
    """Print one line on stdout (1) or stderr (2), in one write: several processes may share a terminal."""
    if colourful(stream):
        line = "".join(map(_coloured, parts))
    else:
        line = printable("".join([part if isinstance(part, str) else part.text for part in parts]))
    file = sys.stdout if stream == 1 else sys.stderr
    file.write(f"{line}\n")


def complain(message: str) -> None:
    """Print one line on stderr that says what is wrong."""
    say(f"jobrunner: {message}", stream=2)


def colourful(stream: int) -> bool:
    """Say whether a stream (1 or 2) is a terminal on which colour is welcome."""
    return os.isatty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}


def _coloured(part: str | Styled) -> str:
    return printable(part) if isinstance(part, str) else typer.style(printable(part.text), **part.style)


def show_report(text: str) -> None:
    """Print the report of a bug on stderr, where it cannot be written to a file."""
    with suppress(OSError):
        sys.stderr.write(printable(text, keep="\n"))
