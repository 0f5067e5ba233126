"""`jobrunner web-user`: a line for the file of the dashboard's users."""

import getpass
import os
import sys
from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.domain.errors import ConfigurationError

EXAMPLES = ("jobrunner web-user anna >> users", "jobrunner web-user --token --reader prometheus >> users")

_SHORTEST = 8


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whoever it is for, without spaces.")],
    reader: Annotated[bool, typer.Option("--reader", help="Who may look, and press nothing.")] = False,
    token: Annotated[bool, typer.Option("--token", help="For a program: a token in place of a password.")] = False,
) -> None:
    """Print a line for the file of the dashboard's users.

    It asks for a password, or reads it from a pipe.
    """
    from jobrunner.domain.web import Right, password_line, token_line

    if name.split() != [name] or name.startswith("#"):
        raise ConfigurationError(f"{name!r} is no name: it has a space in it, or a # before it")
    right = Right.READER if reader else Right.OPERATOR
    if token:
        line, secret = token_line(name, right)
        say(f"The token, which is shown this once: {secret}", stream=2)
    else:
        line = password_line(name, right, _asked())
    say(line)


def _asked() -> str:
    if not os.isatty(0):
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass("Password: ", sys.stderr)
        if getpass.getpass("Once more: ", sys.stderr) != password:
            raise ConfigurationError("these were two different passwords")
    if len(password) < _SHORTEST:
        raise ConfigurationError(f"a password has {_SHORTEST} characters at least")
    return password
