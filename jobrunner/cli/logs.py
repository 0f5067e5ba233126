"""`jobrunner logs`: what the handler printed."""

import codecs
import gc
import io
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from jobrunner.cli import filters
from jobrunner.cli.output import complain, say
from jobrunner.cli.show import Name
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.job import State
from jobrunner.domain.package import printable, shown
from jobrunner.domain.status import Story
from jobrunner.words.times import local

EXAMPLES = ("jobrunner logs scan-0017", "jobrunner logs -f --tail 20 scan-0017")

_FOLLOW_SECONDS = 0.2
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def command(
    context: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is done or failed.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only its last N lines, of the newest attempt.")
    ] = None,
    attempt: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only what attempt N printed.")] = None,
    revision: filters.Revision = None,
) -> None:
    """Print what the handler printed, attempt after attempt."""
    from jobrunner.wiring.home import load_settings, open_home

    if follow:
        gc.enable()
    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        job = home.report.find(name, revision)
        newest = max(home.report.story(job).log_paths, default=1)
        first, last = (attempt, attempt) if attempt else (newest if tail else 1, sys.maxsize)
        opened: dict[int, _Log] = {}
        while True:
            job = home.report.now(job)  # before the logs: what is printed before the end is in them
            is_over = not follow or job.state in {State.DONE, State.FAILED} or job.attempt > last
            for number, path in home.report.story(job).log_paths.items():
                if not first <= number <= last:
                    continue
                if number not in opened:
                    reader = home.report.open_log(path)
                    opened[number] = _Log(reader.read, reader.last(tail) if tail and number == first else b"")
                    if number > 1 and not attempt:
                        say(f"--- attempt {number} ---", stream=2)
                opened[number].pass_on(is_whole=is_over or number < job.attempt)
            if is_over:
                break
            time.sleep(_FOLLOW_SECONDS)
            home.store.database.refresh()
        if not opened:
            complain(_why_there_is_none(home.report.story(job), attempt))
        elif not any(log.has_printed for log in opened.values()):
            complain("the handler has printed nothing")


def _why_there_is_none(story: Story, wanted: int | None) -> str:
    """Return why a job, or the attempt that is wanted, has no log."""
    job = story.job
    if story.pruned_at.logs and not (wanted and wanted > job.attempt):
        return f"the logs of {shown(job.name)} were pruned at {local(story.pruned_at.logs)}"
    if wanted:
        return f"attempt {wanted} has no log: {shown(job.name)} has had {job.attempt} attempt{'s' * (job.attempt != 1)}"
    if any(attempt.handle_seconds is not None for attempt in story.attempts):
        return "the log of this package is not there any more"
    if story.pruned_at.attempts:
        return "there is no log of this package, and its attempts were pruned: they would say why"
    if job.state is State.DONE:
        return "nothing was printed: no handler was set when this package was processed"
    if job.state is State.FAILED:
        return f"nothing was printed: no handler has run on this package ({job.error})"
    return "nothing was printed: no handler has run on this package yet"


class Printer:
    """Prints what a handler prints: byte for byte, but on a terminal without what could steer it.

    There a line that it prints over and over (progress) becomes a line each time, and colours are left out.
    """

    def __init__(self) -> None:
        utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._decoder = io.IncrementalNewlineDecoder(utf8, translate=True) if os.isatty(1) else None

    def pass_on(self, piece: bytes, *, is_last: bool = False) -> None:
        """Print a piece. `is_last`: there will be no more."""
        if self._decoder:
            text = self._decoder.decode(piece, final=is_last)
            sys.stdout.write(printable(_COLOUR.sub("", text), keep="\n\t"))
        else:
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()


class _Log:
    """Prints a log that grows."""

    def __init__(self, read: Callable[[], bytes], begun: bytes) -> None:
        """`read` returns the next piece, empty where there is none yet; `begun` goes before all of them."""
        self._read = read
        self._begun = begun
        self._printer = Printer()
        self.has_printed = False

    def pass_on(self, *, is_whole: bool) -> None:
        """Print what has come. `is_whole`: there will be no more."""
        while piece := self._begun or self._read():
            self._begun = b""
            self.has_printed = True
            self._printer.pass_on(piece)
        if is_whole:
            self._printer.pass_on(b"", is_last=True)
