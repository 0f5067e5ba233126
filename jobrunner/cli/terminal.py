"""Events in lines for people, with a date where they are read later; and the listener that prints them on stderr."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from jobrunner.cli.output import Line, Styled, is_journal, priority, say, styled
from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.events import Mended, Trouble
from jobrunner.domain.role import Role
from jobrunner.words.events import of_event

_TIME = "%H:%M:%S"
_DATE = f"%Y-%m-%d {_TIME}"


def show(envelope: Envelope) -> None:
    """Print an event."""
    with suppress(OSError):  # its reader has gone, or its disk is full: no reason to stop working
        say(*on_stderr(envelope), stream=2)


def on_stderr(envelope: Envelope) -> Line:
    """Return the line of an event as stderr takes it."""
    if is_journal():
        return [priority(envelope.level), *_undated(envelope)]
    return _dated(envelope, _TIME if os.isatty(2) else _DATE)


def in_file(envelope: Envelope) -> Line:
    """Return the line of an event as a file has it."""
    return _dated(envelope, _DATE)


def _dated(envelope: Envelope, form: str) -> Line:
    return [_clock(int(envelope.emitted_at), form), "  ", *_undated(envelope)]


def _undated(envelope: Envelope) -> Line:
    label, tint, text = of_event(envelope.event)
    return [_label(label, tint), "  ", text]


@lru_cache(maxsize=1)
def _clock(second: int, form: str) -> Styled:
    return styled(time.strftime(form, time.localtime(second)), dim=True)


@lru_cache
def _label(label: str, tint: str) -> Styled:
    return styled(f"{label:<9}", fg=tint, bold=True)


def emit_of_command() -> Emit:
    """Return what a command tells events by."""
    return Emit(Role.COMMAND, show)


def tell(emit: Emit) -> Callable[[str | None], None]:
    """Return what turns what is wrong, or None once nothing is any more, into events."""
    return lambda trouble: emit(Trouble(trouble) if trouble else Mended())
