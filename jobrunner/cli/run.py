"""`jobrunner run`: scan --watch and work in one."""

import typer

from jobrunner.cli.log_options import Asked, LogFile, LogFormat
from jobrunner.cli.work import Drain, Workers, supervise

EXAMPLES = ("jobrunner run -n 3", "jobrunner run -n 3 --drain", "jobrunner run --log-format json --log-file run.log")


def command(
    context: typer.Context,
    workers: Workers = None,
    drain: Drain = False,
    log_format: LogFormat = None,
    log_file: LogFile = None,
) -> None:
    """Scan the inbox and process what arrives, until stopped."""
    raise typer.Exit(supervise(context.obj, workers, Asked(log_format, log_file), drain=drain, scan=True))
