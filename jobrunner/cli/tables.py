"""Tables and JSON for people and programs, on stdout."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobrunner.cli.events import colourful
from jobrunner.domain.package import shown

_UNBOUNDED = 10_000


def console() -> Console:
    """Return the console for stdout. Into a pipe nothing is cut or wrapped."""
    return Console(
        highlight=False,
        emoji=False,
        width=None if sys.stdout.isatty() else _UNBOUNDED,
        color_system="auto" if colourful(1) else None,
    )


def print_table(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, tint: str = ""
) -> None:
    """Print an empty line, a title and a table; a cell is shown as it is, brackets included."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(title, style=f"bold {tint}".strip(), markup=False)
    console.print(table)


def print_json(document: object) -> None:
    """Print one JSON document. A name that is not UTF-8 stands in it as `shown` writes it."""
    json.dump(_valid(document), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def utc(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def local(seconds: float | None) -> str:
    """Return a time as a person here reads it."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _valid(document: object) -> object:
    if isinstance(document, dict):
        return {key: _valid(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_valid(value) for value in document]
    if isinstance(document, str):
        try:
            os.fsencode(document).decode("utf-8")
        except UnicodeDecodeError:
            return shown(document)
    return document
