"""`jobrunner service`: jobrunner as a service of systemd."""

from typing import Annotated

import typer

from jobrunner.cli.output import say

EXAMPLES = ("jobrunner service > jobrunner.service", "jobrunner service --template")


def command(
    context: typer.Context,
    template: Annotated[bool, typer.Option("--template", help="Print a jobrunner@.service for several homes.")] = False,
) -> None:
    """Print a systemd unit that runs this home at boot.

    Its first lines say how to install it. Its user is whoever asks; for root, it is the home's owner.
    """
    from jobrunner.domain.unit import unit_text
    from jobrunner.wiring import service_unit

    unit = service_unit.template() if template else service_unit.unit_of(context.obj)
    for line in unit_text(unit).splitlines():
        say(line)
