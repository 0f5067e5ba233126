"""The users of the dashboard: those of a file, and the sessions of those who have logged in."""

import secrets
import time
from collections import OrderedDict
from contextlib import suppress

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown
from jobrunner.domain.web import NOBODY, Entry, User, entry_of
from jobrunner.wiring.dashboard import state_of, users_text

_MOST_USERS = 1000
_MOST_SESSIONS = 1000
_SESSION_SECONDS = 12 * 3600.0


class Users:
    """The users of a file, a line for each. It is read again when it has changed; a wrong one does not count."""

    def __init__(self, path: str) -> None:
        """Raise ConfigurationError where the file cannot be read, or is wrong."""
        self._path = path
        self._state: object = None
        self._entries: list[Entry] = []
        self._read()

    def by_password(self, name: str, password: str) -> User | None:
        """Return the user with this name and password. It takes as long where there is none of that name."""
        self._refresh()
        named = (each for each in self._entries if each.kind == "scrypt" and each.user.name == name)
        entry = next(named, NOBODY)
        return entry.user if entry.is_proved_by(password) and entry is not NOBODY else None

    def by_token(self, token: str) -> User | None:
        """Return the user with this token."""
        self._refresh()
        proved = [each.user for each in self._entries if each.kind == "token" and each.is_proved_by(token)]
        return proved[0] if proved else None

    def knows(self, user: User | None) -> bool:
        """Say whether the file still has this user with this right."""
        self._refresh()
        return any(entry.user == user for entry in self._entries)

    def _refresh(self) -> None:
        with suppress(ConfigurationError):
            self._read()

    def _read(self) -> None:
        state = state_of(self._path)
        if state is not None and state == self._state:
            return
        lines = users_text(self._path).splitlines()
        written = [line for line in lines if line.strip() and not line.startswith("#")]
        self._entries = [self._entry(line) for line in written[:_MOST_USERS]]
        self._state = state

    def _entry(self, line: str) -> Entry:
        try:
            return entry_of(line)
        except ValueError:
            raise ConfigurationError(
                f"web.users_file: a line of {shown(self._path)} is not NAME reader|operator SECRET: "
                "jobrunner web-user prints one"
            ) from None


class Sessions:
    """Who has logged in, by the secret in their cookie; it is forgotten when the server ends."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[User, float]] = OrderedDict()

    def begin(self, user: User) -> str:
        """Return the secret of a new session; with very many, the oldest one ends."""
        secret = secrets.token_urlsafe(32)
        self._open[secret] = user, time.monotonic() + _SESSION_SECONDS
        while len(self._open) > _MOST_SESSIONS:
            self._open.popitem(last=False)
        return secret

    def user(self, secret: str) -> User | None:
        """Return whose session this is."""
        user, until = self._open.get(secret, (None, 0.0))
        return user if time.monotonic() < until else None

    def end(self, secret: str) -> None:
        """End a session."""
        self._open.pop(secret, None)
