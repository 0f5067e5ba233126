"""JSON for programs, on stdout."""

import json
import os
import sys

from jobrunner.domain.package import shown


def print_json(document: object) -> None:
    """Print one JSON document. A name that is not UTF-8 stands in it as `shown` writes it."""
    json.dump(_valid(document), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


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
