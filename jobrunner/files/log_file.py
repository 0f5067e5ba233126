"""A log that jobrunner writes itself, and that others rotate."""

import os

from jobrunner.domain.home_rights import Rights
from jobrunner.linux import at

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LogFile:
    """Opened for each piece: so it is the file that lies at the path, and no fork keeps a removed one on the disk."""

    def __init__(self, path: str, rights: Rights) -> None:
        """Make the file, which gets these rights; one that is there keeps its own. Raises OSError."""
        self._path = path
        self._rights = rights
        os.close(self._opened())

    def write(self, data: bytes) -> int:
        """Append some of the data, and return how many bytes. Raises OSError."""
        with at.held(self._opened()) as file:
            try:
                return os.write(file, data)
            except OSError as error:
                error.filename = self._path
                raise

    def _opened(self) -> int:
        try:
            return os.open(self._path, _FLAGS)
        except FileNotFoundError:
            return self._made()

    def _made(self) -> int:
        try:
            made = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # whoever rotates it was faster
            return os.open(self._path, _FLAGS)
        if self._rights.group is not None:
            os.fchown(made, -1, self._rights.group)
        os.fchmod(made, self._rights.file)
        return made
