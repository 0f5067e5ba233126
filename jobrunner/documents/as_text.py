"""Documents as JSON text."""

import json
import os

from jobrunner.domain.package import shown


def as_text(document: object, encoding: str, *, indent: int | None = None) -> str:
    """Return a document as JSON for this encoding, in one line unless it is indented.

    A name that is not UTF-8 stands in it as `shown` writes it.
    """
    text = json.dumps(_valid(document), indent=indent, ensure_ascii=encoding.lower() != "utf-8")
    return "\n".join(line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n"))


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
        except UnicodeError:
            return shown(document)
    return document
