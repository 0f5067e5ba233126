"""Who logs in with a password: one try at a time, and slower after each that was wrong."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

from jobrunner.web.users import Sessions, Users

#: Seconds that a wrong try costs, doubled for each one after it, up to the longest; forgotten after that.
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_FORGOTTEN = 600.0
_MOST_REMEMBERED = 10_000
_MOST_WAITING = 20
#: Characters of a name or password.
_LONGEST = 200


class Logins:
    """Begins sessions."""

    def __init__(self, users: Users | None, sessions: Sessions) -> None:
        self._users = users
        self._sessions = sessions
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._one_by_one = asyncio.Lock()
        self._waiting = 0

    async def begin(self, name: str, password: str, address: str) -> str | None:
        """Return the secret of a new session, None where name and password are wrong, or are tried too often."""
        if self._users is None or self._waiting >= _MOST_WAITING or max(len(name), len(password)) > _LONGEST:
            return None
        keys = (f"name {name}", f"address {address}")
        self._waiting += 1
        try:
            async with self._one_by_one:
                return await self._tried(self._users, name, password, keys)
        finally:
            self._waiting -= 1

    async def _tried(self, users: Users, name: str, password: str, keys: Sequence[str]) -> str | None:
        if any(self._is_too_early(key) for key in keys):
            return None
        user = await asyncio.to_thread(users.by_password, name, password)
        if user is None:
            for key in keys:
                self._note(key)
            return None
        for key in keys:
            self._wrong.pop(key, None)
        return self._sessions.begin(user)

    def _is_too_early(self, key: str) -> bool:
        times, at = self._wrong.get(key, (0, 0.0))
        delay = min(_FIRST_DELAY * 2.0 ** (times - 1), _LONGEST_DELAY) if times else 0.0
        return time.monotonic() < at + delay

    def _note(self, key: str) -> None:
        times, at = self._wrong.pop(key, (0, 0.0))
        self._wrong[key] = (times + 1 if time.monotonic() - at < _FORGOTTEN else 1), time.monotonic()
        while len(self._wrong) > _MOST_REMEMBERED:
            self._wrong.popitem(last=False)
