"""`jobrunner metrics`: figures for monitoring."""

from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command

EXAMPLES = (
    "jobrunner metrics",
    "jobrunner metrics --file /var/lib/prometheus/node-exporter/jobrunner.prom",
)


def command(
    context: typer.Context,
    file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write a file, at once, for a textfile collector.")
    ] = None,
) -> None:
    """Print figures for monitoring, in the text format of Prometheus."""
    from importlib.metadata import version

    from jobrunner.documents.metrics import metrics_text
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.measuring import measuring, publish

    with open_home(load_settings(context.obj), emit_of_command(), to_read=True) as home:
        measures = measuring(home).measure()
    text = metrics_text(measures, str(home.settings.home), version("jobrunner"))
    if file is not None:
        publish(file, text)
        return
    for line in text.splitlines():
        say(line)
