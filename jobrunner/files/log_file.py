"""A log that jobrunner writes itself, and that others rotate."""

import os
from contextlib import suppress

from jobrunner.domain.home_rights import Rights
from jobrunner.linux import at

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LogFile:
    """Goes on in the file that lies at its path: in a new one after a rename, at the end of one that was cut."""

    def __init__(self, path: str, rights: Rights) -> None:
        """Open the file. One that is made gets these rights; one that is there keeps its own. Raises OSError."""
        self._path = path
        self._rights = rights
        self._file = self._opened()

    def write(self, data: bytes) -> int:
        """Append some of the data, and return how many bytes. Raises OSError."""
        if not self._is_in_place():
            self._file = at.replaced(self._file, self._opened())
        try:
            return os.write(self._file, data)
        except OSError as error:
            error.filename = self._path
            raise

    def _is_in_place(self) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        return False

    def _opened(self) -> int:
        try:
            made = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(self._path, _FLAGS)
        if self._rights.group is not None:
            os.fchown(made, -1, self._rights.group)
        os.fchmod(made, self._rights.file)
        return made
