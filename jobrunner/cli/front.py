"""`jobrunner front`: queued packages are claimed next."""

from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.filters import Filters
from jobrunner.domain.package import shown
from jobrunner.words.phrases import packages

EXAMPLES = ("jobrunner front scan-0017", "jobrunner front scan-0017 scan-0018")


def command(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Queued or waiting packages.")],
) -> None:
    """Put queued packages in front: they are claimed next.

    Of several, the first that is named comes first. One that waits for another try is due at once.
    """
    from jobrunner.cli.choosing import Chosen
    from jobrunner.domain.change import Action
    from jobrunner.domain.steering import STEERING
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import fronting

    with open_home(load_settings(context.obj), emit_of_command()) as home:
        chosen = Chosen(home, STEERING[Action.FRONT], names, Filters())
        jobs = [listed.job for listed in chosen]
        moved = fronting(home).front(jobs)
    for job, is_moved in zip(jobs, moved, strict=True):
        if not is_moved:
            chosen.refuse(f"{shown(job.name)} is not queued any more")
    if count := sum(moved):
        say(f"{packages(count)} {'is' if count == 1 else 'are'} claimed next{', in this order' * (count > 1)}.")
    raise typer.Exit(int(chosen.refused > 0))
