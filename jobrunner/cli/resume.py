"""`jobrunner resume`: the end of a pause."""

import time

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.words import phrases

EXAMPLES = ("jobrunner resume",)


def command(context: typer.Context) -> None:
    """Go on after a pause: workers claim again."""
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import pausing

    with open_home(load_settings(context.obj), emit_of_command()) as home:
        ended = pausing(home).resume()
    say(f"Resumed: it was paused {phrases.pause(ended, time.time())}." if ended else "It is not paused.")
