"""`jobrunner health`: is anybody working here?"""

import typer

from jobrunner.cli.output import complain, say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import StoreError
from jobrunner.domain.exits import FAILED

EXAMPLES = ("jobrunner health",)


def command(context: typer.Context) -> None:
    """Say whether packages are worked on here.

    Exit status 0, or 1 and the reason in one line. They are not where nothing runs, where workers wait for a trouble
    to be mended, or where a process is stopped.
    """
    from jobrunner.wiring.health import health
    from jobrunner.wiring.home import load_settings, open_home

    settings = load_settings(context.obj)
    illness: str | None = "nobody works here: jobrunner has not run yet"
    if settings.database_path.exists():  # another one would be made
        try:
            with open_home(settings, emit_of_command(), to_read=True) as home:
                illness = health(home).illness()
        except StoreError as error:
            illness = str(error)
    if illness:
        complain(illness)
        raise typer.Exit(FAILED)
    say("Packages are worked on.")
