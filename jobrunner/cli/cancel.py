"""`jobrunner cancel`: queued or running jobs are stopped for good."""

import os
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from jobrunner.cli import filters, terminal
from jobrunner.cli.output import say
from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.events import RightsSet, Trouble
from jobrunner.domain.filters import ListedJob, Standing
from jobrunner.domain.job import Job
from jobrunner.domain.package import shown
from jobrunner.domain.role import Role

EXAMPLES = ("jobrunner cancel scan-0017 scan-0018", "jobrunner cancel --state queued --name 'test-*' --dry-run")


def command(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Queued or running packages.")] = None,
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
    """Stop queued or running packages: they become failed, "cancelled". Retry brings them back.

    Name them, or choose them by filters.
    """
    from jobrunner.cli.choosing import Chosen, check_one_way
    from jobrunner.domain.change import Action
    from jobrunner.domain.steering import STEERING
    from jobrunner.wiring.cancelling import cancelling
    from jobrunner.wiring.home import load_settings, open_home

    def show(envelope: Envelope) -> None:
        if isinstance(envelope.event, Trouble | RightsSet):  # what becomes of the packages is said below
            terminal.show(envelope)

    fitting = filters.filters_of(state, name, error, since, until, attempts, sort, limit)
    ways = "name the packages, or choose them by filters (jobrunner cancel --help has them)"
    check_one_way(ways, names, fitting)
    with open_home(load_settings(context.obj), Emit(Role.COMMAND, show), to_read=dry_run) as home:
        chosen = Chosen(home, STEERING[Action.CANCEL], names or (), fitting, revision)
        if dry_run:
            chosen.show("would be cancelled")
            raise typer.Exit(int(chosen.refused > 0))
        for job in _running_last(chosen):
            try:
                failed_name = cancelling(home).cancel(job).failed_name
            except JobrunnerError as error_of_job:
                chosen.refuse(str(error_of_job))
                continue
            place = os.path.join(home.settings.folders.failed, failed_name) if failed_name else None
            say(f"{shown(job.name)} is cancelled" + (f": it lies in {shown(place)}" if place else "."))
        if not chosen.taken and not chosen.refused:
            say("Nothing to cancel.")
        raise typer.Exit(int(chosen.refused > 0))


def _running_last(jobs: Iterable[ListedJob]) -> Iterator[Job]:
    """Yield those that run at the end: a worker that is free again would take one of the others."""
    running = []
    for listed in jobs:
        if listed.standing is Standing.RUNNING:
            running.append(listed.job)
        else:
            yield listed.job
    yield from running
