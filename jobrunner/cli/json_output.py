"""JSON for programs, on stdout."""

import json
import os
import sys

from jobrunner.domain.package import shown


def print_json(document: object) -> None:
    """Print one JSON document, in which what is not printable is escaped as JSON does it.

    A name that is not UTF-8 stands in it as `shown` writes it.
    """
    text = json.dumps(_valid(document), indent=2, ensure_ascii=sys.stdout.encoding.lower() != "utf-8")
    for line in text.split("\n"):
        sys.stdout.write((line if line.isprintable() else "".join(map(_escaped, line))) + "\n")


def _escaped(char: str) -> str:
    """Return a character of a JSON text. What is not printable stands in a string: JSON itself is all ASCII."""
    if char.isprintable():
        return char
    return r"\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


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
