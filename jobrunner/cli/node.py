"""`jobrunner node`: what a machine lacks to be a node of a cluster."""

from typing import Annotated

import typer

from jobrunner.cli.columns import padded
from jobrunner.cli.output import say, styled
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.exits import FAILED
from jobrunner.domain.package import printable

EXAMPLES = ("jobrunner node --check",)

_COLUMN = 14  # characters


def command(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Look at all that a node needs.")] = False,
) -> None:
    """Say what this machine lacks to run handlers for another one.

    To be called on that machine, with the home that it sees over the network. Exit status 0, or 1 where something is
    missing.
    """
    from jobrunner.wiring.home import load_settings

    settings = load_settings(context.obj)
    if not check:
        raise ConfigurationError(
            "a node is started by dask worker ADDRESS --preload jobrunner.cluster.node; jobrunner node --check says "
            "what this machine lacks for that"
        )
    try:
        from jobrunner.wiring.node_check import look
    except ImportError as error:
        raise ConfigurationError(f"a cluster needs more: pip install 'jobrunner[cluster]' ({error})") from error
    is_whole = True
    for what, missing, hint in look(settings):
        is_whole &= missing is None
        mark = styled("ok     ", fg="green") if missing is None else styled("missing", fg="red", bold=True)
        say(mark, "  ", padded(what, _COLUMN), "  ", printable(hint if missing is None else missing))
    if not is_whole:
        raise typer.Exit(FAILED)
