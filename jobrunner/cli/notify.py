"""`jobrunner notify`: tries whether notices arrive."""

from typing import Annotated

import typer

from jobrunner.cli.output import complain, say
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.exits import FAILED
from jobrunner.words.phrases import duration

EXAMPLES = ("jobrunner notify --test",)


def command(
    context: typer.Context,
    test: Annotated[bool, typer.Option("--test", help="Send a notice of the kind test by each channel, now.")] = False,
) -> None:
    """Send a test notice, and say what came back.

    It goes by notify.command and notify.webhook. It ends with 0 where each has taken it, else with 1.
    """
    from jobrunner.wiring.home import load_settings
    from jobrunner.wiring.notifying import send_test

    settings = load_settings(context.obj)
    if not test:
        raise ConfigurationError("run and work send notices by themselves; jobrunner notify --test sends one to try it")
    if not settings.notify.channels:
        raise ConfigurationError("no notices are sent: set notify.command or notify.webhook in jobrunner.toml")
    failed = False
    for sent in send_test(settings):
        if sent.error is None:
            say(f"{sent.channel}: the notice was taken ({duration(sent.seconds)})")
        else:
            failed = True
            complain(f"notify.{sent.channel}: {sent.error}")
    raise typer.Exit(FAILED if failed else 0)
