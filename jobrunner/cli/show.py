"""`jobrunner show`: one job."""

import os
import time
from typing import Annotated

import typer

from jobrunner.cli.output import say, styled
from jobrunner.cli.terminal import emit_of_command
from jobrunner.cli.words import duration, standing
from jobrunner.domain.job import Attempt, State
from jobrunner.domain.package import shown
from jobrunner.domain.status import Story

EXAMPLES = ("jobrunner show scan-0017", "jobrunner show --json -- -a-name-with-a-dash")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The package, as it is or as status shows it.")]


def command(
    context: typer.Context,
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show one job: its attempts, times and errors, package and logs."""
    from jobrunner.cli.times import local
    from jobrunner.wiring.home import load_settings, open_home

    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        story = home.report.story(home.report.find(name))
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.story import story_document

        print_json(story_document(story))
        return
    job = story.job
    facts = [
        ("package", shown(job.name)),
        ("state", standing(job, time.time())),
        ("queued", local(job.created_at)),
        ("ended", local(job.finished_at)),
        ("next try", local(job.not_before_at)),
        ("error" if job.state is State.FAILED else "last try", job.error or ""),
        ("lies in", shown(story.package_path or "nowhere: it has been removed")),
        ("logs", shown(os.path.dirname(max(story.log_paths.items())[1])) if story.log_paths else ""),
        ("failures", str(job.failures or "")),
        ("crashes", str(job.crashes or "")),
    ]
    for label, value in facts:
        if value:
            say(styled(f"{label:<9}", dim=True), value)
    if story.attempts:
        from jobrunner.cli.tables import print_table

        columns = ("attempt", "started", "outcome", "extract", "handler", "archive", "log", "error")
        print_table("Attempts", columns, [_row(attempt, story) for attempt in story.attempts])


def _row(attempt: Attempt, story: Story) -> list[str]:
    from jobrunner.cli.times import local

    steps = (attempt.extract_seconds, attempt.handle_seconds, attempt.archive_seconds)
    return [
        str(attempt.number),
        local(attempt.started_at),
        attempt.outcome.value if attempt.outcome else "running",
        *("" if seconds is None else duration(seconds) for seconds in steps),
        "yes" if attempt.number in story.log_paths else "",
        attempt.error or "",
    ]
