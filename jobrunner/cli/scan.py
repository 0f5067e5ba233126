"""`jobrunner scan`: records new packages."""

import gc
from typing import Annotated

import typer

from jobrunner.cli.log_options import Asked, LogFile, LogFormat
from jobrunner.cli.output import say
from jobrunner.cli.terminal import tell

EXAMPLES = ("jobrunner scan --watch",)


def command(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on scanning as packages come, until stopped.")] = False,
    log_format: LogFormat = None,
    log_file: LogFile = None,
) -> None:
    """Queue the packages that are new in the inbox."""
    from jobrunner.cli.log import open_log
    from jobrunner.domain.envelope import Emit
    from jobrunner.domain.role import Role
    from jobrunner.wiring.home import block_signals, load_settings, open_home

    if watch:
        block_signals()
        gc.enable()
    settings = load_settings(context.obj)
    log = open_log(settings, Asked(log_format, log_file))
    emit = Emit(Role.COMMAND, log.show)
    with open_home(settings, emit) as home:
        if watch:
            from jobrunner.wiring import reloading

            code = 128 + reloading.watch(home, tell(emit))
        else:
            code, found = 0, home.intake.scan(only_once=True)
            if not found.new and not found.replaced:
                say("Nothing new in the inbox.")
    log.end(is_stopped=watch)
    raise typer.Exit(code)
