"""`jobrunner rerun`: packages that are done are processed again."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from jobrunner.cli import filters
from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.filters import ListedJob
from jobrunner.domain.job import Job
from jobrunner.domain.package import shown
from jobrunner.words.phrases import packages

EXAMPLES = ("jobrunner rerun scan-0017", "jobrunner rerun --since 7d --dry-run", "jobrunner rerun --name 'scan-00*'")


def command(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Packages that are done.")] = None,
    state: filters.States = None,
    name: filters.Name = None,
    error: filters.Error = None,
    since: filters.Since = None,
    until: filters.Until = None,
    attempts: filters.Attempts = None,
    sort: filters.Order = "time",
    limit: filters.Limit = None,
    dry_run: filters.DryRun = False,
) -> None:
    """Process packages again that are done.

    What their senders delivered is taken from the archive, and the result lies there beside the old one, as NAME~2.
    Name them, or choose them by filters.
    """
    from jobrunner.cli.choosing import Chosen, check_one_way
    from jobrunner.domain.change import Action
    from jobrunner.domain.steering import STEERING
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import revising

    fitting = filters.filters_of(state, name, error, since, until, attempts, sort, limit)
    ways = "name the packages that are done, or choose them by filters (jobrunner rerun --help has them)"
    check_one_way(ways, names, fitting)
    with open_home(load_settings(context.obj), emit_of_command(), to_read=dry_run) as home:
        chosen = Chosen(home, STEERING[Action.RERUN], names or (), fitting)
        if dry_run:
            chosen.show("would be queued again")
            raise typer.Exit(int(chosen.refused > 0))
        count = 0
        for _, revision in revising(home).rerun(_each_package_once(chosen)):
            if isinstance(revision, str):
                chosen.refuse(revision)
            else:
                count += 1
                if names:
                    say(f"{shown(revision.package)} is queued again, as {shown(revision.name)}.")
    if not names or not (count or chosen.refused):
        say(f"{packages(count)} queued again." if count else "Nothing to run again.")
    raise typer.Exit(int(chosen.refused > 0))


def _each_package_once(chosen: Iterable[ListedJob]) -> Iterator[Job]:
    """Yield the jobs, of the revisions of one package only the first that comes."""
    seen = set()
    for listed in chosen:
        if listed.job.package not in seen:
            seen.add(listed.job.package)
            yield listed.job
