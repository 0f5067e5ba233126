"""`jobrunner prune`: the history of what was done long ago is removed."""

from functools import reduce
from typing import Annotated

import typer

from jobrunner.cli.output import complain, say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain import values
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.status import Pruned
from jobrunner.words.phrases import counted, duration, packages

EXAMPLES = ("jobrunner prune --older-than 30d --dry-run", "jobrunner prune --older-than 30d")


def command(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="What has been done for longer: 30d, 12h.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much that is.")] = False,
) -> None:
    """Remove the attempts and logs of packages that were done long ago.

    Their names stay known, and nothing in the archive is touched. [retention] in jobrunner.toml does it by itself.
    """
    from jobrunner.domain.values import in_bytes
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.pruning import pruning

    try:
        seconds = values.age(older_than)
    except ValueError as error:
        raise ConfigurationError(f"--older-than is {older_than!r}, but must be {error}") from None
    with open_home(load_settings(context.obj), emit_of_command(), to_read=dry_run) as home:
        total = reduce(Pruned.joined, pruning(home, seconds).run(dry=dry_run), Pruned())
    if total.packages:
        what = f"{counted(total.attempts, 'attempt')} and {counted(total.logs, 'log')} ({in_bytes(total.size)})"
        say(f"{what} of {packages(total.packages)} {'would be' if dry_run else 'are'} removed.")
    elif not total.fault:
        say(f"Nothing to prune: no package that has been done for {duration(seconds)} has attempts or logs.")
    if total.fault:
        complain(f"not all can be removed: {total.fault}")
        raise typer.Exit(1)
