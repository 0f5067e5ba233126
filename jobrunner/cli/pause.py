"""`jobrunner pause`: nothing is claimed until the home is resumed."""

import time
from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.filters import to_come
from jobrunner.domain.package import printable
from jobrunner.words.phrases import counted
from jobrunner.words.times import short

EXAMPLES = ("jobrunner pause", "jobrunner pause --until 06:00 --reason 'the disk is being changed'")

_LONGEST_REASON = 200  # characters


def command(
    context: typer.Context,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for whoever looks.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Go on by itself in 2h, at 06:00, tomorrow 06:00, 2026-12-01.")
    ] = None,
) -> None:
    """Let workers finish what they do, and claim nothing more.

    It lasts until jobrunner resume, or until the given time, through every restart. The inbox is scanned as usual.
    """
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import pausing

    now = time.time()
    end = None if until is None else to_come("--until", until, now)
    words = printable(reason.strip()) if reason else None
    if words and len(words) > _LONGEST_REASON:
        raise ConfigurationError(f"--reason has {len(words):,} characters, but can have {_LONGEST_REASON}: shorten it")
    with open_home(load_settings(context.obj), emit_of_command()) as home:
        pause = pausing(home).pause(end, words or None)
        running = home.store.jobs.counts(home.store.now())["running"]
    end_of_it = f"{short(pause.until, now)}, or until " if pause.until else ""
    say(f"Paused until {end_of_it}jobrunner resume: nothing is claimed.")
    if running:
        say(f"{counted(running, 'package')} that {'runs ends' if running == 1 else 'run end'} as usual.")
