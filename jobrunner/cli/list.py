"""`jobrunner list`: packages by their state, name, error and time."""

from typing import Annotated

import typer

from jobrunner.cli import filters
from jobrunner.cli.output import say, say_name, styled
from jobrunner.cli.terminal import emit_of_command

EXAMPLES = (
    "jobrunner list --state failed --since yesterday",
    "jobrunner list --name 'scan-00*' --sort name",
    "jobrunner list --state done --until 30d --names",
)


def command(
    context: typer.Context,
    state: filters.States = None,
    name: filters.Name = None,
    error: filters.Error = None,
    since: filters.Since = None,
    until: filters.Until = None,
    attempts: filters.Attempts = None,
    sort: filters.Order = "time",
    limit: filters.Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Only the names, one a line.")] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Only the names, as they are, each with a NUL behind it: for xargs -0.")
    ] = False,
) -> None:
    """List packages, those first that reached their state last. On a terminal, as many as fit."""
    from jobrunner.cli import listing
    from jobrunner.wiring.home import load_settings, open_home

    chosen = filters.filters_of(state, name, error, since, until, attempts, sort, limit)
    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        report = home.report
        if as_json:
            from jobrunner.cli.json_output import print_json_list
            from jobrunner.documents.listing import listed_document

            print_json_list("jobs", map(listed_document, report.listed(report.select(chosen))))
            return
        if names or null:
            for listed in report.listed(report.select(chosen)):
                say_name(listed.job.name, raw=null)
            return
        most = listing.screenful()
        ids = report.select(chosen._replace(limit=limit or most))
        count = listing.print_listing(report.listed(ids), most_lines=None if limit else most)
        if count == 0:
            say("No package fits.", stream=2)
        elif most and (count < len(ids) or count == (limit or most)) and (more := report.count(chosen) - count) > 0:
            say(styled(f"… and {more:,} more: --limit N shows more of them, a pipe shows all", dim=True))
