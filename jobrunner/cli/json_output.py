"""JSON for programs, on stdout."""

import sys
from collections.abc import Iterable

from jobrunner.documents.as_text import as_text


def print_json(document: object) -> None:
    """Print one JSON document, in which what is not printable is escaped as JSON does it."""
    sys.stdout.write(as_text(document, sys.stdout.encoding, indent=2) + "\n")


def print_json_list(key: str, documents: Iterable[object]) -> None:
    """Print one JSON document: a list of any length under a key, an entry a line."""
    separator = ""
    sys.stdout.write(f'{{"{key}": [')
    for document in documents:
        sys.stdout.write(f"{separator}\n  {as_text(document, sys.stdout.encoding)}")
        separator = ","
    sys.stdout.write("\n]}\n")
