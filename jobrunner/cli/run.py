"""`jobrunner run`: scan --watch and work in one."""

import typer

from jobrunner.cli.work import Drain, Workers, supervise

EXAMPLES = ("jobrunner run -n 3", "jobrunner run -n 3 --drain")


def command(context: typer.Context, workers: Workers = None, drain: Drain = False) -> None:
    """Scan the inbox and process what arrives, until stopped."""
    raise typer.Exit(supervise(context.obj, workers, drain=drain, scan=True))
