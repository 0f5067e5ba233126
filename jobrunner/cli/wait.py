"""`jobrunner wait`: until packages are done or have failed."""

import gc
import math
import os
import signal
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from jobrunner.cli.output import complain
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain import values
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.exits import FAILED, TIMED_OUT
from jobrunner.domain.filters import EVERY_STANDING, Filters, ListedJob
from jobrunner.domain.job import Job, Outcome
from jobrunner.domain.package import shown
from jobrunner.words import phrases

EXAMPLES = ("jobrunner wait scan-0017 scan-0018", "jobrunner wait --all --timeout 2h")

#: Seconds between two looks; a look that takes long itself is not followed by another one at once.
_INTERVAL = 0.5
_REST = 4
#: Packages that are named of those that have failed, and of those that are open when the time is over.
_MOST_FAILED = 20
_MOST_OPEN = 5


def command(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Known packages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Until nothing is queued, waiting or running.")] = False,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="At most so long, such as 10m.")] = None,
) -> None:
    """Wait until packages are done or have failed.

    It ends with 0 where all are done, with 1 where some have failed, and with 124 when the time is over.
    """
    from jobrunner.cli.choosing import Chosen
    from jobrunner.domain.steering import Steering
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import awaiting
    from jobrunner.wiring.watching import Looks

    if bool(names) == everything:
        raise ConfigurationError("name the packages that are waited for, or say --all")
    end = time.monotonic() + _seconds(timeout)
    looks, told = Looks(), False
    gc.enable()
    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        ids, failed = None, 0
        if names:
            chosen = Chosen(home, Steering(EVERY_STANDING, EVERY_STANDING, ""), names, Filters())
            ids, failed = [each.job.id for each in chosen], chosen.refused
        awaited = awaiting(home, ids)
        while True:
            began = time.monotonic()
            home.store.database.hold_to_file()
            home.store.database.refresh()
            look = awaited.look()
            failed += _tell(look.failed)
            if not look.open:
                raise typer.Exit(FAILED if failed else 0)
            if look.pause and look.is_held:
                complain(phrases.held(look.pause, look.open, time.time()))
                raise typer.Exit(FAILED)
            if look.pause and look.pause.until and not told:
                told = True
                complain(f"paused {phrases.pause(look.pause, time.time())}; the wait goes on")
            if began >= end:
                complain(f"the time is over: {_open(look.open, awaited.first(_MOST_OPEN))}")
                raise typer.Exit(TIMED_OUT)
            now = time.monotonic()
            caught = looks.wait(max(min(max(_INTERVAL, _REST * (now - began)), end - now), 0))
            if caught == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
            elif caught:
                raise typer.Exit(128 + caught)


def _seconds(timeout: str | None) -> float:
    try:
        return math.inf if timeout is None else values.duration(timeout)
    except ValueError as error:
        raise ConfigurationError(f"--timeout is {timeout!r}, but must be {error}") from None


def _tell(failed: Sequence[Job]) -> int:
    """Say which packages have failed, the first of very many, and return how many they are."""
    for job in failed[:_MOST_FAILED]:
        how = "was cancelled" if job.verdict is Outcome.CANCELLED else f"has failed: {job.error}"
        complain(f"{shown(job.name)} {how}")
    if (more := len(failed) - _MOST_FAILED) > 0:
        complain(f"{more:,} more have failed: jobrunner list --state failed")
    return len(failed)


def _open(count: int, first: Sequence[ListedJob]) -> str:
    """Return what has not ended: how many, and which the first are."""
    named = ", ".join(f"{shown(each.job.name)} is {each.standing}" for each in first)
    return named if count <= len(first) else f"{named}, and {count - len(first):,} more"
