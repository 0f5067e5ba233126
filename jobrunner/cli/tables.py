"""Tables for people, on stdout."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobrunner.cli.output import colourful
from jobrunner.domain.package import printable

_UNBOUNDED = 10_000


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, tint: str = "") -> None:
    """Print an empty line, a title and a table; a cell is shown as it is, brackets included.

    Into a pipe nothing is cut or wrapped.
    """
    console = Console(
        highlight=False,
        emoji=False,
        width=None if sys.stdout.isatty() else _UNBOUNDED,
        color_system="auto" if colourful(1) else None,
    )
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print()
    console.print(title, style=f"bold {tint}".strip(), markup=False)
    console.print(table)
