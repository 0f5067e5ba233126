"""`jobrunner completion`: the Tab key completes commands, options and packages."""

import signal
from contextlib import suppress
from typing import Annotated

import typer

from jobrunner.cli.output import say
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown

EXAMPLES = (
    "jobrunner completion bash >> ~/.bashrc",
    "jobrunner completion zsh >> ~/.zshrc",
    "jobrunner completion fish > ~/.config/fish/completions/jobrunner.fish",
)

#: Seconds after which whoever types is not answered any more.
_PATIENCE = 2


def command(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
    answer: Annotated[bool, typer.Option("--answer", hidden=True)] = False,
) -> None:
    """Print what makes the Tab key complete commands and packages."""
    from jobrunner.cli.shells import SCRIPTS

    shell, *typed = words
    if answer:
        signal.alarm(_PATIENCE)
        with suppress(Exception):  # nothing may get into the line of whoever types
            _answer(context, shell, typed)
        return
    if shell not in SCRIPTS or typed:
        raise ConfigurationError(f"{shown(' '.join(words))} is none of the shells {', '.join(SCRIPTS)}")
    for line in SCRIPTS[shell].splitlines():
        say(line)


def _answer(context: typer.Context, shell: str, typed: list[str]) -> None:
    """Print what else may come, and then the words that fit, one a line; bash's are a command line and its end."""
    from jobrunner.cli.candidates import candidates
    from jobrunner.cli.shells import for_bash, split

    replaced, quote = "", ""
    if shell == "bash":
        line, replaced = typed
        (_, *typed), quote = split(line)
    found = candidates(typed, context.find_root().command, context)
    say(found.kind)
    for word in for_bash(found.words, typed[-1], replaced, quote) if shell == "bash" else found.words:
        say(word)
