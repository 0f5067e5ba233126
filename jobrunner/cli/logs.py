"""`jobrunner logs`: what the handler printed."""

import gc
import sys
import time
from typing import Annotated, BinaryIO

import typer

from jobrunner.cli.events import printer
from jobrunner.cli.show import Name
from jobrunner.domain.job import State
from jobrunner.domain.package import shown

EXAMPLES = "Examples:  jobrunner logs scan-0017    |    jobrunner logs -f scan-0017"

_PIECE = 1 << 16
_FOLLOW_SECONDS = 0.2


def command(
    context: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is done or failed.")] = False,
) -> None:
    """Print what the handler printed, attempt after attempt."""
    from jobrunner.wiring.home import load_settings, open_home

    if follow:
        gc.enable()
    with open_home(load_settings(context.obj), printer(), to_read=True) as home:
        job = home.report.find(name)
        opened: dict[int, BinaryIO] = {}
        while True:
            job = home.report.find(job.name)  # before the logs: what is printed before the end is in them
            for attempt, path in home.report.story(job).log_paths.items():
                if attempt not in opened:
                    opened[attempt] = open(path, "rb")  # noqa: SIM115  (until the program ends)
                    if attempt > 1:
                        print(f"--- attempt {attempt} ---", file=sys.stderr, flush=True)
                while piece := opened[attempt].read(_PIECE):
                    sys.stdout.buffer.write(piece)
            sys.stdout.flush()
            if not follow or job.state in {State.DONE, State.FAILED}:
                break
            time.sleep(_FOLLOW_SECONDS)
            home.database.refresh()
        if not opened:
            why = f" ({shown(job.error)})" if job.error else ""
            print(f"jobrunner: nothing was printed: no handler has run on this package{why}", file=sys.stderr)
