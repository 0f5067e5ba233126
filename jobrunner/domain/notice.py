"""Notices: messages for people who are not looking, and how they are written in settings."""

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from jobrunner.domain.package import printable, shown
from jobrunner.domain.pause import Pause

SCHEMA = 1
#: Characters of a reason in a notice.
_LONGEST = 500
_URL = re.compile(r"https?://[^\s/?#@]+(?:[/?][!-~]*)?", re.ASCII)


class Kind(StrEnum):
    """What a notice is about."""

    FAILED = "failed"  #: packages have failed, but for those that were cancelled
    TROUBLE = "trouble"  #: something is wrong with the machine, and the work waits
    MENDED = "mended"  #: it is not any more
    PAUSED = "paused"  #: an operator has paused the home
    BACKLOG = "backlog"  #: a package has been in the queue for too long
    STOPPED = "stopped"  #: a run or work has ended by a signal or an error
    TEST = "test"  #: an operator tries whether notices arrive


#: The ways that notices go, by their settings.
CHANNELS = ("command", "webhook")
#: What `notify.on` can name.
CHOICES = tuple(kind.value for kind in Kind if kind is not Kind.TEST)


class Origin(NamedTuple):
    """Where a notice comes from: a home, and the machine that it is on."""

    home: str
    host: str


class Notice(NamedTuple):
    """`text` is one plain sentence, `details` are what JSON can hold. `at` is in seconds since 1970."""

    kind: Kind
    at: float
    text: str
    details: Mapping[str, Any]

    def document(self, origin: Origin) -> str:
        """Return it as JSON, in ASCII, with an id of its own: by that, whoever gets it twice sees so."""
        document = {
            "schema": SCHEMA,
            "id": os.urandom(16).hex(),
            "kind": self.kind.value,
            "time": utc(self.at),
            "home": shown(origin.home),
            "host": shown(origin.host),
            "text": printable(self.text),
            "details": self.details,
        }
        return json.dumps(document)


class GivenUp(NamedTuple):
    """A notice that never got to its receiver: its kind and text, when it was given up, and the error of the last try.

    Times are in seconds since 1970.
    """

    channel: str
    kind: str
    text: str
    given_up_at: float
    error: str | None


class Waiting(NamedTuple):
    """Notices that wait to be sent by a channel, the oldest since a time; `error`: of the last try, if one failed."""

    channel: str
    total: int
    since: float
    error: str | None


class Undelivered(NamedTuple):
    """The notices that have not got to their receiver: those that wait, and those given up, the newest of them."""

    waiting: Sequence[Waiting]
    given_up_count: int
    given_up: Sequence[GivenUp]


def of_pause(pause: Pause, home: str) -> Notice:
    """Return what is told of a pause that has begun, or has got another end or reason."""
    until = f" until {_clock(pause.until)}" if pause.until is not None else ""
    details = {
        "since": utc(pause.since),
        "until": None if pause.until is None else utc(pause.until),
        "reason": pause.reason,
        "resume": f"{command(home)} resume",
    }
    words = f"{shown(home)} is paused{until}, and nothing is claimed"
    return Notice(Kind.PAUSED, pause.since, f"{words}: {pause.reason}" if pause.reason else words, details)


def of_backlog(oldest: str, since: float, queued: int, now: float, home: str) -> Notice:
    """Return what is told of a queue whose oldest package has been in it since a time; so many are queued."""
    details = {"oldest": shown(oldest), "since": utc(since), "queued": queued, "explain": _explain(home, oldest)}
    waits = f"{shown(oldest)} has been in the queue since {_clock(since)}"
    return Notice(Kind.BACKLOG, now, f"{waits}, as the oldest of {queued:,} packages in {shown(home)}", details)


def of_troubles(troubles: Sequence[str], times: int, now: float, home: str) -> Notice:
    """Return what is told of what is wrong with the machine; it came so many times since that was told last."""
    told = [brief(trouble) for trouble in troubles]
    again = f" ({times:,} times by now)" if times > 1 else ""
    details = {"troubles": told, "times": times, "status": f"{command(home)} status"}
    return Notice(Kind.TROUBLE, now, f"the work in {shown(home)} waits{again}: {'; '.join(told)}", details)


def of_mended(now: float, home: str) -> Notice:
    """Return what is told when nothing is wrong with the machine any more."""
    return Notice(
        Kind.MENDED, now, f"nothing is wrong with the machine any more: the work in {shown(home)} goes on", {}
    )


def of_stop(command: str, by: str | None, error: str | None, now: float, home: str) -> Notice:
    """Return what is told when a run or work has ended by a signal, or for an error."""
    how = f"was stopped by {by}" if by else f"has stopped: {brief(error or '')}"
    details = {"command": command, "pid": os.getpid(), "signal": by, "error": error and brief(error)}
    return Notice(Kind.STOPPED, now, f"jobrunner {command} in {shown(home)} {how}", details)


def of_test(now: float, home: str) -> Notice:
    """Return a notice that only shows that notices arrive."""
    return Notice(Kind.TEST, now, f"this is a test: notices of {shown(home)} arrive here", {})


def command(home: str) -> str:
    """Return the words that begin a command in a home, wherever they are pasted."""
    return f"jobrunner --home {shlex.quote(shown(home))}"


def _explain(home: str, name: str) -> str:
    return f"{command(home)} explain -- {shlex.quote(shown(name))}"


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M %z")


def utc(seconds: float) -> str:
    """Return a time, in seconds since 1970, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def brief(reason: str) -> str:
    """Return a reason as it stands in a notice: printable, and not longer than a person reads."""
    reason = printable(reason)
    return reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"


def kinds(value: object) -> tuple[str, ...]:
    """Return kinds of notices, from a list of them, or from one text that separates them by commas or spaces."""
    if isinstance(value, str):
        value = value.replace(",", " ").split() or None
    if not isinstance(value, list) or not all(word in CHOICES for word in value):
        raise ValueError(f"a list of some of these: {', '.join(CHOICES)}")
    return tuple(value)


def webhook(value: object) -> str:
    """Return the URL of a webhook."""
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise ValueError("a URL that begins with https:// or http://, without a user name and a #")
    return value
