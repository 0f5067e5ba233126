"""`jobrunner status`: how things stand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.output import Styled, brief, say, styled
from jobrunner.cli.terminal import emit_of_command
from jobrunner.cli.words import TINTS, duration, progress, soon
from jobrunner.domain.job import Outcome
from jobrunner.domain.package import shown
from jobrunner.domain.status import Status

EXAMPLES = ("jobrunner status", "jobrunner status --json")

_MOST_ROWS = 20


def command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show how things stand: counts, what runs, what failed and why."""
    show_status(context.obj, as_json=as_json)


def show_status(path: Path, *, as_json: bool) -> None:
    """Print the status of the home at `path`."""
    from jobrunner.wiring.home import load_settings, open_home

    with open_home(load_settings(path), emit_of_command(), to_read=True) as home:
        status = home.report.status()
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.status import status_document

        print_json(status_document(status))
        return
    for trouble in status.troubles:
        say(styled("trouble", fg="red", bold=True), f"  {trouble}")
    if status.troubles:
        say(styled("What waits for this goes on by itself once it is mended.", dim=True))
        say()
    say(*_counts(status))
    say(styled(_pace(status), dim=True))
    for title, columns, rows, tint in _sections(status):
        if rows:
            from jobrunner.cli.tables import print_table

            print_table(title, columns, rows[:_MOST_ROWS], tint=tint)
            if len(rows) > _MOST_ROWS:
                say(styled(f"… and {len(rows) - _MOST_ROWS:,} more: jobrunner status --json has all", dim=True))
    if status.survey.unseen:
        say(f"The inbox holds so much that {status.survey.unseen:,} more were not looked at.")
    if status.failed:
        say()
        is_any_for_all = any(job.verdict is not Outcome.CANCELLED for job in status.failed)
        or_all = ", or jobrunner retry --all" if is_any_for_all else ""
        say(styled(f"To try again: jobrunner retry NAME{or_all}", dim=True))


def _counts(status: Status) -> Iterator[str | Styled]:
    for number, (state, count) in enumerate(status.counts.items()):
        yield "   " * bool(number)
        if count:
            yield from (styled(f"{count:,}", bold=True), " ", styled(state, fg=TINTS[state]))
        else:
            yield styled(f"{count} {state}", dim=True)


def _pace(status: Status) -> str:
    return f"done in the last hour {status.done_last_hour:,}, in the last minute {status.done_last_minute:,}"


def _sections(status: Status) -> Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]], str]]:
    from jobrunner.cli.times import local

    running = [
        (
            shown(entry.job.name),
            str(entry.job.attempt),
            duration(entry.seconds),
            str(entry.worker_pid),
            progress(entry.progress) if entry.progress else "",
        )
        for entry in status.running
    ]
    waiting = [
        (
            shown(job.name),
            soon((job.not_before_at or status.now) - status.now),
            brief(job.error or ""),
        )
        for job in status.waiting
    ]
    failed = [(shown(job.name), local(job.finished_at), brief(job.error or "")) for job in status.failed]
    survey = status.survey
    return [
        ("Running", ("package", "attempt", "for", "worker", ""), running, "blue"),
        ("Waiting for another try", ("package", "next", "why"), waiting, "yellow"),
        ("Failed", ("package", "when", "why"), failed, "red"),
        (
            "Duplicates, held in the inbox: a package of this name is known already",
            ("package",),
            [(shown(name),) for name in survey.duplicates],
            "yellow",
        ),
        (
            "Incomplete deliveries",
            ("in the inbox", "why"),
            [(shown(delivery.name), delivery.lacking or "") for delivery in survey.incomplete],
            "yellow",
        ),
        ("New, not scanned yet", ("package",), [(shown(name),) for name in survey.new], "cyan"),
        (
            "Look alike, but are two packages: is it one that was sent twice?",
            ("package", "looks like"),
            [(shown(name), shown(other)) for name, other in status.lookalikes],
            "yellow",
        ),
        (
            "Left over, and not ours to remove: remove it as a user who may, and unmount what is mounted there",
            ("path",),
            [(shown(path),) for path in status.left_over],
            "yellow",
        ),
    ]
