"""`jobrunner retry`: failed jobs are queued again."""

from typing import Annotated

import typer

from jobrunner.cli import filters
from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.package import shown
from jobrunner.words.phrases import packages

EXAMPLES = (
    "jobrunner retry scan-0017 scan-0018",
    "jobrunner retry --all",
    "jobrunner retry --error '*sensor 7*' --since yesterday --dry-run",
)


def command(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Failed packages.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that failed by themselves, not what was cancelled.")
    ] = False,
    state: filters.States = None,
    name: filters.Name = None,
    error: filters.Error = None,
    since: filters.Since = None,
    until: filters.Until = None,
    attempts: filters.Attempts = None,
    sort: filters.Order = "time",
    limit: filters.Limit = None,
    dry_run: filters.DryRun = False,
    revision: filters.Revision = None,
) -> None:
    """Queue failed packages again; their attempts count from the start.

    Name them, or choose them by filters: then what was cancelled needs --state cancelled.
    """
    from jobrunner.cli.choosing import Chosen, check_one_way
    from jobrunner.domain.change import Action
    from jobrunner.domain.steering import STEERING
    from jobrunner.wiring.home import load_settings, open_home

    fitting = filters.filters_of(state, name, error, since, until, attempts, sort, limit)
    ways = "name the failed packages, or choose them by filters (jobrunner retry --help has them), or say --all"
    check_one_way(ways, names, fitting, everything=everything)
    with open_home(load_settings(context.obj), emit_of_command(), to_read=dry_run) as home:
        chosen = Chosen(home, STEERING[Action.RETRY], names or (), fitting, revision)
        if dry_run:
            chosen.show("would be queued again")
            raise typer.Exit(int(chosen.refused > 0))
        count = 0
        for job, is_queued in home.retrying.retry(listed.job for listed in chosen):
            count += is_queued
            if not is_queued:
                chosen.refuse(f"{shown(job.name)} is not failed any more")
    if count or not chosen.refused:
        say(f"{packages(count)} queued again." if count else "Nothing to retry.")
    raise typer.Exit(int(chosen.refused > 0))
