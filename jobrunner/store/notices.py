"""Notices that have not got to their receivers, and the failures that no notice tells of yet."""

import json
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

from jobrunner.domain.moment import Moment
from jobrunner.domain.notice import GivenUp, Kind, Undelivered, Waiting
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

_BATCH = 1000
_MOST_GIVEN_UP = 100
#: A later time than in so many seconds was set by a clock that was wrong.
_HORIZON = 7200.0


class PendingNotice(NamedTuple):
    """A notice that is to be sent by one channel, as JSON. So many `tries` have been begun before, or with this one."""

    id: int
    kind: str
    document: str
    tries: int
    due_at: float


class Failure(NamedTuple):
    """A job that failed at a time (seconds since 1970), and that no notice tells of yet."""

    id: int
    name: str
    package: str
    error: str
    failed_at: float


class Notices:
    """The tables of notices. Methods that change them are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("notices")

    def note_failure(self, name: str, error: str, now: float) -> None:
        """Record that a package has failed of which a notice is to tell."""
        self._database.execute(
            self._statements["note_failure"], {"name": os.fsencode(name), "error": error, "now": now}
        )

    def last_unnoticed(self) -> int | None:
        """Return the id of the newest failure that no notice tells of, None where there is none."""
        last = self._database.one(self._statements["last_unnoticed"])["last"]
        return None if last is None else int(last)

    def unnoticed(self, last: int) -> Iterator[Failure]:
        """Yield the failures up to an id that no notice tells of, in their order."""
        after = 0
        while found := self._database.rows(
            self._statements["unnoticed"], {"after": after, "last": last, "most": _BATCH}
        ):
            for row in found:
                yield Failure(**row | {key: os.fsdecode(row[key]) for key in ("name", "package")})
            after = found[-1]["id"]

    def take_failures(self, last: int, count: int) -> bool:
        """Forget the failures up to an id, of which a notice tells from now on.

        Return False where there are not so many: another notifier has taken them.
        """
        return bool(self._database.execute(self._statements["take_failures"], {"last": last, "count": count}))

    def add(self, kind: Kind, channel: str, document: str, now: float) -> None:
        """Record a notice that is to be sent by a channel."""
        parameters = {"kind": kind.value, "channel": channel, "document": document, "now": now}
        self._database.execute(self._statements["add"], parameters)

    def first(self, channel: str) -> PendingNotice | None:
        """Return what a channel sends next, due or not."""
        row = self._database.row(self._statements["first"], {"channel": channel})
        return PendingNotice(**row) if row else None

    def claim(self, notice: PendingNotice, now: Moment, seconds: float) -> PendingNotice | None:
        """Have a notice for so long; None where another notifier has been faster."""
        parameters = _fence(notice) | {"until": now.steady + seconds}
        claimed = self._database.execute(self._statements["claim"], parameters)
        return notice._replace(tries=notice.tries + 1) if claimed else None

    def delivered(self, notice: PendingNotice) -> None:
        """Forget a claimed notice that has got to its receiver."""
        self._database.execute(self._statements["delivered"], _fence(notice))

    def put_off(self, notice: PendingNotice, now: Moment, seconds: float, error: str | None) -> None:
        """Have a claimed notice sent again in so many seconds, because of an error or, without one, of a stop."""
        parameters = _fence(notice) | {"until": now.steady + seconds, "error": error}
        self._database.execute(self._statements["put_off"], parameters)

    def give_up(self, notice: PendingNotice, now: float, error: str) -> None:
        """Have a claimed notice not sent again."""
        self._database.execute(self._statements["give_up"], _fence(notice) | {"now": now, "error": error})

    def give_up_channel(self, channel: str, now: float, error: str) -> None:
        """Give up all that a channel has to send."""
        parameters = {"channel": channel, "now": now, "error": error}
        self._database.execute(self._statements["give_up_channel"], parameters)

    def is_in_backlog(self) -> bool:
        """Say whether a notice has told of a backlog that is not over."""
        return self._database.row(self._statements["backlog"]) is not None

    def begin_backlog(self, now: float) -> bool:
        """Record that a notice tells of a backlog; False where one has done so."""
        return bool(self._database.execute(self._statements["begin_backlog"], {"now": now}))

    def end_backlog(self) -> None:
        """Record that there is no backlog any more."""
        self._database.execute(self._statements["end_backlog"])

    def is_any_old(self, *, given_up_before: float = -math.inf, before: float = -math.inf) -> bool:
        """Say whether there is something to `forget`; it only reads."""
        parameters = {"given_up_before": given_up_before, "before": before}
        return bool(self._database.one(self._statements["is_any_old"], parameters)["found"])

    def forget(self, *, given_up_before: float = -math.inf, before: float = -math.inf) -> None:
        """Forget what was given up before a time, and all that was recorded before another (seconds since 1970)."""
        self._database.execute(self._statements["forget"], {"given_up_before": given_up_before, "before": before})
        self._database.execute(self._statements["forget_failures"], {"before": before})

    def undelivered(self) -> Undelivered:
        """Return what has not got to its receiver."""
        waiting = [Waiting(**row) for row in self._database.rows(self._statements["waiting"])]
        given_up = self._database.rows(self._statements["given_up"], {"most": _MOST_GIVEN_UP})
        return Undelivered(
            waiting,
            int(self._database.one(self._statements["given_up_count"])["count"]),
            [GivenUp(text=json.loads(row.pop("document"))["text"], **row) for row in given_up],
        )


def is_due(notice: PendingNotice, now: Moment) -> bool:
    """Say whether a notice can be claimed now; the machine may have booted with its clock set back."""
    return not now.steady < notice.due_at <= now.steady + _HORIZON


def _fence(notice: PendingNotice) -> dict[str, int]:
    return {"id": notice.id, "tries": notice.tries}
