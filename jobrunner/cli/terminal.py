"""The listener that people read: one line an event, on stderr; with its date where that is no terminal."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from jobrunner.cli import words
from jobrunner.cli.output import Styled, say, styled
from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.events import Mended, Trouble
from jobrunner.domain.role import Role


def show(envelope: Envelope) -> None:
    """Print an event."""
    label, tint, text = words.of_event(envelope.event)
    with suppress(OSError):  # nobody reads it any more, or its disk is full: no reason to stop working
        say(_clock(int(envelope.emitted_at), os.isatty(2)), "  ", _label(label, tint), "  ", text, stream=2)


@lru_cache(maxsize=1)
def _clock(second: int, is_watched: bool) -> Styled:
    form = "%H:%M:%S" if is_watched else "%Y-%m-%d %H:%M:%S"
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
