"""`jobrunner retry`: failed jobs are queued again."""

from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.cli.words import packages
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner retry scan-0017 scan-0018", "jobrunner retry --all")


def command(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Failed packages.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that failed by themselves; what was cancelled needs its name.")
    ] = False,
) -> None:
    """Queue failed packages again, with all their attempts before them."""
    from jobrunner.wiring.home import load_settings, open_home

    if bool(names) == everything:
        raise ConfigurationError("name the failed packages, or say --all")
    with open_home(load_settings(context.obj), emit_of_command()) as home:
        if everything:
            count = home.retrying.retry_all()
        else:
            jobs = {job.id: job for job in map(home.report.find, names or [])}
            home.retrying.retry(list(jobs.values()))
            count = len(jobs)
    say(f"{packages(count)} queued again." if count else "Nothing to retry.")
