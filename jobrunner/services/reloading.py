"""The settings of a process that goes on: it notices that their file has changed, and takes it over where asked to."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.events import SettingsChanged, SettingsRefused, SettingsTaken
from jobrunner.domain.reload import WORKING, Reloaded, changes, merged
from jobrunner.domain.settings import Settings
from jobrunner.files import settings_file
from jobrunner.services.registration import Registration
from jobrunner.services.serving import Serving


class Found(NamedTuple):
    """Settings as their file has them now, and the state of that file; None: there is none."""

    settings: Settings
    state: str | None


class Reloading:
    """One process's. `settings` are those to go on with, and never change but in `look`."""

    def __init__(
        self,
        settings: Settings,
        file: str,
        find: Callable[[], Found],
        verify: Callable[[Settings], object],
        emit: Emit,
        serving: Serving,
        *,
        concerning: Sequence[str] = WORKING,
        given: int | None = None,
    ) -> None:
        """`settings`: what the process has started with, of which the sections `concerning` it are looked at.

        `given`: the number of workers that -n asks for, if it does.

        `find` reads the settings again, and `verify` raises ConfigurationError where they cannot be worked with; both
        may raise OSError. `serving` is told when that begins and ends.
        """
        self.settings = settings
        self.state: str | None = None
        self._seen: str | None = None
        self._file = file
        self._find = find
        self._verify = verify
        self._emit = emit
        self._serving = serving
        self._concerning = concerning
        self._given = given
        self._notice()  # of which state the settings are

    @property
    def workers(self) -> int:
        """How many workers there are to be."""
        return self.settings.work.workers if self._given is None else self._given

    def look(self, registration: Registration, *, at_once: bool = False) -> Reloaded | None:
        """Say it once if the file has changed, and take it over if that is asked for: return how, else None.

        `at_once`: a signal asks for it, and not the process's row. Raises StoreError.
        """
        before = self.state
        asked = registration.asked_to_reload()
        if not (asked or at_once):
            self._notice()
            if self.state != before:
                registration.note_settings(self.state, self.workers)
            return None
        with self._serving.reloading():
            reloaded = self._reload()
        registration.note_settings(self.state, self.workers)
        registration.answer(asked, reloaded)
        self._emit(SettingsTaken(reloaded.in_words()))
        return reloaded

    def _notice(self) -> None:
        try:
            state = settings_file.state(self._file)
        except OSError:  # the home cannot be reached, which others say
            return
        if state == self._seen:
            return
        self._seen = state
        try:
            found = self._find()
        except (ConfigurationError, OSError) as error:
            self._emit(SettingsRefused(_words(error)))
            return
        differing = changes(self.settings, found.settings, self._concerning)
        if differing.taken or differing.restart:
            keys = ", ".join([*differing.taken, *differing.restart])
            self._emit(SettingsChanged(keys, restart=bool(differing.restart)))
        else:
            self.state = found.state

    def _reload(self) -> Reloaded:
        with suppress(OSError):
            self._seen = settings_file.state(self._file)
        try:
            found = self._find()
            settings = merged(self.settings, found.settings)
            self._verify(settings)
        except (ConfigurationError, OSError) as error:
            return Reloaded(error=_words(error))
        differing = changes(self.settings, found.settings, self._concerning)
        self.settings, self._seen = settings, found.state
        if not differing.restart:
            self.state = found.state
        number_stays = self._given is not None and "work.workers" in differing.taken
        taken = [key for key in differing.taken if not (number_stays and key == "work.workers")]
        return Reloaded(taken, differing.restart, self._given if number_stays else None)


def _words(error: ConfigurationError | OSError) -> str:
    return in_words(error) if isinstance(error, OSError) else str(error)
