"""The named statements of `sql/queries`: one file a table, each statement under a line `-- name: NAME`.

What several statements share is a fragment, under a line `-- fragment: NAME` above them, and stands in them as {NAME}.
A line `-- fragments of: TABLE` brings in those of another file.
"""

import re
from functools import cache
from importlib import import_module
from pathlib import Path

_HEAD = re.compile(r"^-- (name|fragment|fragments of): (\w+)$", re.MULTILINE)


@cache
def statements(table: str) -> dict[str, str]:
    """Return the statements of one table by name, without comments and the closing semicolon.

    Raises ValueError where a name is given twice, KeyError where a fragment is not there.
    """
    return _read(table)["name"]


def _read(table: str) -> dict[str, dict[str, str]]:
    """Return the statements and the fragments of one file."""
    text = sql_folder("queries").joinpath(f"{table}.sql").read_text("utf-8")
    _, *parts = _HEAD.split(text)
    found: dict[str, dict[str, str]] = {"name": {}, "fragment": {}}
    for kind, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if kind == "fragments of":
            found["fragment"] |= _read(name)["fragment"]
            continue
        if name in found[kind]:
            raise ValueError(f"{table}.sql names {name} twice")
        sql = without_comments(body).rstrip().removesuffix(";")
        found[kind][name] = sql.format_map(found["fragment"])
    return found


def sql_folder(name: str) -> Path:
    """Return a folder of the installed SQL. importlib.resources would import zipfile for it, at each start."""
    return Path(import_module("jobrunner.sql").__path__[0], name)


def without_comments(sql: str) -> str:
    """Return the SQL without its `--` comments and empty lines. No literal of ours holds two dashes."""
    lines = (line.partition("--")[0].rstrip() for line in sql.splitlines())
    return "\n".join(line for line in lines if line)
