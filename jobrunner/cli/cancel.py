"""`jobrunner cancel`: queued or running jobs are stopped for good."""

import os
from typing import Annotated

import typer

from jobrunner.cli import terminal
from jobrunner.cli.output import complain, say
from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.events import RightsSet, Trouble
from jobrunner.domain.job import State
from jobrunner.domain.package import shown
from jobrunner.domain.role import Role

EXAMPLES = ("jobrunner cancel scan-0017 scan-0018",)


def command(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Queued or running packages.")],
) -> None:
    """Stop queued or running packages: they become failed, "cancelled". Retry brings them back."""
    from jobrunner.wiring.cancelling import cancelling
    from jobrunner.wiring.home import load_settings, open_home

    def show(envelope: Envelope) -> None:
        if isinstance(envelope.event, Trouble | RightsSet):  # what becomes of the packages is said below
            terminal.show(envelope)

    with open_home(load_settings(context.obj), Emit(Role.COMMAND, show)) as home:
        jobs = {job.id: job for job in map(home.report.find, names)}
        refused = 0
        # those that run last: a worker that is free again would take one of the others
        for job in sorted(jobs.values(), key=lambda job: job.state is State.RUNNING):
            try:
                failed_name = cancelling(home).cancel(job).failed_name
            except JobrunnerError as error:
                refused += 1
                complain(str(error))
                continue
            place = os.path.join(home.settings.folders.failed, failed_name) if failed_name else None
            say(f"{shown(job.name)} is cancelled" + (f": it lies in {shown(place)}" if place else "."))
        raise typer.Exit(int(refused > 0))
