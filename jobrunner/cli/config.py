"""`jobrunner config`: every setting, and where it comes from."""

import os
import shutil
from collections.abc import Sequence
from typing import Annotated

import typer

from jobrunner.cli.columns import padded, width_of
from jobrunner.cli.output import Line, say, styled, wrapped
from jobrunner.domain.configuration import DEFAULT, Configuration, Setting, narrowed
from jobrunner.domain.package import printable, shown
from jobrunner.domain.settings_file import in_toml

EXAMPLES = ("jobrunner config", "jobrunner config retry process.timeout", "jobrunner config --json")

#: Columns of a setting before its origin, at most: one that is longer has its origin right behind it.
_WIDEST = 60
_ORIGINS = {"COMMANDLINE": "--home", "ENVIRONMENT": "JOBRUNNER_HOME"}


def command(
    context: typer.Context,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="Only these: retry.backoff, or all of retry.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show every setting, and where it comes from.

    What is shown is a jobrunner.toml that means the same, with a warning below what is unwise.
    """
    from jobrunner.wiring.configuring import configuration

    source = context.parent.get_parameter_source("home") if context.parent else None
    found = configuration(context.obj, _ORIGINS.get(source.name if source else "", "the current folder"))
    if keys:
        found = narrowed(found, keys)
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.configuration import configuration_document

        print_json(configuration_document(found))
        return
    for line in _lines(found):
        say(*line)


def _lines(configuration: Configuration) -> list[Line]:
    file = shown(configuration.file) if configuration.file else "no jobrunner.toml: these are the defaults"
    lines: list[Line] = [
        [styled(f"# the home, by {configuration.home_origin}: {shown(configuration.home)}", dim=True)],
        [styled(f"# its settings: {file}", dim=True)],
    ]
    column = _column(configuration.settings)
    section = ""
    for setting in configuration.settings:
        if setting.section != section:
            section = setting.section
            lines += [[""], [styled(f"[{section}]", bold=True)]]
        lines.append(_line(setting, column))
        for warning in setting.warnings:
            lines += [[styled(f"# {part}", fg="yellow")] for part in wrapped(f"unwise: it {warning}", 2)]
    return lines


def _line(setting: Setting, column: int) -> Line:
    text = _text(setting)
    if setting.value is None:
        return [styled(text, dim=True)]
    if setting.origin == DEFAULT:
        return [padded(text, column), styled(f"  # {setting.origin}", dim=True)]
    return [styled(padded(text, column), bold=True), f"  # {setting.origin}"]


def _text(setting: Setting) -> str:
    if setting.value is None:
        return f"# {setting.name} is not set"
    return printable(f"{setting.name} = {in_toml(setting.value)}")


def _column(settings: Sequence[Setting]) -> int:
    """Return how many columns the settings get, so that as many origins as possible stand below each other."""
    longest = max(width_of(setting.origin) for setting in settings) + len("  # ")
    room = shutil.get_terminal_size().columns - longest if os.isatty(1) else _WIDEST
    fitting = [width_of(_text(setting)) for setting in settings if setting.value is not None]
    return max((width for width in fitting if width <= min(room, _WIDEST)), default=0)
