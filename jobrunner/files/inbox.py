"""The inbox as it lies there: which deliveries are complete, and what the others lack."""

import errno
import math
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

from jobrunner.domain.errors import Incomplete
from jobrunner.domain.lack import Lack
from jobrunner.domain.naming import JUNK, PART_OF_ZIPS, Patterns, zip_among
from jobrunner.domain.package import MAX_NAME_BYTES, shown
from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Contents, Delivery
from jobrunner.files import delivery
from jobrunner.files.contents import contents_of, newest_change
from jobrunner.files.folders import MOST_NAMES
from jobrunner.files.lacking import Lacking
from jobrunner.files.stillness import Stillness
from jobrunner.linux import at

#: What lies there was refused, and is as it was then.
REFUSED = "it was refused as it is: jobrunner show says why; change it, or raise the limit and retry it"

_MOST_ASKED = 1_000
_SHORT = MAX_NAME_BYTES // 4  #: characters, of at most four bytes each
_BATCH = 1_000
#: Seconds for which what has been seen incomplete must be still: a zip may have its end before its middle, and senders
#: set the times of what they have written.
_BETWEEN_WRITES = 1.0


#: Says of an open file of so many bytes why it may be a zip that is not all there yet, None if it has its end.
Unfinished = Callable[[int, int], str | None]


