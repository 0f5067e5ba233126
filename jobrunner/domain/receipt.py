"""The receipt that lies beside a package: what it is, how it came there, and which files are its sender's."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from jobrunner.domain.job import Identity
from jobrunner.domain.package import MAX_NAME_BYTES

SCHEMA = 1
#: A line for each value; json's own indent takes ten times as long.
_ENCODER = json.JSONEncoder(separators=(",\n ", ": "))


class Handling(NamedTuple):
    """How an attempt went that has succeeded.

    `handler` is the command or the callable of the settings, None without one; `node`: of a cluster, where it ran.
    Times are seconds since 1970.
    """

    attempt: int
    worker_pid: int
    host: str
    queued_at: float
    started_at: float
    handled_at: float
    extract_seconds: float | None
    handle_seconds: float | None
    handler: Sequence[str] | str | None
    node: str | None
    encoding: str | None
    package_bytes: int


class Zip(NamedTuple):
    """The sender's zip: its name beside the receipt, its bytes, and their SHA-256 in hexadecimal digits."""

    name: str
    size: int
    sha256: str


class Receipt(NamedTuple):
    """What a receipt says to us. `sender_files`: paths from its folder on, those of empty folders end in a slash.

    `attempts` is the number of the newest attempt. Times are seconds since 1970, None where they are not told.
    """

    identity: Identity
    zip: Zip
    sender_files: Sequence[str]
    attempts: int
    queued_at: float | None
    handled_at: float | None


def text_of(identity: Identity, zip_: Zip, sender_files: Sequence[str], handling: Handling | None) -> str:
    """Return a receipt as JSON, in ASCII; a name that is not UTF-8 has its bytes as Python does (PEP 383)."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "package": identity.package,
        "revision": identity.revision,
        "name": identity.name,
        "source": identity.source,
    }
    if handling:
        document |= {
            "attempts": handling.attempt,
            "worker_pid": handling.worker_pid,
            "host": handling.host,
            "queued_at": _utc(handling.queued_at),
            "started_at": _utc(handling.started_at),
            "handled_at": _utc(handling.handled_at),
            "seconds": {"extract": _rounded(handling.extract_seconds), "handle": _rounded(handling.handle_seconds)},
            "handler": handling.handler,
            "node": handling.node,
            "exit_status": None if handling.handler is None else 0,
            "encoding": handling.encoding,
        }
    document |= {
        "sizes": {"zip": zip_.size, "package": handling and handling.package_bytes},
        "zip": zip_.name,
        "zip_sha256": zip_.sha256,
        "sender_files": list(sender_files),
    }
    return _ENCODER.encode(document) + "\n"


def parse(text: bytes) -> Receipt | None:
    """Return what a receipt says; None where it is none. It may come from anybody: nothing in it is believed yet."""
    try:
        document = json.loads(text)
        identity = Identity(
            _name(document["name"]),
            _name(document["package"]),
            _count(document["revision"]),
            None if document["source"] is None else _name(document["source"]),
        )
        zip_ = Zip(_name(document["zip"]), int(document["sizes"]["zip"]), str(document["zip_sha256"]))
        return Receipt(
            identity,
            zip_,
            [_path(path) for path in document["sender_files"]],
            _count(document.get("attempts", 1)),
            _time(document.get("queued_at")),
            _time(document.get("handled_at")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _time(text: object) -> float | None:
    return None if text is None else datetime.fromisoformat(str(text)).timestamp()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value < 10**18:
        raise ValueError(value)
    return value


def _name(value: object) -> str:
    """Return a name that can be that of a package or a file; raises ValueError for any other."""
    if not isinstance(value, str) or value in {"", ".", ".."} or "/" in value or "\0" in value:
        raise ValueError(value)
    if len(value.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES + len(".zip"):
        raise ValueError(value)
    return value


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    for part in value.removesuffix("/").split("/"):
        _name(part)
    return value
