"""What is printed: each line goes out here, escaped, so that nothing in it steers a terminal or forges another."""

import os
import shutil
import sys
import textwrap
from contextlib import suppress
from typing import Any, NamedTuple

import typer

from jobrunner.domain.package import printable, shown


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


def wrapped(text: str, indent: int) -> list[str]:
    """Return a text in lines that fit a terminal behind so many columns; into a pipe it goes in one."""
    if not os.isatty(1):
        return [text]
    width = max(shutil.get_terminal_size().columns - indent, 20)
    return textwrap.wrap(printable(text), width, break_on_hyphens=False)


def brief(reason: str, most: int = 90) -> str:
    """Return as much of a reason as there is room for among many on a terminal; into a pipe goes all of it."""
    return reason if len(reason) <= most or not os.isatty(1) else f"{reason[: most - 1]}…"


def complain(message: str) -> None:
    """Print one line on stderr that says what is wrong."""
    say(f"jobrunner: {message}", stream=2)


def say_name(name: str, *, raw: bool) -> None:
    """Print a package's name on a line, as it is shown; if `raw`, as it is with a NUL behind it, but to no terminal."""
    if not raw:
        sys.stdout.write(f"{shown(name)}\n")
    elif os.isatty(1):
        sys.stdout.write(f"{shown(name)}\0")
    else:
        sys.stdout.buffer.write(os.fsencode(name) + b"\0")


def colourful(stream: int) -> bool:
    """Say whether a stream (1 or 2) is a terminal on which colour is welcome."""
    return os.isatty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}


def _coloured(part: str | Styled) -> str:
    return printable(part) if isinstance(part, str) else typer.style(printable(part.text), **part.style)


def show_report(text: str) -> None:
    """Print the report of a bug on stderr, where it cannot be written to a file."""
    with suppress(OSError):
        sys.stderr.write(printable(text, keep="\n"))
