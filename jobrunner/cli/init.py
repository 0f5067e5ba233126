"""`jobrunner init`: makes a home."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from jobrunner.cli.main import enter
from jobrunner.cli.output import say
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.home_rights import PRIVATE

EXAMPLES = ("jobrunner init /data/scans",)


def command(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The folder, made if it is missing.", show_default=False),
    ] = None,
) -> None:
    """Make a home: a commented jobrunner.toml and the folders. Overwrites nothing."""
    from jobrunner.domain.settings_file import template
    from jobrunner.wiring.home import load_settings, prepare_folders
    from jobrunner.wiring.safety import SETTINGS_FILE

    home = (directory or context.obj).expanduser()
    enter(home, "init")
    home = home.resolve()
    if home.exists() and not home.is_dir():
        raise ConfigurationError(f"{home} is a file: name a folder")
    file = home / SETTINGS_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        file.touch(PRIVATE.file, exist_ok=False)
        file.write_text(template(), "utf-8")
        say(f"{file} is new: name your program in it (process.command).")
    except FileExistsError:
        say(f"{file} was there already and is left as it is.")
    except OSError as error:
        raise ConfigurationError(f"the home cannot be made: {in_words(error)}") from error
    settings = load_settings(home)
    if settings.folders.inbox.is_relative_to(home):
        settings.folders.inbox.mkdir(parents=True, exist_ok=True)
    prepare_folders(settings, emit_of_command())
    say(f"Packages go into {settings.folders.inbox}, and this processes them:")
    say(f"  jobrunner --home {shlex.quote(str(home))} run -n 3")
