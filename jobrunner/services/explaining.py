"""Explains where a package is and why it is not further, whatever it is called by. Changes nothing."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from jobrunner.domain.errors import in_words
from jobrunner.domain.explanation import AtWork, Elsewhere, Explanation, InInbox, Kind, OfJob, Unknown
from jobrunner.domain.filters import Standing
from jobrunner.domain.job import State
from jobrunner.domain.lack import Lack
from jobrunner.domain.naming import closest, is_junk, meant_by, received
from jobrunner.domain.package import unshown
from jobrunner.domain.settings import Settings
from jobrunner.domain.status import Delivery
from jobrunner.files.comparing import compare
from jobrunner.files.delivery import TAKEN_PREFIX
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.files.inventory import failed_as
from jobrunner.services.intake import Intake
from jobrunner.services.report import Report
from jobrunner.store.store import Store

_LONGEST_NAME = 255  # bytes, on Linux
_NO_NAMES = {"", ".", ".."}
#: Names that an unknown one is compared with: so many of the inbox, and of the database on each side of it.
_MOST_OF_INBOX = 2_000
_MOST_OF_DATABASE = 100
_MOST_CLOSE = 3
#: What may never become complete, so that it matters when it changed last.
_MAY_HAVE_STOPPED = {Lack.RECEIVING, Lack.NO_MARKER, Lack.NO_ZIP, Lack.OTHER_ZIP}


class Explaining:
    """Looks for a name in the database and in the folders."""

    def __init__(
        self, settings: Settings, store: Store, folders: Folders, inbox: Inbox, intake: Intake, report: Report
    ) -> None:
        self._settings = settings
        self._store = store
        self._folders = folders
        self._inbox = inbox
        self._intake = intake
        self._report = report

    def explain(self, text: str, *, with_comparison: bool = False) -> Explanation:
        """Return where a package is that is named, or whose path is given, as we show it or as it is.

        `with_comparison`: what a duplicate holds is compared with what lies in the archive; then OSError is raised
        where that cannot be read. Raises StoreError.
        """
        names = self.meant_by(text)
        # twice: what is queued and taken between a look at the jobs and one at the inbox is in neither
        explanation = self._found(names) or self._found(names)
        if explanation is None:
            return self._unknown(names[0] if names else text)
        return self._compared(explanation) if with_comparison else explanation

    def _found(self, names: Sequence[str]) -> Explanation | None:
        known = {name: job for name in names if (job := self._store.jobs.find(name))}
        lying = self._lying(names)
        at_work = self._at_work()
        for name in names:
            of_job = self._of_job(known[name].id, at_work) if name in known else None
            found = (self._in_inbox(name, of_job, at_work) if name in lying else None) or of_job
            if explanation := found or self._elsewhere(name, at_work):
                return explanation
        return None

    def _compared(self, explanation: Explanation) -> Explanation:
        match explanation:
            case InInbox(Kind.DUPLICATE, known=OfJob(Kind.DONE) as known):
                archived = self._folders.archived(known.name)
                comparison = compare(self._inbox.folder, explanation.name, archived, f"{explanation.name}.zip")
                return explanation._replace(comparison=comparison)
        return explanation

    def meant_by(self, text: str) -> list[str]:
        """Return the names that a text may mean, the likeliest first."""
        found: dict[str, None] = {}
        for given in (unshown(text), text):
            if "\0" in given:
                continue
            name = self._name_at(given) if "/" in given else given
            found |= dict.fromkeys(meant_by(name, self._settings.intake.incomplete_suffix))
        return [name for name in found if name not in _NO_NAMES and len(os.fsencode(name)) <= _LONGEST_NAME]

    def _name_at(self, path: str) -> str:
        """Return which package a path means, from here or from the home; of one elsewhere its last part."""
        at_home = os.path.join(self._settings.home, path)
        return self._folders.name_at(path) or self._folders.name_at(at_home) or os.path.basename(path.rstrip("/"))

    def _lying(self, names: Sequence[str]) -> Sequence[str]:
        """Return which of these names lie in the inbox; none where it cannot be looked into."""
        with suppress(OSError):
            return self._inbox.among(names)
        return ()

    def _in_inbox(self, name: str, of_job: OfJob | None, at_work: AtWork) -> InInbox | None:
        """Explain what lies in the inbox under a name; None where it is the package of the job."""
        found = self._kind_in_inbox(name)
        if found is None:
            return None
        kind, delivery = found
        changed_at = becomes = beside = None
        if kind in _MAY_HAVE_STOPPED:
            with suppress(OSError):
                changed_at = self._inbox.changed_at(name, time.time())
        if kind is Lack.RECEIVING:
            becomes = received(name, self._settings.intake.incomplete_suffix)
            later = self._store.jobs.find(becomes)
            of_job = self._of_job(later.id, at_work) if later else of_job
        if kind is Lack.NO_ZIP:
            beside = next(iter(self._lying([f"{name}.zip", f"{name}.ZIP"])), None)
        path = os.path.join(self._inbox.folder, name)
        return InInbox(kind, delivery, path, at_work, changed_at, becomes, beside, of_job)

    def _kind_in_inbox(self, name: str) -> tuple[Kind | Lack, Delivery] | None:
        if self._inbox.ignores(name):
            return _kind_of_ignored(name), Delivery(name, None)
        try:
            survey = self._intake.survey([name])
        except OSError as error:
            return Lack.UNREADABLE, Delivery(name, f"it cannot be read: {in_words(error)}", lack=Lack.UNREADABLE)
        if survey.duplicates or survey.new:
            return Kind.DUPLICATE if survey.duplicates else Kind.UNSCANNED, Delivery(name, None)
        return next(((delivery.lack, delivery) for delivery in survey.incomplete if delivery.lack), None)

    def _of_job(self, job_id: int, at_work: AtWork) -> OfJob:
        (listed,) = self._store.listing.read([job_id], self._store.now())
        job, standing = listed.job, listed.standing
        found = OfJob(
            Kind(standing), self._report.story(job), listed.reached_at, at_work, self._settings.retry.max_attempts
        )
        if job.verdict and job.state in {State.QUEUED, State.RUNNING}:
            found = found._replace(kind=Kind.CONDEMNED)
        elif standing is Standing.QUEUED and at_work.pause:
            found = found._replace(kind=Kind.PAUSED)
        elif standing is Standing.QUEUED and not at_work.workers:
            found = found._replace(kind=Kind.NO_WORKER)
        elif standing is Standing.QUEUED and at_work.are_held_up:
            found = found._replace(kind=Kind.HELD_UP)
        elif job.worker_id is not None and not self._store.workers.get(job.worker_id).process.lives():
            found = found._replace(kind=Kind.WORKER_DEAD)
        if standing is Standing.QUEUED:
            return found._replace(ahead=self._store.jobs.ahead_of(job, self._store.now()))
        if standing is Standing.RUNNING:
            running = next((each for each in self._report.running() if each.job.id == job.id), None)
            return found._replace(running=running)
        return found

    def _at_work(self) -> AtWork:
        workers = self._store.workers.not_ended()
        living = [worker for worker in workers if worker.process.lives()]
        are_held_up = bool(living) and all(worker.trouble for worker in living)
        pause = self._store.pauses.in_force(self._store.now().wall)
        return AtWork(len(living), self._report.troubles(workers), are_held_up, pause)

    def _elsewhere(self, name: str, at_work: AtWork) -> OfJob | Elsewhere | None:
        """Explain what lies in archive/ or failed/ under the name of no job."""
        archived, failed = self._folders.archived(name), os.path.join(self._folders.failed, name)
        if os.path.lexists(archived):
            return Elsewhere(Kind.WITHOUT_JOB, name, archived)
        if not os.path.lexists(failed):
            return None
        job = None
        with suppress(OSError):
            identity = failed_as(self._folders, name)
            job = self._store.jobs.find(identity.name if identity else name)
        if job is None:
            return Elsewhere(Kind.WITHOUT_JOB, name, failed)
        of_job = self._of_job(job.id, at_work)
        return of_job if job.failed_name == name else Elsewhere(Kind.PUT_ASIDE, name, failed, of_job)

    def _unknown(self, name: str) -> Unknown:
        others = self._store.jobs.near(name, _MOST_OF_DATABASE)
        with suppress(OSError):
            others += (each for each in self._inbox.first(_MOST_OF_INBOX) if not self._inbox.ignores(each))
        places = (self._inbox.folder, self._folders.archive, self._folders.failed)
        unread = [place for place in places if not os.access(place, os.R_OK | os.X_OK)]
        searched = [str(self._store.database.path), *(place for place in places if place not in unread)]
        return Unknown(name, closest(name, others, _MOST_CLOSE), searched, unread)


def _kind_of_ignored(name: str) -> Kind:
    if name.startswith(TAKEN_PREFIX):
        return Kind.COPIED
    if name.startswith("."):
        return Kind.HIDDEN
    return Kind.JUNK if is_junk(name) else Kind.IGNORED
