"""`jobrunner service`: jobrunner as a service of systemd."""

from typing import Annotated

import typer

from jobrunner.cli.output import complain, say
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner service > jobrunner.service", "jobrunner service --template", "jobrunner service --web")


def command(
    context: typer.Context,
    template: Annotated[bool, typer.Option("--template", help="Print a jobrunner@.service for several homes.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Print a jobrunner-web.service for the dashboard.")] = False,
) -> None:
    """Print a systemd unit that runs this home at boot.

    Its first lines say how to install it. Its user is whoever asks; for root, it is the home's owner.
    """
    from jobrunner.domain.unit import unit_text, web_unit_text
    from jobrunner.wiring import service_unit

    if template and web:
        raise ConfigurationError("--template and --web are two units: ask for one of them")
    for variable in service_unit.variables_of_ours():
        complain(f"{variable} is set here, and the service will not have it: put that into jobrunner.toml")
    unit = service_unit.template() if template else service_unit.unit_of(context.obj)
    for line in (web_unit_text(unit) if web else unit_text(unit)).splitlines():
        say(line)
