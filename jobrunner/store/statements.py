"""The named statements of `sql/queries`: one file a table, each statement under a line `-- name: NAME`."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(table: str) -> dict[str, str]:
    """Return the statements of one table by name, without comments and the closing semicolon.

    Raises ValueError where a name is given twice.
    """
    text = sql_folder("queries").joinpath(f"{table}.sql").read_text("utf-8")
    _, *pairs = _NAME.split(text)
    found: dict[str, str] = {}
    for name, body in zip(pairs[::2], pairs[1::2], strict=True):
        if name in found:
            raise ValueError(f"{table}.sql names {name} twice")
        found[name] = without_comments(body).rstrip().removesuffix(";")
    return found


def sql_folder(name: str) -> Path:
    """Return a folder of the installed SQL. importlib.resources would import zipfile for it, at each start."""
    return Path(import_module("jobrunner.sql").__path__[0], name)


def without_comments(sql: str) -> str:
    """Return the SQL without its `--` comments and empty lines. No literal of ours holds two dashes."""
    lines = (line.partition("--")[0].rstrip() for line in sql.splitlines())
    return "\n".join(line for line in lines if line)
