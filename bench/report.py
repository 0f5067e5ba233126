"""How the parts print what they measured: tables, and a line for each figure that is wanted."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

#: How the lines begin by which all.py collects what was reached and what was not.
REACHED, MISSED = "reached  ", "MISSED   "


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column flush left, figures flush right, the last (of words) flush left."""
    lines = [columns, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    print(f"\n{title}")
    for line in lines:
        first, *middle, last = line
        cells = [first.ljust(widths[0]), *map(str.rjust, middle, widths[1:]), last]
        print("  ".join(cells).rstrip())


def wanted(what: str, figure: str, limit: str, *, reached: bool) -> None:
    """Print a figure beside what was wanted of it."""
    print(f"{REACHED if reached else MISSED}{what}: {figure} (wanted: {limit})", flush=True)


def file_system(path: Path) -> str:
    """Return the kind of filesystem that a path lies on."""
    command = ["findmnt", "--noheadings", "--first-only", "--output", "FSTYPE", "--target", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
