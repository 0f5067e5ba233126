"""The options that say how and where run, work and scan say what happens."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from jobrunner.domain.values import log_format


def _format(text: str) -> str:
    try:
        return log_format(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not {error}") from None


LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format", parser=_format, metavar="text|json", help="How lines are written; else as [log] format says."
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="PATH", help="Where to, in place of stderr; else as [log] file says."),
]


class Asked(NamedTuple):
    """What options ask for; they go before the settings."""

    format: str | None = None
    file: Path | None = None
