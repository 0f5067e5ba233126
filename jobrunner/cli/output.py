"""What is printed: each line goes out here, escaped, so that nothing in it steers a terminal or forges another."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import typer

from jobrunner.domain.envelope import Level
from jobrunner.domain.package import printable, shown

#: What terminals are called that only print.
_PLAIN = {"dumb", "unknown"}


class Styled(NamedTuple):
    """A part of a line with a colour, or in bold or dim, on a terminal that shows it."""

    text: str
    style: dict[str, Any]


def styled(text: str, **style: Any) -> Styled:
    """Return a part of a line with a style of `typer.style`."""
    return Styled(text, style)


#: The parts of a line, in their order.
Line = Sequence[str | Styled]


def say(*parts: str | Styled, stream: int = 1) -> None:
    """Print one line on stdout (1) or stderr (2), in one write: several processes may share a terminal."""
    file = sys.stdout if stream == 1 else sys.stderr
    file.write(f"{text_of(parts, in_colour=colourful(stream))}\n")


def text_of(line: Line, *, in_colour: bool) -> str:
    """Return a line as it may be shown anywhere, with or without its colours."""
    if in_colour:
        return "".join(map(_coloured, line))
    return printable("".join([part if isinstance(part, str) else part.text for part in line]))


class Screen:
    """The terminal on stdout, for a page that is drawn again and again; what was on it comes back at the end."""

    def __enter__(self) -> "Screen":
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        """Take the terminal, without its cursor."""
        _write_at_once("\x1b[?1049h\x1b[?25l")

    def draw(self, lines: Iterable[Line]) -> None:
        """Show these lines in place of those before; they fit the terminal."""
        _write_at_once(
            "\x1b[H" + "".join(f"{text_of(line, in_colour=colourful(1))}\x1b[K\n" for line in lines) + "\x1b[J"
        )

    def leave(self) -> None:
        """Give the terminal back."""
        _write_at_once("\x1b[?25h\x1b[?1049l")


class Footer:
    """Lines at the foot of what scrolls on stderr. Whatever is printed there else comes after `erase`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        """`write` prints there; it raises nothing."""
        self._write = write
        self._height = 0

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines in place of those before; they fit the terminal."""
        self._replace("".join(f"{text_of(line, in_colour=colourful(2))}\n" for line in lines))
        self._height = len(lines)

    def erase(self) -> None:
        """Remove the lines."""
        if self._height:
            self._replace("")
            self._height = 0

    def _replace(self, text: str) -> None:
        self._write(f"\x1b[{self._height}F\x1b[J{text}" if self._height else text)


def _write_at_once(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


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
    say(complaint(message), stream=2)


def complaint(message: str) -> str:
    """Return the line that says what is wrong, as stderr takes it."""
    return f"{priority(Level.ERROR)}jobrunner: {message}"


def priority(level: Level) -> str:
    """Return what stands before a line on stderr: in the journal its priority (sd-daemon(3)), elsewhere nothing."""
    return f"<{level.value}>" if is_journal() else ""


@cache
def is_journal() -> bool:
    """Say whether stderr is the journal of systemd, which has a date for each line itself."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def say_name(name: str, *, raw: bool) -> None:
    """Print a package's name on a line, as it is shown; if `raw`, as it is with a NUL behind it, but to no terminal."""
    if not raw:
        sys.stdout.write(f"{shown(name)}\n")
    elif os.isatty(1):
        sys.stdout.write(f"{shown(name)}\0")
    else:
        sys.stdout.buffer.write(os.fsencode(name) + b"\0")


def can_be_redrawn(stream: int = 1) -> bool:
    """Say whether a stream (1 or 2) is a terminal on which one thing can be drawn over another."""
    return os.isatty(stream) and os.environ.get("TERM") not in _PLAIN


def colourful(stream: int) -> bool:
    """Say whether a stream (1 or 2) is a terminal on which colour is welcome."""
    return os.isatty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in _PLAIN


def _coloured(part: str | Styled) -> str:
    return printable(part) if isinstance(part, str) else typer.style(printable(part.text), **part.style)


def show_report(text: str) -> None:
    """Print the report of a bug on stderr, where it cannot be written to a file."""
    with suppress(OSError):
        sys.stderr.write(printable(text, keep="\n"))
