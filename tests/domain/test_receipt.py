"""What a receipt says, whoever has written it."""

import json
from typing import Any

import pytest

from jobrunner.domain.job import Identity
from jobrunner.domain.receipt import Handling, Zip, parse, text_of

IDENTITY = Identity("p\udcff~2", "p\udcff", 2, "p\udcff")
ZIP = Zip("p\udcff.zip", 7, "0" * 64)
HANDLING = Handling(3, 17, "host", 1.5, 2.5, 3.5, 0.25, None, ["python3", "x.py"], None, "utf-8", 4096)
FILES = ["p\udcff.zip", "folder/file", "empty/"]


def test_a_receipt_is_read_as_it_was_written_whatever_the_names_are() -> None:
    text = text_of(IDENTITY, ZIP, FILES, HANDLING)
    assert text.isascii()
    receipt = parse(text.encode())
    assert receipt is not None
    assert (receipt.identity, receipt.zip, list(receipt.sender_files)) == (IDENTITY, ZIP, FILES)
    assert (receipt.attempts, receipt.queued_at, receipt.handled_at) == (3, 1.5, 3.5)


def test_what_programs_read_in_it() -> None:
    document = json.loads(text_of(IDENTITY, ZIP, FILES, HANDLING))
    assert (document["schema"], document["revision"], document["exit_status"]) == (1, 2, 0)
    assert document["seconds"] == {"extract": 0.25, "handle": None}
    assert document["handled_at"] == "1970-01-01T00:00:03.500+00:00"
    assert document["sizes"] == {"zip": 7, "package": 4096}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "../p"},
        {"name": "p" * 256},
        {"package": ""},
        {"package": 1},
        {"revision": 0},
        {"revision": "2"},
        {"revision": 10**30},
        {"source": ".."},
        {"zip": "a/b.zip"},
        {"sender_files": ["a", "../b"]},
        {"sender_files": ["/etc/passwd"]},
        {"sender_files": ["a//b"]},
        {"sender_files": ["a\0"]},
        {"sender_files": [["a"]]},
        {"sender_files": 7},
        {"sizes": None},
        {"queued_at": "yesterday"},
        {"attempts": -1},
    ],
)
def test_what_cannot_be_true_is_no_receipt(changed: dict[str, Any]) -> None:
    document = json.loads(text_of(IDENTITY, ZIP, FILES, HANDLING)) | changed
    assert parse(json.dumps(document).encode()) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"schema": 1}'])
def test_what_is_no_receipt_at_all_is_none(text: bytes) -> None:
    assert parse(text) is None
