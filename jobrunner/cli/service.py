"""`jobrunner service`: jobrunner as a service of systemd."""

import sys
from typing import Annotated

import typer

EXAMPLES = ("jobrunner --home /srv/lab service > jobrunner.service", "jobrunner service --template")


def command(
    context: typer.Context,
    template: Annotated[bool, typer.Option("--template", help="Print a jobrunner@.service for several homes.")] = False,
) -> None:
    """Print a systemd unit that runs this home as its user; its first lines say how to install it."""
    from jobrunner.domain.unit import unit_text
    from jobrunner.wiring import service_unit

    sys.stdout.write(unit_text(service_unit.template() if template else service_unit.unit_of(context.obj)))
