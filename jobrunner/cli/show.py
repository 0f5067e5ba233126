"""`jobrunner show`: one job."""

import os
import shutil
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from jobrunner.cli import filters
from jobrunner.cli.output import brief, say, styled, wrapped
from jobrunner.cli.terminal import emit_of_command
from jobrunner.cli.timeline import HEADING, timeline
from jobrunner.domain.job import Attempt, Job, State
from jobrunner.domain.package import shown
from jobrunner.domain.status import Story
from jobrunner.words.phrases import counted, duration, standing, step

EXAMPLES = (
    "jobrunner show scan-0017",
    "jobrunner show --log scan-0017",
    "jobrunner show --json -- -a-name-with-a-dash",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The package, as it is or as status shows it.")]

_COLUMNS = ("#", "waited", "started", "worker", "node", "outcome", "extract", "handler", "archive")
_GAP = "  "
#: The facts that are wrapped on a terminal: of the others, such as paths, all is to be copied.
_TEXTS = {"error", "last error", "names"}
#: Names in these encodings are not guessed, or cannot well be another.
_SURE = {None, "ascii", "utf-8"}
_LAST_LINES = 10
_MOST_CHANGES = 5
_ITS_NAME_IS_USED = "because its own name is that of another package's revision"
#: Characters of the reason of an attempt that is not the newest.
_MOST_OF_EACH = 200


def command(
    context: typer.Context,
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Also the last lines that its handler printed.")] = False,
    revision: filters.Revision = None,
) -> None:
    """Show one job: its attempts, times and errors, package and logs."""
    from jobrunner.wiring.home import load_settings, open_home

    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        story = home.report.story(home.report.find(name, revision))
        lines = home.report.last_lines(story, _LAST_LINES) if log else []
        is_guessed = home.settings.extract.encoding == "auto"
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.story import story_document

        print_json(story_document(story) | ({"last_lines": lines} if log else {}))
        return
    for label, value in _facts(story, is_guessed=is_guessed):
        parts = wrapped(value, 11) if label in _TEXTS else [value]
        for number, part in enumerate(parts if value else []):
            say(styled(f"{'' if number else label:<10}", dim=True), " ", part)
    if story.attempts:
        _say_attempts(story)
    if story.revisions:
        _say_revisions(story)
    if log:
        say()
        say(styled("Printed last", bold=True) if lines else styled("Nothing was printed.", dim=True))
        for line in lines:
            say(line.expandtabs())


def _facts(story: Story, *, is_guessed: bool) -> Iterator[tuple[str, str]]:
    from jobrunner.words.times import local

    job = story.job
    yield "package", shown(job.package)
    yield "revision", "" if job.revision == 1 else f"{job.revision}, {_made_of(job)}"
    yield "goes by", "" if job.revision > 1 or job.identity.is_plain else f"{shown(job.name)}, {_ITS_NAME_IS_USED}"
    yield "state", standing(job, time.time())
    yield "step", step(story.running) if story.running else ""
    yield "error" if job.state is State.FAILED else "last error", job.error or ""
    yield "queued", local(job.created_at)
    yield "ended", local(job.finished_at)
    yield "next try", local(job.not_before_at)
    yield "lies in", shown(story.package_path or "nowhere: it has been removed")
    yield "logs", _logs(story)
    yield "attempts", _pruned(story)
    yield "data", shown(story.kept[-1].path) if story.kept else ""
    yield "kept", _kept(story)
    for change in story.changes[:_MOST_CHANGES]:
        yield "changed", f"{change.action} by {change.who}, {local(change.at)}"
    yield "failures", str(job.failures or "")
    yield "crashes", str(job.crashes or "")
    encoding = next((each.encoding for each in reversed(story.attempts) if each.encoding), None)
    if encoding not in _SURE and is_guessed:
        yield (
            "names",
            f"in the zip are taken to be {encoding}, which is a guess: extract.encoding in jobrunner.toml says it",
        )


def _logs(story: Story) -> str:
    """Return where the logs are, or since when they are gone."""
    from jobrunner.words.times import local

    if story.log_paths:
        return shown(os.path.dirname(max(story.log_paths.items())[1]))
    return f"pruned at {local(story.pruned_at.logs)}" if story.pruned_at.logs else ""


def _kept(story: Story) -> str:
    """Return until when the data folder of which attempt is kept."""
    from jobrunner.words.times import local

    if not story.kept:
        return ""
    *earlier, newest = story.kept
    beside = f"; of {counted(len(earlier), 'earlier attempt')} beside it" if earlier else ""
    return f"until {local(newest.until)}, of attempt {newest.attempt}{beside}"


def _pruned(story: Story) -> str:
    """Return how many attempts there were whose record is gone, and since when."""
    from jobrunner.words.times import local

    pruned_at, missing = story.pruned_at.attempts, story.job.attempt - len(story.attempts)
    return f"{missing:,} pruned at {local(pruned_at)}" if pruned_at and missing else ""


def _say_attempts(story: Story) -> None:
    """Print a line for each attempt, and below it why it did not succeed, unless that has been said above."""
    rows = [_row(attempt, waited) for attempt, waited in zip(story.attempts, story.waits, strict=True)]
    columns = [column for column in zip(_COLUMNS, *rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    room = shutil.get_terminal_size().columns - sum(widths) - len(_GAP) * len(widths)
    bars = timeline(story.attempts, story.waits, time.time(), room)
    columns.append((HEADING if any(bars) else "", *bars))
    heading, *lines = [_GAP.join(map(str.ljust, cells, [*widths, 0])).rstrip() for cells in zip(*columns, strict=True)]
    say()
    say(styled("Attempts", bold=True))
    say(styled(heading, dim=True))
    said = {None, story.job.error}
    for attempt, line in zip(story.attempts, lines, strict=True):
        say(line)
        for part in [] if attempt.error in said else wrapped(brief(attempt.error or "", _MOST_OF_EACH), 4):
            say("    ", part)
        said.add(attempt.error)


def _made_of(job: Job) -> str:
    return f"made again from archive/{shown(job.source)}" if job.source else "delivered once more"


def _say_revisions(story: Story) -> None:
    from jobrunner.words.times import local

    say()
    say(styled("Revisions", bold=True))
    for job in story.revisions:
        at = job.finished_at or job.created_at
        say(f"{shown(job.name)}  {standing(job, time.time())}  {local(at)}  {_made_of(job)}")


def _row(attempt: Attempt, waited: float | None) -> list[str]:
    from jobrunner.words.times import local

    steps = (attempt.extract_seconds, attempt.handle_seconds, attempt.archive_seconds)
    return [
        str(attempt.number),
        _length(waited),
        local(attempt.started_at)[5:],  # without the year
        str(attempt.worker_pid),
        attempt.node or "",
        attempt.outcome.value if attempt.outcome else "running",
        *map(_length, steps),
    ]


def _length(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)