class Inbox:
    """The folder into which senders deliver. Only read here."""

    def __init__(
        self,
        folder: str,
        settings: IntakeSettings,
        unfinished: Unfinished,
        *,
        takes: bool = True,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` counts seconds and cannot be set.

        `takes`: it is our user who takes the packages; of another one's rights we know nothing.
        """
        self.folder = folder
        self._settings = settings
        self._partial = Patterns.of_ends(settings.incomplete_suffix)
        self._ignored = Patterns((*JUNK, *settings.ignore))
        self._marker = Patterns([settings.marker]) if settings.marker else None
        self._unfinished = unfinished
        self._takes = takes
        self._ticks = ticks
        self._still = Stillness(max(settings.stillness, settings.broken_after, _BETWEEN_WRITES), ticks)
        self._lacking = Lacking()
        self._listed_at = 0.0

    def names(self, besides: Iterable[str] = ()) -> Iterator[str]:
        """Return what lies in the inbox `besides` these names, as `batches` have it. Raises OSError."""
        return chain.from_iterable(self.batches(besides))

    def batches(self, besides: Iterable[str] = (), *, only_changed: bool = False) -> Iterator[list[str]]:
        """Yield what lies in the inbox `besides` these names, many at once; hidden and ignored ones are left out.

        Each batch has to be looked at before the next is asked for: behind the last one, what was known before the pass
        is forgotten. Raises OSError.

        `only_changed`: of very many that lacked something at the last look, those that are unchanged are left out, too.
        """
        known = set(besides)
        gone = self._still.names()
        self._lacking.begin()
        with at.held(at.open_root(self.folder)) as inbox, os.scandir(inbox) as entries:
            while found := {entry.name: entry for entry in islice(entries, _BATCH)}:
                names = [n for n in found if n not in known and n[0] != "." and not self._ignored.match(n)]
                gone.difference_update(names)
                yield [n for n in names if not (only_changed and self._lacking.is_unchanged(found[n]))]
        for name in gone:
            self._still.forget(name)
        self._lacking.end()
        self._listed_at = self._ticks()

    def lacked(self, name: str) -> bool:
        """Say whether what has this name lacked something when it was last seen."""
        return name in self._lacking or name in self._still

    def unsettled(self) -> set[str]:
        """Return the names of what lacked something, at the last look at it, that may come in a moment."""
        return self._still.unsettled()

    def among(self, names: Iterable[str]) -> list[str]:
        """Return those of these names that lie in the inbox, hidden and ignored ones included. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return [name for name in names if os.access(name, os.F_OK, dir_fd=inbox, follow_symlinks=False)]

    def count(self) -> int:
        """Return how many entries the inbox has, whatever they are. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return at.count(inbox)

    def first(self, most: int) -> list[str]:
        """Return up to so many names of what lies in the inbox. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return at.names(inbox, most=most)

    def ignores(self, name: str) -> bool:
        """Say whether what has this name is no delivery, whatever it is: a hidden name, or one that is set to be so."""
        return name.startswith(".") or self._ignored.match(name)

    def changed_at(self, name: str, now: float) -> float:
        """Return when a delivery changed last, in seconds since 1970. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox, at.held(at.open_folder(inbox, name)) as folder:
            return newest_change(folder, now, _MOST_ASKED)

    def look_at(
        self, names: Iterable[str], now: float, *, only_complete: bool = False, only_once: bool = False
    ) -> list[Delivery]:
        """Return the deliveries of these names; what has gone meanwhile is left out.

        `only_complete`: so is what lacks something. `only_once`: the caller does not look again, so whether one is
        arriving is not looked at, nor need it be remembered. Both are faster. Raises OSError for an unreadable inbox.
        """
        deliveries = []
        with at.held(at.open_root(self.folder)) as inbox:
            for name in names:
                try:
                    found = self._delivery(inbox, name, now, only_complete=only_complete, only_once=only_once)
                except FileNotFoundError:
                    self._still.forget(name)
                    continue
                except PermissionError:
                    found = self._locked(inbox, name)
                except OSError as error:
                    found = Delivery(name, f"it cannot be read: {error.strerror}", lack=Lack.UNREADABLE)
                if found and not (only_complete and found.lacking):
                    deliveries.append(found)
        return deliveries

    def is_refused(self, name: str, fingerprint: str) -> bool:
        """Say whether a delivery is still as it was when it was refused. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return delivery.fingerprint(inbox, name) == fingerprint

    def contents(self, name: str) -> Contents | None:
        """Return what lies there of a delivery, None where that cannot be seen."""
        with suppress(OSError), at.held(at.open_root(self.folder)) as inbox:
            return contents_of(inbox, name)
        return None

    def _delivery(self, inbox: int, name: str, now: float, *, only_complete: bool, only_once: bool) -> Delivery | None:
        try:
            folder = at.open_folder(inbox, name)
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                lacking = "not a folder: a package is a folder NAME with NAME.zip in it"
                return Delivery(name, lacking, lack=Lack.NO_FOLDER)
            raise
        try:  # `held` would take 0.5 of some 7 microseconds, and there may be millions
            if only_once and only_complete and at.lacks(folder, PART_OF_ZIPS):
                return None
            if self._partial.match(name):
                return Delivery(name, "still being received", lack=Lack.RECEIVING)
            if len(name) > _SHORT and len(os.fsencode(name)) > MAX_NAME_BYTES:
                lacking = f"its name has over {MAX_NAME_BYTES} bytes: no zip in it can be named like it"
                return Delivery(name, lacking, lack=Lack.LONG_NAME)
            return self._in_folder(inbox, folder, name, now, only_complete=only_complete, only_once=only_once)
        finally:
            os.close(folder)

    def _in_folder(
        self, inbox: int, folder: int, name: str, now: float, *, only_complete: bool, only_once: bool
    ) -> Delivery | None:
        status = os.fstat(folder)
        if only_complete and at.lacks(folder, PART_OF_ZIPS):
            self._note_lack(name, status, now)
            return None
        entries = at.names(folder, most=MOST_NAMES)
        try:
            self._require_all(entries)
            zip_name = zip_among(entries, name, any_name=self._settings.any_zip)
        except Incomplete as error:
            self._note_lack(name, status, now)
            if only_complete:
                return None
            os.stat(name, dir_fd=inbox, follow_symlinks=False)  # raises where the whole folder has gone
            still = math.inf if only_once else self._seconds_still(name, newest_change(folder, now, _MOST_ASKED), now)
            is_arriving = still < self._settings.broken_after
            return Delivery(name, str(error), is_arriving=is_arriving, lack=error.lack, found=error.found)
        if self._takes and (lacking := delivery.obstacle(inbox, folder, name)):
            return Delivery(name, lacking, lack=Lack.NOT_OURS)
        zip_status, unfinished = self._look_at_zip(folder, zip_name)
        wanted = self._settings.stillness
        if name in self._still or name in self._lacking:  # it was seen incomplete: it is written where it lies
            wanted = max(wanted, _BETWEEN_WRITES)
        if unfinished:
            wanted = max(wanted, self._settings.broken_after)
        if wanted:
            still = self._seconds_still(name, newest_change(folder, now), now)
            if still < wanted:
                why = f"{unfinished}; its rest may come" if unfinished else "settling"
                return Delivery(
                    name,
                    f"{why}: unchanged for {still:.0f} of {wanted:g} s",
                    is_arriving=True,
                    lack=Lack.UNFINISHED_ZIP if unfinished else Lack.SETTLING,
                    unchanged=(still, wanted),
                )
        return Delivery(name, None, zip_status.st_mtime)

    def _locked(self, inbox: int, name: str) -> Delivery:
        if self._takes:
            return Delivery(name, delivery.locked(inbox, name), lack=Lack.NOT_OURS)
        return Delivery(name, "only jobrunner's user may look into it", lack=Lack.UNREADABLE)

    def _require_all(self, entries: Sequence[str]) -> None:
        """Raise Incomplete where what a delivery holds shows by its names that it is not complete."""
        if partial := next(filter(self._partial.match, entries), None):
            raise Incomplete(Lack.RECEIVING, f"still being received: {shown(partial)} is in it", [partial])
        if self._marker and not any(map(self._marker.match, entries)):
            raise Incomplete(Lack.NO_MARKER, f"its marker is not there yet: {self._settings.marker}")

    def _look_at_zip(self, folder: int, name: str) -> tuple[os.stat_result, str | None]:
        """Return a zip's status, and why it may not be all there yet. What cannot be read is for the attempt to say."""
        try:
            opened = at.open_file(folder, name)
        except OSError:
            return at.status(folder, name), None
        with at.held(opened):
            status = os.fstat(opened)
            is_file = stat.S_ISREG(status.st_mode)
            return status, self._unfinished(opened, status.st_size) if is_file else None

    def _note_lack(self, name: str, status: os.stat_result, now: float) -> None:
        """Note that a delivery lacks something; `status`: of its folder, before what is in it was listed."""
        self._lacking.note(name, self._lacking.mark(status, now))
        self._still.note_lack(name, now - status.st_ctime)

    def _seconds_still(self, name: str, changed_at: float, now: float) -> float:
        return self._still.seconds(name, changed_at, now, self._listed_at if name in self._lacking else None)
