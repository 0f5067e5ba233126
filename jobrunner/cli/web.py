"""`jobrunner web`: the dashboard."""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.main import exits
from jobrunner.cli.output import complain, say
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner web", "jobrunner web --listen 127.0.0.1:8080", "jobrunner web --uds /run/jobrunner/web.sock")


def command(
    context: typer.Context,
    listen: Annotated[str | None, typer.Option(metavar="ADDRESS:PORT", help="Else as [web] listen says.")] = None,
    uds: Annotated[Path | None, typer.Option(metavar="PATH", help="A Unix socket in place of an address.")] = None,
) -> None:
    """Serve the dashboard: pages that show how things stand, live."""
    from jobrunner.domain.role import Role
    from jobrunner.domain.web import address
    from jobrunner.wiring.home import block_signals, load_settings

    if listen and uds:
        raise ConfigurationError("--listen and --uds are two places: ask for one of them")
    try:
        from jobrunner.web.serving import serve
    except ImportError as error:
        raise ConfigurationError(f"the dashboard needs more: pip install 'jobrunner[web]' ({error})") from error

    def told(text: str) -> None:
        say(text)
        sys.stdout.flush()  # a program may wait for it at the other end of a pipe

    def told_of_bug(error: BaseException) -> None:
        complain(exits.of(error, Role.COMMAND).words)

    block_signals()
    gc.enable()
    settings = load_settings(context.obj)
    try:
        place = address(listen or settings.web.listen)
    except ValueError as error:
        raise ConfigurationError(f"--listen is {listen!r}, but must be {error}") from None
    raise typer.Exit(128 + serve(settings, uds or place, told, told_of_bug))
