"""What is told with each event: when it happened, in which process, and which attempt of which job it concerns."""

import json
import os
import re
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, get_args

from jobrunner.domain.events import (
    ClaimGone,
    Event,
    EventsLost,
    GivenUp,
    Held,
    InboxPolled,
    JobCancelled,
    JobFailed,
    JobPutOff,
    JobRecovered,
    NoticeGivenUp,
    NoticesHeld,
    PackagesMissed,
    Paused,
    SettingsChanged,
    SettingsRefused,
    Trouble,
    Unwise,
    WorkerDied,
)
from jobrunner.domain.role import Role

_ERRORS = (JobFailed, GivenUp, WorkerDied, SettingsRefused, Trouble, NoticeGivenUp)
_WARNINGS = (
    *(JobPutOff, JobRecovered, JobCancelled, ClaimGone),
    *(InboxPolled, PackagesMissed, SettingsChanged, Unwise, Paused, Held, NoticesHeld, EventsLost),
)


class Level(IntEnum):
    """How bad an event is, by the number that syslog has for it."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class Envelope(NamedTuple):
    """An event as listeners get it. `emitted_at` is in seconds since 1970 (UTC); most events concern no job."""

    emitted_at: float
    pid: int
    role: Role
    job_id: int | None
    attempt: int | None
    event: Event

    @property
    def name(self) -> str:
        """The event's name, as in job-done: it stays, whatever becomes of the words for people."""
        return _NAMES[type(self.event)]

    @property
    def level(self) -> Level:
        """How bad the event is."""
        if isinstance(self.event, _ERRORS):
            return Level.ERROR
        return Level.WARNING if isinstance(self.event, _WARNINGS) else Level.INFO


Listener = Callable[[Envelope], None]


class Emit:
    """Hands events to listeners. They are called one after the other, in the process where the event happens."""

    def __init__(self, role: Role, *listeners: Listener) -> None:
        """`role`: of this process. Listeners must raise nothing, and not make it wait."""
        self._role = role
        self._listeners = listeners

    def __call__(self, event: Event, job_id: int | None = None, attempt: int | None = None) -> None:
        """Tell of an event, with the job and the attempt that it concerns, if it does."""
        self.pass_on(Envelope(time.time(), os.getpid(), self._role, job_id, attempt, event))

    def pass_on(self, envelope: Envelope) -> None:
        """Tell of an event of another process."""
        for listener in self._listeners:
            listener(envelope)

    def in_role(self, role: Role) -> "Emit":
        """Return what a process with another role has to tell the same listeners by."""
        return Emit(role, *self._listeners)


_NAMES: dict[type, str] = {kind: re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower() for kind in get_args(Event)}
_KINDS = {name: kind for kind, name in _NAMES.items()}
#: What a value may be, by the type of its field: JSON has one kind of number.
_FITTING: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}
_FITTING |= {kind | None: (*fitting, type(None)) for kind, fitting in _FITTING.items()}
_FIELDS = {kind: [_FITTING[type_] for type_ in kind.__annotations__.values()] for kind in _NAMES}
_HEAD = [(float, int), (int,), (str,), (int, type(None)), (int, type(None)), (str,)]
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # as json.loads, but in a third of the time
_SLACK = 10  # bytes, for an ellipsis


def as_line(envelope: Envelope, limit: int) -> bytes:
    """Return an envelope as a line of JSON, of at most so many bytes (1,000 or more): long texts are cut for that."""
    line = _line(envelope)
    while len(line) > limit:
        values: list[Any] = list(envelope.event)
        longest = max(range(len(values)), key=lambda at: len(values[at]) if isinstance(values[at], str) else 0)
        text = values[longest]
        room = len(_encode(text)) - (len(line) - limit) - _SLACK
        while text and len(_encode(text)) > room:
            text = text[: len(text) * 9 // 10]
        values[longest] = f"{text}…"
        envelope = envelope._replace(event=type(envelope.event)(*values))
        line = _line(envelope)
    return line


def of_line(line: bytes) -> Envelope | None:
    """Return the envelope that a line is; None where it is none, whoever wrote it."""
    try:
        text = line.decode("ascii")
        (*head, values), end = _decode(text)
        emitted_at, pid, role, job_id, attempt, name = head
        kind = _KINDS[name]
        if text[end:] not in {"", "\n"} or not (_fit(head, _HEAD) and _fit(values, _FIELDS[kind])):
            return None
        return Envelope(emitted_at, pid, Role(role), job_id, attempt, kind(*values))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _line(envelope: Envelope) -> bytes:
    text = _encode([*envelope[:5], envelope.name, envelope.event])
    return f"{text}\n".encode("ascii")


def _fit(values: list[Any], fields: list[tuple[type, ...]]) -> bool:
    return len(values) == len(fields) and all(map(tuple.__contains__, fields, map(type, values)))
