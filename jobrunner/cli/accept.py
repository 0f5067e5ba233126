"""`jobrunner accept`: what was delivered once more is processed, though its name is done."""

from typing import Annotated

import typer

from jobrunner.cli.output import complain, say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.package import shown

EXAMPLES = ("jobrunner accept scan-0017", "jobrunner accept scan-0017 scan-0018")


def command(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Packages that came again after they were done.")
    ],
) -> None:
    """Process duplicates that are held in the inbox.

    Each goes to the archive as NAME~2, beside the first delivery. jobrunner explain --compare says what differs.
    """
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.steering import revising

    refused = False
    with open_home(load_settings(context.obj), emit_of_command()) as home:
        for name in names:
            try:
                revision = revising(home).accept(home.report.find(name).package)
                say(f"{shown(revision.package)} in the inbox is queued, as {shown(revision.name)}.")
            except JobrunnerError as error:
                refused = True
                complain(str(error))
    raise typer.Exit(int(refused))
