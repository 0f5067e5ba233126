"""`jobrunner scan`: records new packages."""

import gc
from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command, tell

EXAMPLES = ("jobrunner scan --watch",)


def command(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on scanning as packages come, until stopped.")] = False,
) -> None:
    """Queue the packages that are new in the inbox."""
    from jobrunner.wiring.home import block_signals, load_settings, open_home

    if watch:
        block_signals()
        gc.enable()
    emit = emit_of_command()
    with open_home(load_settings(context.obj), emit) as home:
        if watch:
            from jobrunner.wiring import reloading

            raise typer.Exit(128 + reloading.watch(home, tell(emit)))
        found = home.intake.scan()
        if not found.new and not found.replaced:
            say("Nothing new in the inbox.")
