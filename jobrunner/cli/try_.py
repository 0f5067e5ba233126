"""`jobrunner try`: the handler on one package, in the terminal and outside the queue."""

import os
import signal
from collections.abc import Iterator
from typing import Annotated

import typer

from jobrunner.cli.logs import Printer
from jobrunner.cli.main import exits
from jobrunner.cli.output import complain, say, styled
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.exits import FAILED
from jobrunner.domain.job import Outcome
from jobrunner.domain.package import shown
from jobrunner.domain.settings import ProcessSettings
from jobrunner.domain.tried import Changes, Tried
from jobrunner.words.phrases import counted, duration

EXAMPLES = (
    "jobrunner try scan-0017",
    "jobrunner try ~/samples/small.zip --keep /tmp/look",
    "jobrunner try scan-0017 --env",
)

#: Of the files that a handler has made, changed or removed, so many of each are named.
_MOST_NAMED = 20


def command(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER|FILE.zip", help="A package, a folder with a zip in it, or a zip.")
    ],
    keep: Annotated[
        str | None, typer.Option(metavar="DIR", help="Leave the data folder there, however it ends.")
    ] = None,
    env: Annotated[bool, typer.Option("--env", help="Only show the environment that the handler would get.")] = False,
) -> None:
    """Run the handler on a copy of a package, outside the queue.

    It runs as a worker would run it, and what would have become of the package is said. Nothing is recorded.

    It ends with 0 where the package would be done, else with 1.
    """
    from jobrunner.wiring.home import block_signals, load_settings, open_home
    from jobrunner.wiring.trying import trying

    block_signals()
    with open_home(load_settings(context.obj), emit_of_command()) as home:
        bench = trying(home, exits.of)
        source = bench.find(what)
        if env:
            for name, text in sorted(bench.environment(source).items()):
                say(f"{name}={shown(text)}")
            return
        kept = os.path.abspath(keep) if keep else None
        if kept:
            bench.check_kept(kept)
        _note(f"{shown(source.path)}, as attempt {source.job.attempt} at {shown(source.job.name)}")
        printer = Printer()
        tried = bench.run(source, printer.pass_on, lambda why: complain(f"{why}: the try waits for that"), keep=kept)
        printer.pass_on(b"", is_last=True)
        if isinstance(tried, signal.Signals):
            raise typer.Exit(128 + tried)
        for line in _changes(tried.changes):
            _note(line)
        if kept and os.path.isdir(kept):
            _note(f"the data folder is in {shown(kept)}")
        is_done = tried.decision is None
        policy = home.settings.retry
        verdict = f"{_ending(tried, home.settings.process)}: {_consequence(tried, policy.max_attempts)}"
        say(styled(verdict, fg="green" if is_done else "red", bold=True), stream=2)
    if not is_done:
        raise typer.Exit(FAILED)


def _note(line: str) -> None:
    """Print a line of ours: stdout is the handler's."""
    say(styled(line, dim=True), stream=2)


def _ending(tried: Tried, process: ProcessSettings) -> str:
    words = tried.result.error
    if tried.result.outcome is Outcome.DONE:
        words = "the callable returned" if process.callable else "exit status 0"
        if not process.has_handler:
            return "no handler is configured"
    return words if tried.seconds is None else f"{words} (after {duration(tried.seconds)})"


def _consequence(tried: Tried, max_attempts: int) -> str:
    """Say what would become of the package."""
    decision = tried.decision
    if decision is None:
        return "it would be done and archived"
    again = f"it would be tried again {'at once' if not decision.delay else f'in {duration(decision.delay)}'}"
    if tried.result.outcome is Outcome.REJECTED:
        return "it would fail at once"
    if decision.verdict:
        return "it would fail: that was the last of its attempts"
    if tried.result.outcome is Outcome.FAILED:
        return f"{again}, {counted(max_attempts - decision.failures, 'attempt')} left"
    return f"{again}, and no attempt would be used up"


def _changes(changes: Changes) -> Iterator[str]:
    for words, paths in (("made", changes.made), ("changed", changes.changed), ("removed", changes.removed)):
        for path in paths[:_MOST_NAMED]:
            yield f"{words:<8} {shown(path)}"
        if len(paths) > _MOST_NAMED:
            yield f"{words:<8} … and {len(paths) - _MOST_NAMED:,} more"
