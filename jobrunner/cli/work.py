"""`jobrunner work`: processes what is queued."""

import gc
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.log_options import Asked, LogFile, LogFormat
from jobrunner.cli.main import exits
from jobrunner.domain.values import MOST_WORKERS

EXAMPLES = ("jobrunner work -n 3", "jobrunner work -n 3 --drain")


def _some(text: str | int) -> int:
    try:
        workers = int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number of workers") from None
    if not 1 <= workers <= MOST_WORKERS:
        raise typer.BadParameter(f"there can be 1 to {MOST_WORKERS:,} workers")
    return workers


Workers = Annotated[
    int | None,
    typer.Option(
        "-n", "--workers", parser=_some, metavar="N", help="How many packages at a time; else as [work] workers says."
    ),
]
Drain = Annotated[bool, typer.Option("--drain", help="End when nothing is queued, waiting or running.")]


def command(
    context: typer.Context,
    workers: Workers = None,
    drain: Drain = False,
    log_format: LogFormat = None,
    log_file: LogFile = None,
) -> None:
    """Process what is queued, until stopped."""
    raise typer.Exit(supervise(context.obj, workers, Asked(log_format, log_file), drain=drain, scan=False))


def supervise(path: Path, given: int | None, asked: Asked, *, drain: bool, scan: bool) -> int:
    """Run workers in the home at `path`, with `scan` also a scanner, and return the exit code.

    `given`: how many workers -n asks for, None where it is left out; `asked`: what of the log is asked for.
    """
    from jobrunner.cli.live import LiveView
    from jobrunner.cli.log import open_log
    from jobrunner.domain.envelope import Emit
    from jobrunner.domain.events import Ended, Held, Unwise, WorkersStarted
    from jobrunner.domain.role import Role
    from jobrunner.wiring import running
    from jobrunner.wiring.configuring import warnings
    from jobrunner.wiring.farewell import Farewell
    from jobrunner.wiring.home import block_signals, load_settings, open_home
    from jobrunner.wiring.notifying import Overheard
    from jobrunner.wiring.reloading import reloading, renewed
    from jobrunner.wiring.serving import serving
    from jobrunner.wiring.steering import pausing

    began, overheard = time.monotonic(), Overheard()
    block_signals()
    gc.freeze()  # no collection writes to what is here already: the forks go on sharing it
    gc.set_threshold(10_000)  # objects: at the default, 700, there is a collection every few packages
    gc.enable()
    settings = load_settings(path)
    log = open_log(settings, asked)
    view = LiveView(log)
    emit = Emit(Role.SUPERVISOR, view.show, overheard.hear)
    for warning in warnings(settings, given):
        emit(Unwise(*warning))
    with open_home(settings, emit) as opened, Farewell(opened, "run" if scan else "work", exits.of) as farewell:
        told = serving(opened)
        home, by = opened, reloading(opened, told, given=given)
        supervisor = running.supervisor(home, exits.of, by, told, drain=drain, scan=scan, overheard=overheard)
        farewell.settings = settings
        emit(WorkersStarted(by.workers, str(settings.home)))
        while True:
            if scan:
                home.intake.scan()
            caught = supervisor.run(partial(view.draw, home.report.running))
            view.erase()
            home = renewed(home, by)
            farewell.settings = by.settings
            if scan and not caught:
                caught = home.wait_for_arrivals()
            if caught or not home.store.jobs.any_pending():
                break
        failed = drain and home.store.attempts.any_failed_under(supervisor.token)
        held = pausing(home).held() if drain and not caught else None
        farewell.caught = caught
        supervisor.leave()
        if held:
            pause, left = held
            emit(Held(left, pause.since, pause.reason))
        emit(Ended(view.done, view.failed, time.monotonic() - began))
    log.end(is_stopped=bool(caught))
    return 128 + caught if caught else int(failed or held is not None)
