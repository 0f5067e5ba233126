"""`jobrunner status`: how things stand."""

import gc
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.output import Screen, can_be_redrawn, say
from jobrunner.cli.sections import Room, on_a_screen
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner status", "jobrunner status --watch", "jobrunner status --json")

#: Seconds between two looks; a look at very much that takes long itself is not followed by another one at once.
_INTERVAL = 1.0
_REST = 4


def command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again each second, until Ctrl-C.")] = False,
) -> None:
    """Show how things stand: who works, what runs, what failed and why."""
    if watch and as_json:
        raise ConfigurationError("--watch shows a terminal, --json is for programs: ask for one of them")
    if watch:
        raise typer.Exit(128 + _watch(context.obj))
    show_status(context.obj, as_json=as_json)


def show_status(path: Path, *, as_json: bool) -> None:
    """Print the status of the home at `path`."""
    from jobrunner.wiring.home import load_settings, open_home

    with open_home(load_settings(path), emit_of_command(), to_read=True) as home:
        status = home.report.status()
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.status import status_document

        print_json(status_document(status))
        return
    from jobrunner.cli.overview import overview

    for line in overview(status, _room()):
        say(*line)


def _watch(path: Path) -> signal.Signals:
    """Show the status of the home at `path` again and again; return the signal that ends it."""
    from jobrunner.cli.overview import overview
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.watching import Looks

    if not can_be_redrawn():
        raise ConfigurationError("--watch wants a terminal that can be drawn again: leave it out, or ask for --json")
    looks = Looks()
    gc.enable()
    with open_home(load_settings(path), emit_of_command(), to_read=True) as home, Screen() as screen:
        while True:
            began = time.monotonic()
            home.store.database.refresh()
            room = _room()
            screen.draw(on_a_screen(overview(home.report.status(), room), room))
            caught = looks.wait(max(_INTERVAL, _REST * (time.monotonic() - began)))
            if caught == signal.SIGTSTP:
                screen.leave()
                os.kill(os.getpid(), signal.SIGSTOP)
                screen.enter()
            elif caught:
                return caught


def _room() -> Room:
    """Return what the terminal has room for, but for the line of the next prompt."""
    if not os.isatty(1):
        return Room()
    size = shutil.get_terminal_size()
    return Room(size.columns, size.lines - 1)
